"""The text form of a graph: one node per line, in topological order. Dumps, golden tests and bug reports use it.

    x: f32[1,2] = Parameter()
    y: f32[1,2] = ReLU(x)
    result = Result(y)

docs/reference/graphs.md describes the form. A text with `values=True` reads back to an equal graph, except for white
space and the contents of input ports.
"""

import base64
import copy
import json
import math
import re
import xml.etree.ElementTree as ET
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import ml_dtypes
import numpy as np

from .element_types import ElementType, element_type
from .errors import IRError
from .graph import BODY_TAGS, Graph, Node, OutPort
from .layer import DYNAMIC, Array, natural
from .verify import verify_structure

_SPELT_OUT = 16


# ----------------------------------------------------------------------------------------------------------- writing


def to_text(graph: Graph, *, values: bool = False, weights: bool = True) -> str:
    """The text of a graph.

    Args:
        graph: The graph.
        values: Writes everything, so that `from_text` can read the text back.
        weights: Whether to write constants of up to 16 floats in full, too.

    Returns:
        A line for each node, in topological order.
    """
    head = [f"graph {graph.version}"]
    if values:
        head += [f"{_word(name)}={json.dumps(value)}" for name, value in graph.root.attrib.items() if name != "version"]
        head += _opaque(graph.root, ("layers", "edges"))
    return "\n".join([" ".join(head), *_lines(graph, "", values, weights)]) + "\n"


def _lines(graph: Graph, indent: str, values: bool, weights: bool) -> list[str]:
    last = [node for node in graph.in_file_order("Result") if not any(port.consumers for port in node.outputs)]
    ids = {node.id for node in last}
    nodes = [node for node in graph.nodes() if node.id not in ids] + last
    shared = {name for name, count in Counter(node.name for node in nodes).items() if count > 1}
    lines: list[str] = []
    for node in nodes:
        lines.append(indent + _line(node, shared, values, weights))
        for tag, body in node.bodies.items():
            opaque = "".join(f" {xml}" for xml in _opaque(body.root, ("layers", "edges"))) if values else ""
            lines.append(f"{indent}{tag} of {_label(node, shared)}{opaque} {{")
            lines += _lines(body, indent + "    ", values, weights)
            lines.append(f"{indent}}}")
    return lines


def _opaque(element: ET.Element, known: Sequence[str]) -> list[str]:
    """The children of an element without a text form, as XML."""
    parts: list[str] = []
    for child in element:
        if child.tag not in known and not callable(child.tag):
            bare = copy.copy(child)
            bare.tail = None
            parts.append(f"&{json.dumps(ET.tostring(bare, 'unicode'))}")
    return parts


def _line(node: Node, shared: set[str], values: bool, weights: bool) -> str:
    types = [_type(output, values) for output in node.outputs]
    declared = f": {types[0]}" if len(types) == 1 else f": ({', '.join(types)})" if types else ""
    type_ = _word(node.type)
    usual = bool(_OPSET.fullmatch(node.opset)) and type_ == node.type
    opset = f".{node.opset}" if usual and (node.opset != "opset1" or "." in node.type) else ""
    sources = ", ".join(_reference(port.source, shared) for port in node.inputs)
    parts = [f"{_label(node, shared)}{declared} = {type_}{opset}({sources})"]
    implied = _implied(node)
    parts += [f"{_word(name)}={json.dumps(value)}" for name, value in node.attributes.items() if name not in implied]
    extra = node._layer.element.attrib
    hidden = {"name", "type"} | ({"version"} if usual else set[str]()) | (set[str]() if values else {"id"})
    parts += [f"@{_word(name)}={json.dumps(value)}" for name, value in extra.items() if name not in hidden]
    if values:
        parts += _opaque(node._layer.element, ("data", "input", "output", *BODY_TAGS))
    if node.type == "Const":
        parts.append(_value(node, values, weights))
    return " ".join(parts)


def _implied(node: Node) -> tuple[str, ...]:
    """Attributes that repeat the declared type and shape."""
    if node.type == "Const":
        return ("element_type", "shape", "offset", "size")
    if node.type == "Parameter" and _static_shape(node.attributes.get("shape", "")) == node.output().shape:
        return ("element_type", "shape")
    return ()


def _static_shape(text: str) -> tuple[int, ...] | None:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        return tuple(DYNAMIC if part in ("?", "-1") else int(part) for part in parts)
    except ValueError:
        return None


def _type(output: OutPort, values: bool) -> str:
    dims = ",".join("?" if size == DYNAMIC else str(size) for size in output.shape)
    names = output._port.element.get("names", "")
    opaque = "".join(_opaque(output._port.element, ("dim",))) if values else ""
    return f"{output.element_type.name}[{dims}]" + (f"<{json.dumps(names)}>" if names else "") + opaque


def _label(node: Node, shared: set[str]) -> str:
    name = _word(node.name)
    return f"{name}@{node.id}" if node.name in shared else name


def _word(name: str) -> str:
    """A name, as a JSON string if it is not a plain word."""
    return name if _WORD.fullmatch(name) else json.dumps(name)


def _reference(source: OutPort, shared: set[str]) -> str:
    return _label(source.node, shared) + (f"#{source.index}" if source.index else "")


def _value(node: Node, values: bool, weights: bool) -> str:
    kind = element_type(node.attributes["element_type"])
    is_told = values or weights or not kind.is_float
    if kind.dtype and math.prod(node.output().shape) <= _SPELT_OUT and is_told:
        items = [str(item).lower() for item in node.array.ravel()]
        if not values or _is_exact(items, node.array):
            return f"[{', '.join(items)}]"
    return f"base64:{base64.b64encode(zlib.compress(node.raw.tobytes())).decode()}" if values else "..."


def _is_exact(items: Sequence[str], array: Array) -> bool:
    """Whether floats in words are the same bits when they are read: a NaN may have a sign and a payload."""
    return array.dtype.kind in "biu" or np.array([*map(float, items)], array.dtype).tobytes() == array.tobytes()


# ----------------------------------------------------------------------------------------------------------- reading

_OPSET = re.compile(r"opset\d+")
_INFINITY = ("inf", "infinity")
_WORD = re.compile(r"[A-Za-z_](?:[\w./:-]*[\w./-])?")  # a name that ends in ':' is quoted
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][\w./:-]*)|(?P<number>-?\d[\w.+-]*|-inf)"""
    r"""|(?P<mark>\.\.\.|[][()<>{,:=@&\#?.])|(?P<end>$))"""
)


def from_text(text: str, *, fill: bool = False) -> Graph:
    """The graph that a text describes.

    Args:
        text: The text form.
        fill: Whether abbreviated constants get made-up values, the same each time.

    Returns:
        A new graph, whose structure was verified.

    Raises:
        IRError: the text breaks the grammar; the message names the line.
    """
    stack = [_Block(Graph(), {}, fill)]
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                _read_any(stack, line)
        except IRError as error:
            message = f"line {number}: {error}"
            raise IRError(message) from None
    if len(stack) > 1:
        message = f"line {len(lines)}: the text ends inside a body"
        raise IRError(message)
    verify_structure(stack[0].graph)
    return stack[0].graph


@dataclass(frozen=True)
class _Block:
    """A graph during reading, its nodes by label, and whether to make up missing values."""

    graph: Graph
    known: dict[str, Node]
    fill: bool


def _read_any(stack: list[_Block], line: str) -> None:
    """Reads a line of any kind; `stack` has the open blocks, the innermost last."""
    block = stack[-1]
    if match := re.fullmatch(r"\s*graph (10|11)\b(.*)", line):
        block.graph.version = int(match[1])
        block.graph.root.set("version", match[1])
        tokens = _Tokens(match[2])
        while tokens.kind in ("word", "string"):
            name = tokens.name()
            tokens.expect("=")
            block.graph.root.set(name, tokens.name())
        _read_opaque(tokens, block.graph.root)
        tokens.finish()
    elif match := re.fullmatch(rf"\s*({'|'.join(BODY_TAGS)}) of (.*)", line):
        stack.append(_Block(_open_body(block, match[1], _Tokens(match[2])), {}, block.fill))
    elif line.strip() == "}":
        if len(stack) == 1:
            message = "no body is open"
            raise IRError(message)
        stack.pop()
    else:
        _read_line(block, line)


def _open_body(block: _Block, tag: str, tokens: "_Tokens") -> Graph:
    label = tokens.name() + _suffix(tokens)
    if label not in block.known:
        message = f"no line above defines '{label}'"
        raise IRError(message)
    root = ET.fromstring(f"<{tag}><layers /><edges /></{tag}>")
    _read_opaque(tokens, root)
    tokens.expect("{")
    tokens.finish()
    node, graph = block.known[label], block.graph
    node._layer.element.append(root)
    scope = (*graph.scope, (node.id, tag))
    body = Graph(root, version=graph.version, levels=graph.levels + 3, scope=scope)
    node._layer.bodies[tag] = body
    return body


def _read_opaque(tokens: "_Tokens", parent: ET.Element) -> None:
    while tokens.take("&"):
        try:
            parent.append(ET.fromstring(tokens.name()))
        except ET.ParseError as error:
            message = f"not XML: {error}"
            raise IRError(message) from None


class _Tokens:
    """The tokens of one line, with one of lookahead."""

    def __init__(self, line: str) -> None:
        self.line, self.at = line, 0
        self.kind, self.text = "", ""
        self.advance()

    def advance(self) -> str:
        """Returns the current token and moves to the next."""
        passed = self.text
        match = _TOKEN.match(self.line, self.at)
        if match is None:
            message = f"cannot read '{self.line[self.at :].strip()}'"
            raise IRError(message)
        self.kind = str(match.lastgroup)
        self.text, self.at = match[self.kind], match.end()
        return passed

    def take(self, text: str) -> bool:
        """Consumes the token if it is `text`."""
        if self.text != text:
            return False
        self.advance()
        return True

    def expect(self, text: str) -> None:
        """Consumes the token, which must be `text`."""
        if not self.take(text):
            message = f"expected '{text}' but found '{self.text}'"
            raise IRError(message)

    def finish(self) -> None:
        """Raises if tokens are left."""
        if self.kind != "end":
            message = f"cannot read '{self.text}'"
            raise IRError(message)

    def name(self) -> str:
        """Consumes a word or a string, and returns its value."""
        if self.kind == "string":
            return _string(self.advance())
        if self.kind == "word":
            return self.advance()
        message = f"expected a name but found '{self.text}'"
        raise IRError(message)


def _string(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError as error:
        message = f"no JSON string: {error}"
        raise IRError(message) from None


def _read_line(block: _Block, line: str) -> None:
    graph, known = block.graph, block.known
    # A word may contain ':' but a label never ends in one: split "x: f32" before the tokenizer glues "x:".
    tokens = _Tokens(re.sub(r"^(\s*(?:\"(?:[^\"\\]|\\.)*\"|[\w./:-]*?)(?:@\d+)?):(?=\s)", r"\1 :", line, count=1))
    name = tokens.name()
    key = name + _suffix(tokens)
    outputs = _read_types(tokens) if tokens.take(":") else []
    tokens.expect("=")
    is_plain, type_, opset = tokens.kind == "word", tokens.name(), "opset1"
    if is_plain and (match := re.fullmatch(rf"(.+)\.({_OPSET.pattern})", type_)):
        type_, opset = match[1], match[2]
    sources = _read_sources(tokens, known)
    data: dict[str, str] = {}
    layer: dict[str, str] = {}
    while tokens.kind in ("word", "string") or tokens.text == "@":
        if tokens.text.startswith("base64:"):
            break
        where = layer if tokens.take("@") else data
        attribute = tokens.name()
        tokens.expect("=")
        where[attribute] = tokens.name()
    opaque = ET.Element("opaque")
    _read_opaque(tokens, opaque)
    value = _read_value(tokens, name, outputs, fill=block.fill) if type_ == "Const" else None
    tokens.finish()
    if key in known:
        message = f"a second node is named '{name}'; write name@id in both places"
        raise IRError(message)
    node = _add(graph, type_, name, sources, outputs, data, layer, layer.pop("version", opset), value)
    node._layer.element.extend(opaque)
    known[key] = node


def _add(
    graph: Graph,
    type_: str,
    name: str,
    sources: list[OutPort],
    outputs: list["_Output"],
    data: dict[str, str],
    layer: dict[str, str],
    opset: str,
    value: Array | None,
) -> Node:
    if type_ in ("Parameter", "Const"):
        shape = ", ".join("?" if size == DYNAMIC else str(size) for size in outputs[0].shape)
        said = {"element_type": outputs[0].kind.name, "shape": shape}
        data = {name: text for name, text in said.items() if name not in data} | data
    if value is not None:
        data |= {"offset": "0", "size": str(value.nbytes)}
    ports = [(output.kind, output.shape) for output in outputs]
    id_ = natural(layer.pop("id"), "the id") if "id" in layer else None
    node = graph.add(type_, name, sources, ports, attributes=data, opset=opset, id_=id_)
    graph.rename(node, name)
    node._layer.array = value
    node._layer.element.attrib.update(layer)
    for port, output in zip(node.outputs, outputs, strict=True):
        if output.names:
            port._port.element.set("names", output.names)
        port._port.element.extend(output.opaque)
    return node


@dataclass(frozen=True)
class _Output:
    """The text form of an output port."""

    kind: ElementType
    shape: tuple[int, ...]
    names: str
    opaque: ET.Element


def _suffix(tokens: _Tokens) -> str:
    return f"@{tokens.advance()}" if tokens.take("@") else ""


def _read_types(tokens: _Tokens) -> list[_Output]:
    if not tokens.take("("):
        return [_read_type(tokens)]
    types = [_read_type(tokens)]
    while tokens.take(","):
        types.append(_read_type(tokens))
    tokens.expect(")")
    return types


def _read_type(tokens: _Tokens) -> _Output:
    kind = element_type(tokens.name())
    tokens.expect("[")
    shape: list[int] = []
    while not tokens.take("]"):
        shape.append(DYNAMIC if tokens.take("?") else natural(tokens.advance(), "a size"))
        tokens.take(",")
    names = ""
    if tokens.take("<"):
        names = tokens.name()
        tokens.expect(">")
    opaque = ET.Element("opaque")
    _read_opaque(tokens, opaque)
    return _Output(kind, tuple(shape), names, opaque)


def _read_sources(tokens: _Tokens, known: dict[str, Node]) -> list[OutPort]:
    tokens.expect("(")
    sources: list[OutPort] = []
    while not tokens.take(")"):
        name = tokens.name()
        name += _suffix(tokens)
        if name not in known:
            message = f"no line above defines '{name}'"
            raise IRError(message)
        sources.append(known[name].output(natural(tokens.advance(), "a port") if tokens.take("#") else 0))
        tokens.take(",")
    return sources


def _read_value(tokens: _Tokens, name: str, outputs: list[_Output], *, fill: bool) -> Array:
    kind, shape = outputs[0].kind, outputs[0].shape
    if tokens.take("..."):
        if fill and kind.dtype:
            return np.random.default_rng(0).normal(size=shape).astype(kind.dtype)
        message = "a constant is abbreviated: write the text with values=True (irquant opt: --values) to read it back"
        raise IRError(message)
    if tokens.text.startswith("base64"):
        blob = tokens.line[tokens.line.rindex("base64:") + len("base64:") :].strip()
        tokens.at, tokens.kind, tokens.text = len(tokens.line), "end", ""
        return _decoded(blob, kind, shape)
    if kind.dtype is None:
        message = f"values of element type {kind.name} are written as base64"
        raise IRError(message)
    tokens.expect("[")
    items: list[str] = []
    while not tokens.take("]"):
        items.append(tokens.advance())
        tokens.take(",")
    if len(items) != int(np.prod(shape, dtype=np.int64)):
        message = f"{len(items)} values for the shape {list(shape)}"
        raise IRError(message)
    return _values(items, name, kind).reshape(shape)


def _values(items: Sequence[str], name: str, kind: ElementType) -> Array:
    """The values of a constant from their words, as an array of one dimension."""
    read: Callable[[str], object] = int if kind.name[0] in "iu" else float
    if kind.name == "boolean":
        read = "true".__eq__
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # such values are refused below
            array = np.array([read(item) for item in items], kind.dtype)
    except (ValueError, OverflowError) as error:
        message = f"constant '{name}': no values of {kind.name}: {error}"
        raise IRError(message) from None
    if read is float:
        _check_range(items, array, name, kind)
    return array


def _check_range(items: Sequence[str], array: Array, name: str, kind: ElementType) -> None:
    """Refuses values that the element type turns into infinity or NaN, such as 1e39 in f32."""
    for item, value in zip(items, array.astype(np.float64), strict=True):
        is_infinite = item.lstrip("-").lower() in _INFINITY
        if math.isnan(value) != math.isnan(float(item)) or math.isinf(value) != is_infinite:
            limits: Any = cast(Any, ml_dtypes.finfo)(array.dtype)  # without types
            least, most = float(limits.min), float(limits.max)
            message = f"constant '{name}': {item} is no value of {kind.name}, which holds {least:.8g} to {most:.8g}"
            raise IRError(message)


def _decoded(blob: str, kind: ElementType, shape: tuple[int, ...]) -> Array:
    try:
        raw = np.frombuffer(zlib.decompress(base64.b64decode(blob, validate=True)), np.uint8)
        if kind.dtype is None:
            return raw
        return raw[: math.prod(shape) * kind.dtype.itemsize].view(kind.dtype).reshape(shape)  # files may hold more
    except (ValueError, zlib.error) as error:
        message = f"the values of a constant do not fit its type and shape: {error}"
        raise IRError(message) from None
