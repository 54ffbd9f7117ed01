"""The data of a graph node: the XML element that it was read from, with its ports decoded; new elements, and copies."""

import functools
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .element_types import ElementType
from .errors import IRError

if TYPE_CHECKING:
    from .graph import Graph

DYNAMIC = -1

Array = np.ndarray[Any, np.dtype[Any]]
Position = tuple[float, float]


@dataclass(slots=True)
class Port:
    """A decoded `port` element. `shape` has -1 for dynamic dimensions; no dimensions: scalar or dynamic rank."""

    id: int
    element: ET.Element
    shape: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Layer:
    """The data of a graph node."""

    element: ET.Element
    inputs: list[Port]
    outputs: list[Port]
    position: Position
    data: ET.Element | None = None
    array: Array | None = None  # the value of a new constant, which is in no file
    bodies: dict[str, "Graph"] = field(default_factory=dict[str, "Graph"])
    text: str | None = None  # the element as in the file, until an edit
    digest: bytes | None = None  # of the array, once it was asked for

    @property
    def ports(self) -> tuple[list[Port], list[Port]]:
        """Inputs and outputs."""
        return self.inputs, self.outputs


def decode_layer(element: ET.Element, position: Position) -> Layer:
    """Reads the ports of a `layer` element, not its bodies."""
    inputs: list[Port] = []
    outputs: list[Port] = []
    data = None
    for child in element:
        if child.tag == "input":
            inputs = [_decode_port(port) for port in child if port.tag == "port"]
        elif child.tag == "output":
            outputs = [_decode_port(port) for port in child if port.tag == "port"]
        elif child.tag == "data":
            data = child
    return Layer(element, inputs, outputs, position, data)


def _decode_port(element: ET.Element) -> Port:
    try:
        shape = tuple([_decode_dim(dim.text or "") for dim in element if dim.tag == "dim"])
        return Port(int(element.attrib["id"]), element, shape)
    except (KeyError, ValueError):
        message = f"port {dict(element.attrib)} needs a decimal 'id' and 'dim' elements of decimal numbers >= -1"
        raise IRError(message) from None


@functools.lru_cache(maxsize=4096)  # a model has few different sizes, each many times
def _decode_dim(text: str) -> int:
    size = int(text)
    if not DYNAMIC <= size < 1 << 63:
        raise ValueError
    return size


@functools.lru_cache(maxsize=4096)
def shape_of(text: str) -> tuple[int, ...]:
    """The sizes in the `shape` of a constant, Python integers: nothing overflows.

    Raises:
        IRError: one of them is not a decimal number.
    """
    return tuple(natural(size, "a size in its shape") for size in map(str.strip, text.split(",")) if size)


def natural(text: str, what: str) -> int:
    """A decimal number >= 0 of up to 19 digits."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        message = f"{what} is '{text}', expected a decimal number"
        raise IRError(message)
    return int(digits)


def split_names(text: str) -> tuple[str, ...]:
    r"""The names in a comma-separated `names` attribute, in which a comma inside a name is written `\,`."""
    return tuple(name.replace("\0", ",") for name in text.replace("\\,", "\0").split(",") if name)


def check_spelt(name: str, value: object) -> None:
    """Refuses an attribute that is not spelt as the file spells it: the writer would fail at it later, elsewhere.

    Raises:
        IRError: the value is no text.
    """
    if not isinstance(value, str):
        spelt = ",".join(map(str, cast(list[object], value))) if isinstance(value, (list, tuple)) else str(value)
        spelt = spelt.lower() if isinstance(value, bool) else spelt
        message = f"attribute '{name}' is {value!r}, expected a text, as the file spells it: {spelt!r}"
        raise IRError(message)


def new_layer_element(
    identity: Mapping[str, str],
    inputs: Sequence[tuple[ElementType, Sequence[int]]],
    outputs: Sequence[tuple[ElementType, Sequence[int]]],
    attributes: Mapping[str, str],
    level: int,
) -> ET.Element:
    """The element of a new layer.

    Args:
        identity: Its id, name, type and version.
        inputs: Element type and shape of each input.
        outputs: Those of each output.
        attributes: The op's attributes, spelt as in the file.
        level: The depth of the element, for the white space.

    Raises:
        IRError: an attribute is no text.
    """
    for name, value in attributes.items():
        check_spelt(name, value)
    element = ET.Element("layer", dict(identity))
    if attributes:
        ET.SubElement(element, "data", dict(attributes))
    for tag, first, some in (("input", 0, inputs), ("output", len(inputs), outputs)):
        if not some:
            continue
        group = ET.SubElement(element, tag)
        for number, (kind, shape) in enumerate(some, first):
            port = ET.SubElement(group, "port", id=str(number), precision=kind.precision)
            for size in shape:
                ET.SubElement(port, "dim").text = str(size)
    ET.indent(element, "\t", level)
    return element


def copied_element(element: ET.Element) -> ET.Element:
    """A deep copy of an element, in a fifth of the time of `copy.deepcopy`."""
    twin = ET.Element(element.tag, element.attrib)
    twin.text, twin.tail = element.text, element.tail
    if len(element):
        twin.extend([copied_element(child) for child in element])
    return twin


def copied_root(root: ET.Element, clones: Mapping[ET.Element, ET.Element]) -> ET.Element:
    """A copy of a `net` or body element, from existing copies of its layers."""
    twin = ET.Element(root.tag, root.attrib)
    twin.text, twin.tail = root.text, root.tail
    for child in root:
        if child.tag != "layers":
            twin.append(copied_element(child))
            continue
        layers = ET.SubElement(twin, "layers", child.attrib)
        layers.text, layers.tail = child.text, child.tail
        layers.extend([clones[layer] if layer in clones else copied_element(layer) for layer in child])
    return twin
