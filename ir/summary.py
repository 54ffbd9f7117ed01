"""The contents of a model in numbers, for people and scripts."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .graph import Graph, Node, OutPort
from .layer import DYNAMIC

_SIDE_SECTIONS = ("rt_info", "meta_data")
_CONTROL_FLOW = ("If", "Loop", "TensorIterator")
#: Operations that may be between constants and the layer that they belong to.
_BETWEEN = ("Convert", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "FakeQuantize", "Subtract", "Multiply")


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        names: Its tensor names, or the name of the layer if there are none.
        element_type: For example "f32".
        shape: For people, e.g. "1,3,?,?".
    """

    names: tuple[str, ...]
    element_type: str
    shape: str


@dataclass(frozen=True)
class Constants:
    """All constants of one element type: how many, how many values, and their bytes in the weights file."""

    count: int
    values: int
    bytes: int


@dataclass(frozen=True)
class Operation:
    """All layers of one type: how many, and the values and bytes of the constants that belong to them."""

    type: str
    opset: str
    count: int
    parameters: int
    bytes: int


@dataclass(frozen=True)
class Summary:
    """The contents of a model, bodies included.

    Attributes:
        name: The name of the model.
        version: 10 or 11.
        inputs: The inputs in the order of the model.
        outputs: The outputs in the order of the model.
        precision: The element type of most constant values.
        operations: The layers by type and opset, most frequent first.
        constants: Element type -> the constants of that type. Shared bytes count once.
        weights_bytes: Size of the weights file.
        unused_bytes: Bytes of it that no constant uses.
        control_flow: The layers with bodies: "If 'name': 12 layers in then_body, 9 in else_body".
        states: The variables of a stateful model.
        origin: Entries of the file about its creation.
    """

    name: str
    version: int
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    precision: str
    operations: tuple[Operation, ...]
    constants: Mapping[str, Constants]
    weights_bytes: int
    unused_bytes: int
    control_flow: tuple[str, ...]
    states: tuple[str, ...]
    origin: Mapping[str, str]


def summarize(graph: Graph) -> Summary:
    """The summary of a model."""
    nodes = [node for each in graph.walk() for node in each.in_file_order()]
    constants = _constants(nodes)
    stored = sorted({_place(node) for node in nodes if node.type == "Const" and node.is_stored})
    return Summary(
        name=graph.name,
        version=graph.version,
        inputs=tuple(_tensor(node.output(), node) for node in graph.in_file_order("Parameter")),
        outputs=tuple(_tensor(node.source(), node) for node in graph.in_file_order("Result")),
        precision=max(constants, key=lambda kind: constants[kind].values, default="none"),
        operations=tuple(_operations(nodes)),
        constants=constants,
        weights_bytes=graph.weights.size,
        unused_bytes=graph.weights.size - _covered(stored),
        control_flow=tuple(_bodies(node) for node in nodes if node.bodies or node.type in _CONTROL_FLOW),
        states=tuple(sorted({node.attributes.get("variable_id", "") for node in nodes if node.type == "ReadValue"})),
        origin=_origin(graph),
    )


def _place(constant: Node) -> tuple[int, int]:
    begin = int(constant.attributes["offset"])
    return begin, begin + int(constant.attributes["size"])


def _covered(ranges: list[tuple[int, int]]) -> int:
    """The number of bytes in the union of sorted ranges."""
    covered = end = 0
    for begin, stop in ranges:
        covered += max(0, stop - max(begin, end))
        end = max(end, stop)
    return covered


def _tensor(port: OutPort, node: Node) -> Tensor:
    shape = node.attributes.get("shape") or ",".join("?" if size == DYNAMIC else str(size) for size in port.shape)
    return Tensor(port.names or (port.node.name,), port.element_type.name, shape)


def _operations(nodes: list[Node]) -> Iterator[Operation]:
    counts = Counter((node.type, node.opset) for node in nodes)
    values, sizes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for node in nodes:
        if node.type == "Const" and (owner := _owner(node)):
            values[owner.type, owner.opset] += node.elements
            sizes[owner.type, owner.opset] += node.raw.size
    for (type_, opset), count in counts.most_common():
        yield Operation(type_, opset, count, values[type_, opset], sizes[type_, opset])


def _owner(constant: Node) -> Node | None:
    """The layer that a constant belongs to: its first reader that does not only change form or scale."""
    node = constant
    while consumers := [port for output in node.outputs for port in output.consumers]:
        node = consumers[0].node
        is_scale = node.type in ("Subtract", "Multiply") and any(
            port.source.node.type not in ("Const", "Convert", "Subtract") for port in node.inputs
        )
        if node.type not in _BETWEEN or is_scale:
            return node
    return None


def _constants(nodes: list[Node]) -> dict[str, Constants]:
    by_type: dict[str, list[Node]] = {}
    for node in nodes:
        if node.type == "Const":
            by_type.setdefault(node.attributes["element_type"], []).append(node)
    return {
        kind: Constants(
            count=len(found),
            values=sum(node.elements for node in found),
            bytes=_covered(sorted({_place(node) for node in found if node.is_stored}))
            + sum(node.raw.size for node in found if not node.is_stored),
        )
        for kind, found in sorted(by_type.items())
    }


def _bodies(node: Node) -> str:
    sizes = ", ".join(f"{len(body)} layers in {tag}" for tag, body in node.bodies.items())
    return f"{node.type} '{node.name}': {sizes}"


def _origin(graph: Graph) -> dict[str, str]:
    """The entries of converters about themselves, e.g. Runtime_version, MO_version, conversion_parameters/input."""
    found: dict[str, str] = {}
    for section in _SIDE_SECTIONS:
        for child in graph.root.iterfind(f"{section}/*"):
            top = str(child.get("name", child.tag))
            found |= {top: child.attrib["value"]} if "value" in child.attrib else {}
            found |= {f"{top}/{leaf.get('name', leaf.tag)}": leaf.get("value", "") for leaf in child}
    return found
