"""The model in memory: layers and the edges between them, read and edited only through handles.

Each layer keeps the XML element that it was read from (see `layer`), and edits change that element: unknown parts
(rt_info, unknown attributes and children) do not change.

`Node`, `InPort` and `OutPort` are small values (a graph and numbers), compared by value, without state of their own.
Iteration is topological with ties in file order: same input, same output, same bytes.
"""

import hashlib
import math
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from .edges import NEW, Edges, End
from .element_types import ElementType, element_type, element_type_of_dtype, element_type_of_precision
from .errors import IRError, printable
from .layer import (
    Array,
    Layer,
    Port,
    Position,
    check_spelt,
    copied_element,
    copied_root,
    decode_layer,
    new_layer_element,
    shape_of,
    split_names,
)
from .packing import pack, unpack
from .weights import EMPTY, Weights
from .xml import XmlStyle

EDGE_ATTRIBUTES = ("from-layer", "from-port", "to-layer", "to-port")
BODY_TAGS = ("body", "then_body", "else_body")

#: The path to a body: ids of layers and tags of bodies, outermost first; empty for the model itself.
Scope = tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class InPort:
    """An input port of a node: `node.input(index)`.

    Attributes:
        node: The node that reads.
        index: The number of the input, from 0.
    """

    node: "Node"
    index: int

    @property
    def source(self) -> "OutPort":
        """The output port that drives this input."""
        graph = self.node.graph
        if (end := graph.source_of((self.node.id, self.index))) is None:
            message = f"input {self.index} of {self.node} has no source"
            raise IRError(message)
        return OutPort(Node(graph, end[0]), end[1])

    def connect(self, source: "OutPort") -> None:
        """Connects this input to `source` instead of its former source."""
        graph = self.node.graph
        graph.check_same(source, self)
        graph.link(source, self, graph.unlink(self))
        graph.is_edited = True


@dataclass(frozen=True, slots=True)
class OutPort:
    """An output port of a node: a tensor, with its type, shape and readers. `node.output(index)` gives it.

    Attributes:
        node: The node that computes the tensor.
        index: The number of the output, from 0.
    """

    node: "Node"
    index: int

    @property
    def _port(self) -> Port:
        return self.node._layer.outputs[self.index]

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes: -1 is a dynamic size; no sizes mean a scalar or, in dynamic models, an unknown rank."""
        return self._port.shape

    @property
    def element_type(self) -> ElementType:
        """The type of the tensor's elements; for a Const or Parameter, the one in its attributes."""
        layer = self.node._layer
        if layer.data is not None and layer.element.attrib["type"] in ("Const", "Parameter"):
            return element_type(layer.data.attrib["element_type"])
        return element_type_of_precision(self._port.element.get("precision", ""))

    @property
    def names(self) -> tuple[str, ...]:
        """Tensor names, in file order."""
        return split_names(self._port.element.get("names", ""))

    @property
    def layout(self) -> str | None:
        """The axis letters in the port's rt_info, e.g. "NCHW"."""
        for attribute in self._port.element.iterfind("rt_info/attribute"):
            if attribute.get("name") == "layout":
                return attribute.get("layout", "").strip("[]").replace(",", "") or None
        return None

    @property
    def consumers(self) -> list[InPort]:
        """The input ports that this output feeds, in file order of their nodes."""
        graph = self.node.graph
        found = [InPort(Node(graph, to), index) for to, index in graph.readers_of((self.node.id, self.index))]
        return sorted(found, key=lambda port: (port.node._layer.position, port.index))

    @property
    def origin(self) -> tuple[int, int]:
        """The id of the node and the output that computed this tensor when `Graph.track_origins` was called.

        A new tensor that has replaced another one since then (`redirect`) has its origin; other tensors are their own
        origin. Statistics are those of the origin.
        """
        place = self.node.id, self.index
        return self.node.graph.origins.get(place, place)

    def set_shape(self, shape: Sequence[int]) -> None:
        """Says that the tensor has other sizes, since its node computes another tensor now; their number stays.

        Args:
            shape: The sizes; -1 is a dynamic one.

        Raises:
            IRError: the tensor has another number of axes.
        """
        if len(shape) != len(self.shape):
            message = f"{self.node} cannot have {len(shape)} axes instead of {len(self.shape)}: only sizes can change"
            raise IRError(message)
        for dim, size in zip(self._port.element.findall("dim"), shape, strict=True):
            dim.text = str(size)
        self._port.shape, self.node._layer.text = tuple(shape), None
        self.node.graph.is_edited = True

    def redirect(self, to: "OutPort", only: Iterable[InPort] | None = None, *, is_same: bool = True) -> None:
        """Makes `to` feed this port's consumers (or `only` some of them) instead.

        A model output keeps its names: if a Result moves, the tensor names move with it, and in v10, where the
        producer's friendly name counts, the two nodes swap theirs (the old one becomes `name/original`).

        Args:
            to: The tensor that replaces this one.
            only: The consumers to change; default: all.
            is_same: Whether the tensors differ only by rounding and small corrections; a new `to` then has the same
                `origin`, and with it the statistics. A `to` that was there when `calibrate` ran keeps its own.
        """
        moved = [port for port in (self.consumers if only is None else only) if port.node != to.node]
        if is_same:
            self.node.graph.note_origin(self, to)
        for port in moved:
            port.connect(to)
        if any(port.node.type == "Result" for port in moved):
            _move_names(self, to)


def _move_names(old: OutPort, new: OutPort) -> None:
    graph = old.node.graph
    names = old._port.element.attrib.pop("names", None)
    if names is not None:
        new._port.element.set("names", names)
        old.node._layer.text = new.node._layer.text = None
        new.node.graph.is_edited = True
    if graph.version == 10:
        name = old.node.name
        graph.rename(old.node, graph.unique_name(f"{name}/original"))
        graph.rename(new.node, name)


@dataclass(frozen=True, slots=True)
class Node:
    """An operation of a graph.

    Attributes:
        graph: The graph of the node.
        id: The id in the .xml, unique in its graph.
    """

    graph: "Graph"
    id: int

    def __repr__(self) -> str:
        return f"{self.type} '{printable(self.name)}' (id {self.id})"

    @property
    def _layer(self) -> Layer:
        try:
            return self.graph._layers[self.id]
        except KeyError:
            message = f"node {self.id} is no longer in the graph"
            raise IRError(message) from None

    @property
    def type(self) -> str:
        """The op type as the .xml spells it, e.g. "Const", "ReLU"."""
        return self._layer.element.attrib["type"]

    @property
    def name(self) -> str:
        """The friendly name; not always unique in files of other tools."""
        return self._layer.element.get("name", "")

    @property
    def fused_names(self) -> tuple[str, ...]:
        """The names of the source framework's operations that were fused into this one, if rt_info has them."""
        for attribute in self._layer.element.iterfind("rt_info/attribute"):
            if attribute.get("name") == "fused_names":
                return tuple(name.strip() for name in split_names(attribute.get("value", "")))
        return ()

    @property
    def opset(self) -> str:
        """The `version` attribute, e.g. "opset1"."""
        return self._layer.element.attrib["version"]

    @property
    def attributes(self) -> Mapping[str, str]:
        """The op's attributes as the file spells them; `set_attribute` changes one."""
        data = self._layer.data
        return MappingProxyType({} if data is None else data.attrib)

    def set_attribute(self, name: str, value: str) -> None:
        """Changes or adds an attribute.

        Args:
            name: The name of the attribute.
            value: The value as the file spells it: a text such as "1e-06", "1,1" or "true".

        Raises:
            IRError: the value is no text.
        """
        check_spelt(name, value)
        layer = self._layer
        layer.text = None
        self.graph.is_edited = True
        if layer.data is None:
            layer.data = ET.Element("data")
            layer.data.tail = layer.element.text
            layer.element.insert(0, layer.data)
        layer.data.set(name, value)

    @property
    def inputs(self) -> list[InPort]:
        """All input ports, by argument index."""
        return [InPort(self, index) for index in range(len(self._layer.inputs))]

    @property
    def outputs(self) -> list[OutPort]:
        """All output ports."""
        return [OutPort(self, index) for index in range(len(self._layer.outputs))]

    def input(self, index: int = 0) -> InPort:
        """The input port of argument `index`."""
        if not 0 <= index < len(self._layer.inputs):
            message = f"{self} has {len(self._layer.inputs)} inputs: no input {index}"
            raise IRError(message)
        return InPort(self, index)

    def output(self, index: int = 0) -> OutPort:
        """The output port `index`."""
        if not 0 <= index < len(self._layer.outputs):
            message = f"{self} has {len(self._layer.outputs)} outputs: no output {index}"
            raise IRError(message)
        return OutPort(self, index)

    def source(self, index: int = 0) -> OutPort:
        """The output port that drives input `index`."""
        return self.input(index).source

    @property
    def is_stored(self) -> bool:
        """Whether the value of this Const is in the weights file; the value of a new one is in memory."""
        return self._layer.array is None

    @property
    def bodies(self) -> dict[str, "Graph"]:
        """The graphs inside a TensorIterator, Loop ("body") or If ("then_body", "else_body")."""
        return self._layer.bodies

    def inside(self) -> Iterator["Node"]:
        """All nodes in its bodies, recursively."""
        return (each for body in self.bodies.values() for graph in body.walk() for each in graph.in_file_order())

    @property
    def array(self) -> Array:
        """The value of a Const: a read-only view of the weights file, or the array it was made from.

        Packed types become u8 or i8 for small integers, floats, or objects for strings.

        Raises:
            IRError: not a Const, or its bytes are invalid.
        """
        kind, raw = element_type(self.attributes.get("element_type", "")), self.raw
        shape = shape_of(self.attributes["shape"])
        if kind.dtype is None:
            return unpack(raw, kind.name, math.prod(shape)).reshape(shape)
        return raw[: math.prod(shape) * kind.dtype.itemsize].view(kind.dtype).reshape(shape)

    def set_array(self, value: Array) -> None:
        """Sets the value of a Const, of the same type and shape, for all its readers.

        Raises:
            IRError: not a Const, or the value is of another type or shape.
        """
        self.raw  # noqa: B018 - raises if this is not a Const
        if element_type_of_dtype(value.dtype) != self.output().element_type or value.shape != self.output().shape:
            message = f"{self} cannot become {value.dtype}{list(value.shape)}: only the values of a constant can change"
            raise IRError(message)
        layer = self._layer
        layer.array, layer.text, layer.digest = np.asarray(value, order="C"), None, None
        self.graph.is_edited = True

    @property
    def digest(self) -> tuple[str, str, bytes]:
        """The element type and the shape of a Const, and the SHA-256 of its bytes: equal for equal values.

        The bytes are read once for all copies of the graph if they are in the weights file.

        Raises:
            IRError: not a Const.
        """
        layer, raw, attributes = self._layer, self.raw, self.attributes
        if layer.array is None:
            content = self.graph.weights.digest(int(attributes["offset"]), int(attributes["size"]))
        else:
            layer.digest = layer.digest or hashlib.sha256(raw.data).digest()
            content = layer.digest
        return attributes["element_type"], attributes["shape"], content

    @property
    def elements(self) -> int:
        """How many values a Const has."""
        return math.prod(shape_of(self.attributes["shape"]))

    @property
    def raw(self) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """The bytes of a Const, in the form of the weights file.

        Raises:
            IRError: not a Const.
        """
        if self.type != "Const":
            message = f"{self} is not a Const: it has no value"
            raise IRError(message)
        if self._layer.array is not None:
            return np.ascontiguousarray(self._layer.array).reshape(-1).view(np.uint8)
        return self.graph.weights.view(int(self.attributes["offset"]), int(self.attributes["size"]))

    def replace_with(self, other: OutPort) -> None:
        """Connects this node's consumers to `other`, and removes the node and its sources without other consumers.

        Like `OutPort.redirect`, it keeps the names of model outputs, and a new `other` gets the node's statistics.

        Args:
            other: The tensor that replaces the first output of this node.
        """
        self.output().redirect(other)
        self.graph.prune(self)


_EMPTY_NET = '<net name="" version="11">\n\t<layers>\n\t</layers>\n\t<edges>\n\t</edges>\n</net>'


def _appended(parent: ET.Element, child: ET.Element, *, level: int) -> ET.Element:
    """Appends an element to its parent, on a separate line."""
    before, after = "\n" + "\t" * level, "\n" + "\t" * (level - 1)
    if len(parent):
        parent[-1].tail = before
    else:
        parent.text = before
    child.tail = after
    parent.append(child)
    return child


class Graph:
    """A model, or the body of a control-flow node.

    Attributes:
        root: The `net` or body element, with everything except layers and edges.
        style: The spelling of the file that the graph was read from.
        weights: The bytes of constants that were read from a file.
        version: 10 or 11; bodies have the version of their model.
        levels: The depth of the `layers` element, for the white space of new elements.
        origins: New tensors (id and output of their node) -> the tensors that they replaced (see `track_origins`).
        scope: Its place in the model.
        is_edited: Whether anything has changed since the graph was read.
        extensions: Extensions that the runtime needs to run the model.
    """

    def __init__(
        self,
        root: ET.Element | None = None,
        *,
        version: int = 11,
        weights: Weights = EMPTY,
        levels: int = 1,
        scope: Scope = (),
    ) -> None:
        self.root = ET.fromstring(_EMPTY_NET) if root is None else root
        self.style = XmlStyle()
        self.version = version
        self.weights = weights
        self.levels = levels
        self.scope = scope
        self.is_edited = False
        self.extensions: tuple[object, ...] = ()
        self._edges = Edges()
        self._layers: dict[int, Layer] = {}
        self._names: Counter[str] = Counter()
        self._order: list[int] | None = None  # topological, until an edge or a node changes
        self._next_id = 0
        self._serial = 0
        self._first_new: int | None = None  # nodes from this id on are newer than `track_origins`
        self.origins: dict[tuple[int, int], tuple[int, int]] = {}

    # ------------------------------------------------------------------------------------------------- looking

    @property
    def name(self) -> str:
        """The name of the model."""
        return self.root.get("name", "")

    def metadata(self, section: str) -> dict[str, str]:
        """The leaves of a section of the model's rt_info, e.g. `model_info`: names and texts."""
        found = self.root.find("rt_info")
        for element in found if found is not None else ():
            if element.tag == section or element.get("name") == section:
                return {str(leaf.get("name", leaf.tag)): leaf.get("value", "") for leaf in element}
        return {}

    def set_metadata(self, section: str, values: Mapping[str, str]) -> None:
        """Writes a section of the model's rt_info, and replaces a section of that name."""
        found = self.root.find("rt_info")
        if found is None:
            found = _appended(self.root, ET.Element("rt_info"), level=1)
        for old in found.findall(section):
            found.remove(old)
        new = ET.Element(section)
        new.extend([ET.Element(name, value=value) for name, value in values.items()])
        ET.indent(new, "\t", level=2)
        _appended(found, new, level=2)

    def nodes(self, *types: str) -> Iterator[Node]:
        """All nodes (of the given types) in topological order, ties in file order; removed ones are skipped."""
        for id_ in self._topological():
            layer = self._layers.get(id_)
            if layer and (not types or layer.element.attrib["type"] in types):
                yield Node(self, id_)

    def _topological(self) -> list[int]:
        if self._order is None:
            self._order = self._edges.topological(self._position, self._states())
        return self._order

    def _position(self, id_: int) -> Position:
        return self._layers[id_].position

    def _states(self) -> Iterator[tuple[int, int]]:
        """The ids of each ReadValue and the Assign of its variable: an edge that the file does not have."""
        if writers := self.in_file_order("Assign"):
            readers = {node.attributes.get("variable_id"): node.id for node in self.in_file_order("ReadValue")}
            for node in writers:
                if (reader := readers.get(node.attributes.get("variable_id"))) is not None:
                    yield reader, node.id

    def has(self, id_: int) -> bool:
        """Whether a node has that id."""
        return id_ in self._layers

    def __len__(self) -> int:
        return len(self._layers)

    def in_file_order(self, *types: str) -> list[Node]:
        """All nodes (of the given types) in file order: the order of inputs and outputs of the model."""
        found = sorted((layer.position, id_) for id_, layer in self._layers.items())
        if types:
            found = [each for each in found if self._layers[each[1]].element.attrib["type"] in types]
        return [Node(self, id_) for _, id_ in found]

    def node(self, name: str) -> Node:
        """The node with that friendly name; the first in file order if several have it."""
        for node in self.in_file_order():
            if node.name == name:
                return node
        message = f"no node is named '{name}'"
        raise IRError(message)

    def walk(self) -> Iterator["Graph"]:
        """This graph and all bodies inside it, outermost first."""
        return (graph for _, graph in self.walk_named())

    def walk_named(self) -> Iterator[tuple[str, "Graph"]]:
        """`walk`, each graph with the prefix of its nodes' names in messages: "" or "loop|branch|"."""
        graphs: list[tuple[str, Graph]] = [("", self)]
        while graphs:
            prefix, graph = graphs.pop(0)
            yield prefix, graph
            holders = sorted((layer for layer in graph._layers.values() if layer.bodies), key=lambda it: it.position)
            graphs.extend(
                (f"{prefix}{layer.element.get('name', '')}|", body)
                for layer in holders
                for body in layer.bodies.values()
            )

    def body_at(self, scope: Scope) -> "Graph":
        """The body at that path."""
        graph = self
        for id_, tag in scope:
            graph = graph._layers[id_].bodies[tag]
        return graph

    # ------------------------------------------------------------------------------------------------- editing

    def track_origins(self) -> None:
        """From now on, the graph and its bodies record which tensor each new tensor replaces (`OutPort.origin`).

        Facts about the present tensors then also hold for the tensors that replace them later.
        """
        for each in self.walk():
            each._first_new = each._next_id
            each.origins = {}

    def note_origin(self, old: OutPort, new: OutPort) -> None:
        """Records that a new tensor replaces another one; an older tensor keeps its origin."""
        if self._first_new is not None and new.node.id >= self._first_new:
            self.origins[new.node.id, new.index] = old.origin

    def unique_name(self, name: str) -> str:
        """`name`, or the first of `name_1`, `name_2`, ... that no node has."""
        candidate, number = name, 0
        while self._names[candidate] > 0:
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def rename(self, node: Node, name: str) -> None:
        """Sets the friendly name of a node."""
        self._names[node.name] -= 1
        node._layer.element.set("name", name)
        node._layer.text = None
        self._names[name] += 1
        self.is_edited = True

    def add(
        self,
        type_: str,
        name: str,
        sources: Sequence[OutPort],
        outputs: Sequence[tuple[ElementType, Sequence[int]]],
        *,
        attributes: Mapping[str, str] | None = None,
        opset: str = "opset1",
        near: Node | None = None,
        id_: int | None = None,
    ) -> Node:
        """Adds a node behind its `sources`, written in the file just before `near` (default: at the end).

        Args:
            type_: The op type.
            name: The friendly name; a number is appended if it is taken.
            sources: The output port for each input.
            outputs: Element type and shape of each output.
            attributes: The op's attributes, spelt as in the file.
            opset: The op's `version`.
            near: The node that follows the new one in the file.
            id_: The id (default: above all others).
        """
        id_ = self._next_id if id_ is None else id_
        identity = {"id": str(id_), "name": self.unique_name(name), "type": type_, "version": opset}
        inputs = [(source.element_type, source.shape) for source in sources]
        element = new_layer_element(identity, inputs, outputs, attributes or {}, self.levels + 1)
        self._serial += 1
        position = (
            near._layer.position[0] if near else np.inf,
            float(self._serial - (1 << 53)) if near else self._serial,
        )
        node = self.insert_layer(decode_layer(element, position))
        for index, source in enumerate(sources):
            self.link(source, InPort(node, index))
        self.is_edited = True
        return node

    def add_constant(
        self, name: str, value: Array, *, near: Node | None = None, packed: ElementType | None = None
    ) -> Node:
        """Adds a Const; its bytes go to the end of the .bin when the graph is written.

        Args:
            name: The friendly name; a number is appended if it is taken.
            value: The values.
            near: The node that follows the new one in the file (default: at the end).
            packed: The element type if it has no numpy form: u4, i4 or nf4 (see `packing.pack`).

        Raises:
            IRError: the element type does not hold the values.
        """
        kind = packed or element_type_of_dtype(value.dtype)
        stored = pack(value, packed.name) if packed else value
        data = {
            "element_type": kind.name,
            "shape": ", ".join(map(str, value.shape)),
            "offset": "0",
            "size": str(stored.nbytes),
        }
        node = self.add("Const", name, [], [(kind, value.shape)], attributes=data, near=near)
        node._layer.array = stored
        return node

    def remove(self, node: Node) -> None:
        """Removes a node that nothing consumes.

        Raises:
            IRError: it has consumers; the message names them.
        """
        if consumers := [port for output in node.outputs for port in output.consumers]:
            message = f"cannot remove {node}: it feeds {', '.join(str(port.node) for port in consumers)}"
            raise IRError(message)
        for port in node.inputs:
            self.unlink(port)
        self._names[node.name] -= 1
        self._edges.remove_node(node.id)
        self._order = None
        del self._layers[node.id]
        self.is_edited = True

    def prune(self, node: Node) -> None:
        """Removes a node without consumers and, upwards, all nodes that then have none; otherwise does nothing.

        Parameters, Results and the operations of states (ReadValue, Assign) stay.
        """
        doomed = [node]
        while doomed:
            node = doomed.pop()
            if node.id not in self._layers or any(self.readers_of((node.id, each.index)) for each in node.outputs):
                continue
            if node.type in ("Parameter", "Result", "Assign", "ReadValue"):
                continue
            sources = [port.source.node for port in node.inputs]
            self.remove(node)
            doomed.extend(sources)

    def copy(self) -> "Graph":
        """An independent graph over the same weights."""
        clones = {layer.element: copied_element(layer.element) for layer in self._layers.values()}
        twin = Graph(
            copied_root(self.root, clones),
            version=self.version,
            weights=self.weights,
            levels=self.levels,
            scope=self.scope,
        )
        twin.style, twin.is_edited, twin.extensions = self.style, self.is_edited, self.extensions
        twin._next_id, twin._serial, twin._names = self._next_id, self._serial, self._names.copy()
        twin._first_new, twin.origins = self._first_new, self.origins.copy()
        for id_, layer in self._layers.items():
            clone = decode_layer(clones[layer.element], layer.position)
            clone.array, clone.text, clone.digest = layer.array, layer.text, layer.digest
            for tag, body in layer.bodies.items():
                clone.bodies[tag] = _copy_body(body, clone.element, tag)
            twin._layers[id_] = clone
        twin._edges = self._edges.copy()
        return twin

    # ------------------------------------------------------------------------ for the reader and the text

    def insert_layer(self, layer: Layer) -> Node:
        """Adds a decoded layer under the id of its element.

        Raises:
            IRError: the id is taken.
        """
        id_ = int(layer.element.attrib["id"])
        if id_ in self._layers:
            message = f"two layers have id {id_}: '{Node(self, id_).name}' and '{layer.element.get('name')}'"
            raise IRError(message)
        self._edges.add_node(id_)
        self._order = None
        self._layers[id_] = layer
        self._names[layer.element.get("name", "")] += 1
        self._next_id = max(self._next_id, id_ + 1)
        return Node(self, id_)

    def link(self, source: OutPort, to: InPort, place: int = NEW) -> None:
        """Adds an edge to an input without one. `place` is its rank among the file's edges."""
        self.check_same(source, to)
        self.link_ids((source.node.id, source.index), (to.node.id, to.index), place)

    def link_ids(self, source: End, to: End, place: int) -> None:
        """`link` by layer id and port index, for the reader, which has checked both."""
        self._edges.add(source, to, place)
        self._order = None

    def unlink(self, to: InPort) -> int:
        """Removes the edge to an input, and returns its rank among the file's edges."""
        to.source  # noqa: B018 - raises if there is none
        self._order = None
        return self._edges.remove((to.node.id, to.index))

    def check_same(self, source: OutPort, to: InPort) -> None:
        """Refuses an edge between two graphs."""
        if source.node.graph is not self or to.node.graph is not self:
            message = f"{source.node} and {to.node} are not in the same graph"
            raise IRError(message)

    def source_of(self, to: End) -> End | None:
        """The output that feeds an input; None if there is no edge."""
        return self._edges.source_of(to)

    def readers_of(self, source: End) -> Collection[End]:
        """The inputs that an output feeds, in no fixed order."""
        return self._edges.readers_of(source)

    def edges(self) -> list[tuple[OutPort, InPort]]:
        """All edges: those of the file in its order, then new ones in the order of their consumers."""
        return [
            (OutPort(Node(self, source[0]), source[1]), InPort(Node(self, to[0]), to[1]))
            for source, to in self._edges.ordered(self._position)
        ]

    def cycle(self) -> list[Node]:
        """The nodes of a cycle, empty if there is none."""
        return [Node(self, id_) for id_ in self._edges.cycle(self._position, self._states())]


def _copy_body(body: Graph, element: ET.Element, tag: str) -> Graph:
    twin = body.copy()
    root = element.find(tag)
    assert root is not None, "a body graph without its element"
    index = list(element).index(root)
    twin.root.tail = root.tail
    element[index] = twin.root
    return twin
