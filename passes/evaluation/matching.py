"""Finds the inputs, outputs and layers of two models that correspond.

Quantizers keep the friendly names of layers. They put FakeQuantizes in front, replace constants, and may add a bias to
a layer; if the layer is an output of an IR v10, that bias takes over its name. Therefore name and type identify a
layer, and its output is compared with its bias, if it has one.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ...ir import DYNAMIC, Graph, InPort, Node, OutPort, UserError
from ...ir.match import Match
from ...ir.ops import LAYER_TYPES, output_channel_axis
from ...ir.pattern import any_tensor, chain, const, op
from ..analysis.outputs import Output, OutputKind, Outputs
from ..runtime.samples import ModelInput, model_inputs

#: The suffix of a layer's name in an IR v10 if its bias took over the name.
_RENAMED = "/original"
#: The operations that may stand between a constant and the layer that reads it.
_BETWEEN = ("Convert", "FakeQuantize", "Reshape", "Unsqueeze")
#: A layer of a model: name, type, and its number among layers of the same name and type.
_Key = tuple[str, str, int]


class ComparisonError(UserError):
    """The models cannot be compared."""


@dataclass(frozen=True)
class LayerPair:
    """A layer that both models have.

    Attributes:
        node: The layer in the first model.
        twin: The layer in the second model.
    """

    node: Node
    twin: Node

    @property
    def tensors(self) -> tuple[OutPort, OutPort]:
        """The output of the layer with its bias, in either model."""
        return _with_bias(self.node), _with_bias(self.twin)


@dataclass(frozen=True)
class Matching:
    """The layers of two models, without those in bodies.

    Attributes:
        pairs: The layers that both have.
        only_first: The names of layers that only the first has, or has with another shape.
        only_second: The names of layers that only the second has, or has with another shape.
        in_bodies: The number of layers in bodies of the first; they are not compared.
    """

    pairs: tuple[LayerPair, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    in_bodies: int


def match_layers(first: Graph, second: Graph) -> Matching:
    """The layers that both models have: with equal names, equal types, and compatible shapes."""
    ours, theirs = (dict(_keyed(list(graph.nodes(*LAYER_TYPES)))) for graph in (first, second))
    pairs = [LayerPair(node, theirs[key]) for key, node in ours.items() if key in theirs]
    fitting = tuple(pair for pair in pairs if _fit(*(each.shape for each in pair.tensors)))
    nodes, twins = {pair.node for pair in fitting}, {pair.twin for pair in fitting}
    return Matching(
        fitting,
        tuple(node.name for node in ours.values() if node not in nodes),
        tuple(node.name for node in theirs.values() if node not in twins),
        sum(len(body.in_file_order(*LAYER_TYPES)) for body in [*first.walk()][1:]),
    )


def _keyed(nodes: Sequence[Node]) -> Iterator[tuple[_Key, Node]]:
    seen: Counter[tuple[str, str]] = Counter()
    for node in nodes:
        key = node.name.removesuffix(_RENAMED), node.type
        seen[key] += 1
        yield (*key, seen[key]), node


def _fit(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether shapes can be the same; an empty shape may also mean an unknown rank."""
    if not (one and other):
        return True
    return len(one) == len(other) and all(a == b or DYNAMIC in (a, b) for a, b in zip(one, other, strict=True))


def _with_bias(node: Node) -> OutPort:
    found = _WITH_BIAS.match_around(_RESULT, node.output())
    return found[_WITH_BIAS].output() if found else node.output()


def _is_along_channels(found: Match) -> bool:
    """Whether a constant has at most one value per output channel."""
    node, shape = found[_RESULT].node, found[_BIAS][-1].shape
    rank = len(node.output().shape)
    axis = output_channel_axis(node) % rank if rank else 0
    padded = (1,) * (rank - len(shape)) + tuple(shape)
    return len(padded) == rank and all(size == 1 for k, size in enumerate(padded) if k != axis)


_RESULT, _BIAS = any_tensor(), chain(_BETWEEN, const())
_ADDED = op("Add", _RESULT.read_once(), _BIAS).commutative()
_WITH_BIAS = _ADDED.provided(_is_along_channels, "a bias of one number an output channel")


def match_inputs(first: Graph, second: Graph) -> list[int]:
    """For each input of the second model, the index of that input in the first.

    Raises:
        ComparisonError: the inputs differ.
    """
    ours, theirs = model_inputs(first), model_inputs(second)
    order = _matched([each.names for each in theirs], [each.names for each in ours])
    if order is None and len(ours) == len(theirs) == 1:
        order = [0]
    if order is None or not all(_is_same(ours[k], each) for k, each in zip(order, theirs, strict=True)):
        lists = [", ".join(map(str, each)) or "nothing" for each in (ours, theirs)]
        message = f"the models take different inputs: the first {lists[0]}; the second {lists[1]}"
        raise ComparisonError(message)
    return order


def _is_same(one: ModelInput, other: ModelInput) -> bool:
    return one.element_type == other.element_type and _fit(one.shape or (), other.shape or ())


def match_outputs(first: Graph, second: Graph) -> list[int]:
    """For each output of the first model, the index of that output in the second: by names, or else by position.

    Raises:
        ComparisonError: the numbers of outputs differ.
    """
    ours, theirs = ([_names(each) for each in graph.in_file_order("Result")] for graph in (first, second))
    if len(ours) != len(theirs):
        lists = [", ".join(sorted(min(names) for names in each)) for each in (ours, theirs)]
        message = f"the models have different outputs: the first {lists[0]}; the second {lists[1]}"
        raise ComparisonError(message)
    return _matched(ours, theirs) or list(range(len(ours)))


def _names(result: Node) -> frozenset[str]:
    return frozenset((*result.source().names, result.name, result.source().node.name))


def _matched(wanted: Sequence[Collection[str]], known: Sequence[Collection[str]]) -> list[int] | None:
    """For each set of names, the index of the known set that shares a name; None if they do not match one to one."""
    found: list[int] = []
    for names in wanted:
        fitting = (k for k, each in enumerate(known) if k not in found and set(names) & set(each))
        if (index := next(fitting, None)) is None:
            return None
        found.append(index)
    return found if len(found) == len(known) else None


def match_taps(outputs: Outputs, second: Graph) -> tuple[InPort, ...] | None:
    """The taps of a model in another model; None if one of them is missing there."""
    known = dict(_keyed(list(second.nodes())))
    keys = {node: key for key, node in _keyed(list(outputs.taps[0].node.graph.nodes()))} if outputs.taps else {}
    twins = [known.get(keys[tap.node]) for tap in outputs.taps]
    if any(twin is None or len(twin.inputs) <= tap.index for twin, tap in zip(twins, outputs.taps, strict=True)):
        return None
    return tuple(InPort(twin, tap.index) for twin, tap in zip(twins, outputs.taps, strict=True) if twin is not None)


_DECIDED = (OutputKind.DETECTIONS, OutputKind.DECISIONS)


def untapped(outputs: Outputs) -> Outputs:
    """The outputs as the model returns them, also if they are selected."""
    plain = (
        Output(each.name, OutputKind.VALUES if each.kind in _DECIDED else each.kind, (index,))
        for index, each in enumerate(outputs.each)
    )
    rows = {number: axis for number, axis in outputs.rows.items() if number < len(outputs.each)}
    return replace(outputs, each=tuple(plain), taps=(), rows=rows, picked_by={})
