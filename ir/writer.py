"""Writes a graph to .xml and .bin. Parts without edits are written as they were read.

The .bin is the old file followed by the new constants (equal ones share their bytes); `compact=True` omits old bytes
that no constant uses any more. Old bytes are copied inside the kernel if the system supports that.
"""

import bisect
import errno
import os
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .atomic_write import write_failure, write_pair
from .errors import IRError
from .gc_paused import gc_paused
from .graph import EDGE_ATTRIBUTES, Graph, InPort, Node, OutPort
from .layer import Array
from .suggestions import did_you_mean
from .verify import verify_structure
from .weights import Weights
from .xml import write_xml

#: Errors of systems that cannot copy between two files inside the kernel.
_NO_COPY_HERE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class BinLayout:
    """The places of all constants in the new .bin, and what to write in which order.

    Attributes:
        kept: Ranges (begin, end) of the old weights, in file order.
        new: The new constants' bytes, behind the kept ranges.
        places: Offset and size of each constant.
    """

    kept: tuple[tuple[int, int], ...]
    new: tuple[Array, ...]
    places: Mapping[Node, tuple[int, int]]


def write_model(graph: Graph, path: Path | str, *, compact: bool = False) -> None:
    """Writes `path` (.xml) and the weights next to it (.bin), both whole or not at all.

    Args:
        graph: A graph that verifies.
        path: The .xml to write.
        compact: Whether to omit bytes of the old weights that no constant uses.

    Raises:
        IRError: the path is the model that the graph reads its weights from, is a symlink, or cannot be written.
    """
    path = Path(path)
    check_output(path, graph)
    with gc_paused():
        layout = lay_out(graph, compact=compact)
        text = to_xml(graph, layout)
    try:
        write_pair(path, lambda file: _write_bin(file, graph.weights, layout), text.encode("utf-8"))
    except OSError as error:
        raise IRError(write_failure(path, error)) from None


def check_output(path: Path, graph: Graph) -> None:
    """Refuses an output path that would damage the input model, or that is not valid for an IR."""
    check_suffix(path)
    if not path.parent.is_dir():
        message = f"{path}: there is no folder {path.parent}"
        raise IRError(message)
    source = graph.weights.path
    for target in (path, path.with_suffix(".bin")):
        if target.is_symlink():
            message = f"{target}: is a symbolic link; give the real path of a file to write"
            raise IRError(message)
        if target.is_dir():
            message = f"{target}: is a folder; give the path of a file to write"
            raise IRError(message)
        if source and any(_same_file(target, each) for each in (source, source.with_suffix(".xml"))):
            message = f"{target}: is the model that is being read; give another output path"
            raise IRError(message)


def check_suffix(path: Path) -> None:
    """Refuses an output path with another suffix than that of an IR, and folders."""
    if path.suffix != ".xml":
        meant = path / "model_int8.xml" if path.is_dir() else path.with_suffix(".xml")
        raise IRError(did_you_mean(f"{path}: the output must end in .xml", str(meant)))


def _same_file(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def lay_out(graph: Graph, *, compact: bool) -> BinLayout:
    """Chooses the place in the .bin of every constant of the graph and its bodies."""
    constants = [node for each in graph.walk() for node in each.in_file_order("Const")]
    old = {node: (int(node.attributes["offset"]), int(node.attributes["size"])) for node in constants if node.is_stored}
    kept = _merge(old.values()) if compact else ((0, graph.weights.size),)
    new: dict[bytes, tuple[int, Array]] = {}
    places: dict[Node, tuple[int, int]] = {}
    end = sum(stop - start for start, stop in kept)
    for node in constants:
        if node in old:
            continue
        blob = node.raw.tobytes()
        if blob not in new:
            new[blob] = (end, node.raw)
            end += len(blob)
        places[node] = (new[blob][0], len(blob))
    moved = _offsets(kept)
    places |= {node: (moved(offset), size) for node, (offset, size) in old.items()}
    return BinLayout(kept, tuple(array for _, array in new.values()), places)


def _merge(ranges: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, size in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], start + size))
        else:
            merged.append((start, start + size))
    return tuple(merged)


def _offsets(kept: tuple[tuple[int, int], ...]) -> Callable[[int], int]:
    """The function from old to new offsets."""
    starts = [start for start, _ in kept]
    new_starts = [0]
    for start, stop in kept:
        new_starts.append(new_starts[-1] + stop - start)

    def new_offset(offset: int) -> int:
        index = bisect.bisect_right(starts, offset) - 1
        return new_starts[index] + offset - starts[index]

    return new_offset


def to_xml(graph: Graph, layout: BinLayout, lent: Mapping[Node, str] | None = None) -> str:
    """The text of the .xml file, with every constant at its place in `layout`.

    Args:
        graph: A graph that verifies.
        layout: The places of the constants.
        lent: Constants to write as Parameters with these names, for a runtime that gets their values in another way.
    """
    if any(each.is_edited for each in graph.walk()):
        verify_structure(graph)
    texts: dict[ET.Element, str] = {}
    for each in graph.walk():
        for node in each.in_file_order("FakeQuantize"):
            _check_complete(node)
        if each.is_edited:
            _arrange(each)
        texts |= {node._layer.element: node._layer.text for node in each.in_file_order() if node._layer.text}
    replaced = _moved(layout)
    for node, name in (lent or {}).items():
        element, data = node._layer.element, _data(node)
        replaced[element] = {**element.attrib, "type": "Parameter", "name": name}
        replaced[data] = {key: value for key, value in data.attrib.items() if key not in ("offset", "size")}
    edited = [node._layer.element for node in layout.places if _data(node) in replaced]
    return write_xml(graph.root, graph.style, replaced, {key: texts[key] for key in texts.keys() - set(edited)})


def _moved(layout: BinLayout) -> dict[ET.Element, Mapping[str, str]]:
    """The new attributes of all constants whose bytes move."""
    replaced: dict[ET.Element, Mapping[str, str]] = {}
    for node, (offset, size) in layout.places.items():
        data = _data(node)
        place = {"offset": str(offset), "size": str(size)}
        if data.attrib["offset"] != place["offset"] or data.attrib["size"] != place["size"]:
            replaced[data] = {**data.attrib, **place}
    return replaced


def _data(constant: Node) -> ET.Element:
    data = constant._layer.data
    assert data is not None, "every Const has its data element"
    return data


def _check_complete(node: Node) -> None:
    if len(node.inputs) != 5:
        message = f"{node} has no ranges yet: 'set-ranges' must run before the model can be written"
        raise IRError(message)


def _arrange(graph: Graph) -> None:
    """Puts the graph's layers and edges into its XML element. Does nothing if there were no edits."""
    layers, edges = graph.root.find("layers"), graph.root.find("edges")
    assert layers is not None, "checked when the graph was read"
    assert edges is not None, "checked when the graph was read"
    _replace_children(layers, [node._layer.element for node in graph.in_file_order()], "layer")
    known = {tuple(edge.get(name) for name in EDGE_ATTRIBUTES): edge for edge in edges.iterfind("edge")}
    wanted: list[ET.Element] = []
    for source, to in graph.edges():
        ids = _edge_ids(source, to)
        old = known.get(ids)
        wanted.append(ET.Element("edge", dict(zip(EDGE_ATTRIBUTES, ids, strict=True))) if old is None else old)
    _replace_children(edges, wanted, "edge")


def _edge_ids(source: OutPort, to: InPort) -> tuple[str, str, str, str]:
    from_port, to_port = source.node._layer.outputs[source.index].id, to.node._layer.inputs[to.index].id
    return str(source.node.id), str(from_port), str(to.node.id), str(to_port)


def _replace_children(parent: ET.Element, children: list[ET.Element], tag: str) -> None:
    """Sets the `tag` children of an element, keeping its white space; other children (comments) move to the front."""
    old = list(parent)
    if [child for child in old if child.tag == tag] == children:
        return
    between = parent.text if old else "\n" + "\t" * ((parent.text or "").count("\t") + 1)
    last = old[-1].tail if old else parent.text
    parent.text = between
    parent[:] = [child for child in old if child.tag != tag] + children
    for child in parent:
        child.tail = between
    if children:
        parent[-1].tail = last


def _write_bin(file: BinaryIO, weights: Weights, layout: BinLayout) -> None:
    """Writes the kept ranges, then the new constants."""
    for start, stop in layout.kept:
        _copy_range(file, weights, start, stop)
    for array in layout.new:
        file.write(array.tobytes())


def _copy_range(file: BinaryIO, weights: Weights, start: int, stop: int) -> None:
    if weights.path is None or not hasattr(os, "copy_file_range"):
        file.write(weights.view(start, stop - start).data)
        return
    file.flush()
    with weights.path.open("rb") as source:
        weights.check_unchanged(source.fileno())
        while start < stop:
            try:
                copied = os.copy_file_range(source.fileno(), file.fileno(), stop - start, start)
            except OSError as error:
                if error.errno not in _NO_COPY_HERE:
                    raise
                file.write(weights.view(start, stop - start).data)
                return
            if not copied:
                message = f"{weights.path}: became shorter while it was being copied"
                raise IRError(message)
            start += copied
