r"""The text form of a graph: one node a line, in topological order. Dumps, golden tests and bug reports use it.

    graph 11
    x: f32[1,2,4,4]<image> = Parameter()
    w: f32[1,2,1,1] = Const() [0.5, -1.0]
    conv: f32[1,1,4,4] = Convolution(x, w) strides="1, 1" pads_begin="0, 0"
    split: (f32[1,1,2,4], f32[1,1,2,4]) = Split(conv, axis) num_splits="2"
    result = Result(split#1) @output_names="y"

A line is: name, types and shapes of the outputs (`?` for a dynamic dimension), tensor names in `<>`, op type (with
`.opsetN` unless it is opset1), sources, attributes as the .xml spells them, `@` for attributes of the layer itself.
Names that are no plain words are JSON strings; a name that several nodes share is followed by `@id`. Constants of up
to 16 elements are spelt out; longer ones are abbreviated, unless `values=True`, in which case the text reads back to
an equal graph. Not part of the text: rt_info, ids, and the bodies of control-flow nodes, which cannot be read back.
"""

import base64
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable

import numpy as np

from .element_types import ElementType, element_type
from .errors import IRError
from .graph import DYNAMIC, Array, Graph, Node, OutPort, split_names
from .verify import verify

_SPELT_OUT = 16
_LAYER_ATTRIBUTES = ("id", "name", "type", "version")


# ----------------------------------------------------------------------------------------------------------- writing


def to_text(graph: Graph, *, values: bool = False) -> str:
    """The text of a graph. `values=True` writes every constant whole, so that `from_text` can read the text back."""
    shared = {name for name, count in Counter(node.name for node in graph.nodes()).items() if count > 1}
    lines = [f"graph {graph.version}"]
    lines += [_line(node, shared, values) for node in graph.nodes()]
    return "\n".join(lines) + "\n"


def _line(node: Node, shared: set[str], values: bool) -> str:
    types = [_type(output) for output in node.outputs]
    declared = f": {types[0]}" if len(types) == 1 else f": ({', '.join(types)})" if types else ""
    opset = "" if node.opset == "opset1" else f".{node.opset}"
    sources = ", ".join(_reference(port.source, shared) for port in node.inputs)
    parts = [f"{_label(node, shared)}{declared} = {node.type}{opset}({sources})"]
    parts += [f"{name}={json.dumps(value)}" for name, value in node.attributes.items() if name not in _implied(node)]
    extra = node._layer.element.attrib
    parts += [f"@{name}={json.dumps(value)}" for name, value in extra.items() if name not in _LAYER_ATTRIBUTES]
    if node.type == "Const":
        parts.append(_value(node, values))
    if node.bodies:
        parts.append(f"# {', '.join(node.bodies)} not shown")
    return " ".join(parts)


def _implied(node: Node) -> tuple[str, ...]:
    """Attributes that the declared type and shape already say."""
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


def _type(output: OutPort) -> str:
    dims = ",".join("?" if size == DYNAMIC else str(size) for size in output.shape)
    names = output._port.element.get("names", "")
    return f"{output.element_type.name}[{dims}]" + (f"<{json.dumps(names)}>" if names else "")


def _label(node: Node, shared: set[str]) -> str:
    name = node.name if _WORD.fullmatch(node.name) else json.dumps(node.name)
    return f"{name}@{node.id}" if node.name in shared else name


def _reference(source: OutPort, shared: set[str]) -> str:
    return _label(source.node, shared) + (f"#{source.index}" if source.index else "")


def _value(node: Node, values: bool) -> str:
    kind = element_type(node.attributes["element_type"])
    if kind.dtype is None:
        return "..."
    array = node.array
    if array.size <= _SPELT_OUT:
        return f"[{', '.join(str(item).lower() for item in array.ravel())}]"
    return f"base64:{base64.b64encode(zlib.compress(array.tobytes())).decode()}" if values else "..."


# ----------------------------------------------------------------------------------------------------------- reading

_WORD = re.compile(r"[A-Za-z_][\w./:-]*")
_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][\w./:-]*)|(?P<number>-?\d[\w.+-]*|-inf)"""
    r"""|(?P<mark>\.\.\.|[][()<>,:=@\#?.])|(?P<end>$))"""
)


def from_text(text: str) -> Graph:
    """The graph that a text describes.

    Raises:
        IRError: the text breaks the grammar; the message names the line.
    """
    graph, known = Graph(), dict[str, Node]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            if match := re.fullmatch(r"\s*graph (10|11)\s*", line):
                graph.version = int(match[1])
                graph.root.set("version", match[1])
            else:
                _read_line(graph, known, line)
        except IRError as error:
            message = f"line {number}: {error}"
            raise IRError(message) from None
    verify(graph)
    return graph


class _Tokens:
    """The tokens of one line, with one of lookahead."""

    def __init__(self, line: str) -> None:
        self.line, self.at = line, 0
        self.kind, self.text = "", ""
        self.advance()

    def advance(self) -> str:
        """Moves on and gives the token passed."""
        passed = self.text
        match = _TOKEN.match(self.line, self.at)
        if match is None:
            message = f"cannot read '{self.line[self.at :].strip()}'"
            raise IRError(message)
        self.kind = str(match.lastgroup)
        self.text, self.at = match[self.kind], match.end()
        return passed

    def take(self, text: str) -> bool:
        """Passes the token if it is `text`."""
        if self.text != text:
            return False
        self.advance()
        return True

    def expect(self, text: str) -> None:
        """Passes the token, which must be `text`."""
        if not self.take(text):
            message = f"expected '{text}' but found '{self.text}'"
            raise IRError(message)

    def name(self) -> str:
        """Passes a word or a string, and gives what it says."""
        if self.kind == "string":
            return str(json.loads(self.advance()))
        if self.kind == "word":
            return self.advance()
        message = f"expected a name but found '{self.text}'"
        raise IRError(message)


def _read_line(graph: Graph, known: dict[str, Node], line: str) -> None:
    # A word may contain ':' but a label never ends in one: split "x: f32" before the tokenizer glues "x:".
    tokens = _Tokens(re.sub(r"^(\s*(?:\"(?:[^\"\\]|\\.)*\"|[\w./:-]*?)(?:@\d+)?):(?=\s)", r"\1 :", line, count=1))
    name = tokens.name()
    key = name + _suffix(tokens)
    outputs = _read_types(tokens) if tokens.take(":") else []
    tokens.expect("=")
    type_, _, opset = tokens.name().partition(".")
    sources = _read_sources(tokens, known)
    data: dict[str, str] = {}
    layer: dict[str, str] = {}
    while tokens.kind == "word" or tokens.text == "@":
        if tokens.text.startswith("base64:"):
            break
        where = layer if tokens.take("@") else data
        attribute = tokens.name()
        tokens.expect("=")
        where[attribute] = tokens.name()
    value = _read_value(tokens, outputs) if type_ == "Const" else None
    if tokens.kind != "end":
        message = f"cannot read '{tokens.text}'"
        raise IRError(message)
    if key in known:
        message = f"a second node is named '{name}'; write name@id in both places"
        raise IRError(message)
    known[key] = _add(graph, type_, name, sources, outputs, data, layer, opset or "opset1", value)


def _add(
    graph: Graph,
    type_: str,
    name: str,
    sources: list[OutPort],
    outputs: list[tuple[ElementType, tuple[int, ...], str]],
    data: dict[str, str],
    layer: dict[str, str],
    opset: str,
    value: Array | None,
) -> Node:
    plain = [(kind, shape) for kind, shape, _ in outputs]
    if type_ in ("Parameter", "Const"):
        kind, shape = plain[0]
        data = {"element_type": kind.name, "shape": ", ".join("?" if d == DYNAMIC else str(d) for d in shape)} | data
    if value is not None:
        data |= {"offset": "0", "size": str(value.nbytes)}
    node = graph.add(type_, name, sources, plain, attributes=data, opset=opset)
    graph.rename(node, name)
    node._layer.array = value
    node._layer.element.attrib.update(layer)
    for output, (_, _, names) in zip(node.outputs, outputs, strict=True):
        if names:
            output._port.element.set("names", names)
    return node


def _suffix(tokens: _Tokens) -> str:
    return f"@{tokens.advance()}" if tokens.take("@") else ""


def _read_types(tokens: _Tokens) -> list[tuple[ElementType, tuple[int, ...], str]]:
    if not tokens.take("("):
        return [_read_type(tokens)]
    types = [_read_type(tokens)]
    while tokens.take(","):
        types.append(_read_type(tokens))
    tokens.expect(")")
    return types


def _read_type(tokens: _Tokens) -> tuple[ElementType, tuple[int, ...], str]:
    kind = element_type(tokens.name())
    tokens.expect("[")
    shape: list[int] = []
    while not tokens.take("]"):
        shape.append(DYNAMIC if tokens.take("?") else int(tokens.advance()))
        tokens.take(",")
    names = ""
    if tokens.take("<"):
        names = tokens.name()
        tokens.expect(">")
        split_names(names)
    return kind, tuple(shape), names


def _read_sources(tokens: _Tokens, known: dict[str, Node]) -> list[OutPort]:
    tokens.expect("(")
    sources: list[OutPort] = []
    while not tokens.take(")"):
        name = tokens.name()
        name += _suffix(tokens)
        if name not in known:
            message = f"no line above defines '{name}'"
            raise IRError(message)
        sources.append(known[name].output(int(tokens.advance()) if tokens.take("#") else 0))
        tokens.take(",")
    return sources


def _read_value(tokens: _Tokens, outputs: list[tuple[ElementType, tuple[int, ...], str]]) -> Array:
    kind, shape, _ = outputs[0]
    if tokens.take("..."):
        message = "a constant is abbreviated: write the text with values=True to read it back"
        raise IRError(message)
    if kind.dtype is None:
        message = f"the text form holds no values of element type {kind.name}"
        raise IRError(message)
    if tokens.text.startswith("base64"):
        blob = tokens.line[tokens.line.rindex("base64:") + len("base64:") :].strip()
        tokens.at, tokens.kind, tokens.text = len(tokens.line), "end", ""
        return np.frombuffer(zlib.decompress(base64.b64decode(blob)), kind.dtype).reshape(shape)
    tokens.expect("[")
    items: list[str] = []
    while not tokens.take("]"):
        items.append(tokens.advance())
        tokens.take(",")
    if len(items) != int(np.prod(shape, dtype=np.int64)):
        message = f"{len(items)} values for the shape {list(shape)}"
        raise IRError(message)
    read: Callable[[str], object] = int if kind.name[0] in "iu" else float
    if kind.name == "boolean":
        read = "true".__eq__
    return np.array([read(item) for item in items], kind.dtype).reshape(shape)
