"""Reads and writes XML byte for byte: parts without edits are written as they were read.

`xml.etree` keeps attributes, text and white space. This module also keeps the text before and after the root, and
whether empty elements end in " />" (OpenVINO's serializer) or "/>" (Model Optimizer).
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from xml.parsers import expat

from .errors import IRError

_MOST_LEVELS = 64  # a body costs 4 levels
_MOST_PIECES = 20_000_000


@dataclass(frozen=True)
class XmlStyle:
    """The spelling of a file, as far as the element tree does not keep it."""

    prolog: str = '<?xml version="1.0"?>\n'
    empty_end: str = " />"
    epilog: str = "\n"
    escapes_greater: bool = False  # minidom writes &gt;, OpenVINO's serializer a bare >


class _NoDoctype(ET.TreeBuilder):
    """A parser that forbids document types: an IR has none, and this prevents all entity attacks."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        message = f"DOCTYPE '{name}' is not allowed in an IR"
        raise IRError(message)


def parse_xml(data: bytes) -> tuple[ET.Element, XmlStyle]:
    """The element tree of a document and its style.

    Raises:
        IRError: the document is not well-formed, has a DOCTYPE, or is larger, deeper or wider than any model.
    """
    if max(data.count(b"<"), data.count(b"=")) > _MOST_PIECES:
        message = f"more than {_MOST_PIECES} tags or attributes"
        raise IRError(message)
    parser = ET.XMLParser(target=_NoDoctype(insert_comments=True, insert_pis=True))
    try:
        parser.feed(data)
        root: ET.Element = parser.close()
    except ET.ParseError as error:
        raise _not_well_formed(error) from None
    except (LookupError, ValueError) as error:  # an unknown encoding, or one that expat does not support
        message = f"not well-formed XML: {error}"
        raise IRError(message) from None
    _check_depth(root)
    if b"xmlns" in data:
        _refuse_namespaces(root)
    return root, _style(data)


def _not_well_formed(error: ET.ParseError) -> IRError:
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_BAD_CHAR_REF]:
        line, column = error.position
        return IRError(
            f"not well-formed XML: line {line}, column {column}: a control character, which XML forbids even as a "
            "reference; rename the layer or tensor"
        )
    return IRError(f"not well-formed XML: {error}")


def _check_depth(root: ET.Element) -> None:
    level = [root]
    for _ in range(_MOST_LEVELS):
        level = [child for element in level for child in element]
        if not level:
            return
    message = f"elements nest deeper than {_MOST_LEVELS} levels"
    raise IRError(message)


def _refuse_namespaces(root: ET.Element) -> None:
    for element in root.iter():
        if not callable(element.tag) and any(name.startswith("{") for name in (element.tag, *element.attrib)):
            message = f"<{element.tag}> uses an XML namespace, which an IR never does"
            raise IRError(message)


def _is_utf8(data: bytes) -> bool:
    """Whether a document is UTF-8 without a byte order mark; others cannot be written back unchanged."""
    declared = re.match(rb"""\s*<\?xml[^>]*encoding\s*=\s*["']([^"']+)""", data)
    return data.lstrip()[:1] == b"<" and (declared is None or declared[1].lower() in (b"utf-8", b"utf8"))


#: The text that may be before and after the root element.
_AROUND = re.compile(rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)


def _style(data: bytes) -> XmlStyle:
    if not _is_utf8(data):
        return XmlStyle()
    prolog, epilog = _AROUND.match(data), _AROUND.fullmatch(data[data.rfind(b"</") :].partition(b">")[2])
    return XmlStyle(
        prolog=prolog.group().decode() if prolog else "",
        empty_end=" />" if b" />" in data[: 1 << 16] else "/>",
        epilog=epilog.group().decode() if epilog else "\n",
        escapes_greater=b"&gt;" in data,
    )


_LAYER_TAG = re.compile(
    rb"""<(/?)layer(?=[\s/>])[^<>"']*(?:"[^"]*"[^<>"']*|'[^']*'[^<>"']*)*>"""  # quoted values may hold a >
)


def layer_texts(data: bytes) -> list[str]:
    """The text of each outermost `layer` element of a well-formed document; none if the texts cannot be separated.

    Comments, CDATA and processing instructions could contain text that looks like a tag. Documents must be UTF-8.
    """
    prolog = re.match(rb"\s*<\?xml[^>]*\?>", data)
    if not _is_utf8(data) or b"<!" in data or b"<?" in data[prolog.end() if prolog else 0 :]:
        return []
    texts: list[str] = []
    depth = begin = 0
    for tag in _LAYER_TAG.finditer(data):
        if not tag[1] and depth == 0:
            begin = tag.start()
        depth += -1 if tag[1] else 0 if tag[0].endswith(b"/>") else 1
        if depth == 0:
            texts.append(data[begin : tag.end()].decode())
    return texts


def write_xml(
    root: ET.Element,
    style: XmlStyle,
    replaced: Mapping[ET.Element, Mapping[str, str]],
    texts: Mapping[ET.Element, str],
) -> str:
    """The document as text. An explicit stack replaces recursion, so only memory limits the depth.

    Args:
        root: The document.
        style: Its spelling.
        replaced: Elements -> attributes to write instead of their own.
        texts: Elements with known text.
    """
    parts = [style.prolog]
    stack: list[ET.Element | str] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        tail = _text(item.tail) if item.tail and item is not root else ""
        if known := texts.get(item):
            parts.append(f"{known}{tail}")
            continue
        if callable(item.tag):
            parts.append(f"<!--{item.text}-->{tail}" if item.tag is ET.Comment else f"<?{item.text}?>{tail}")
            continue
        attributes = _attributes(replaced.get(item, item.attrib), style)
        if len(item):
            parts.append(f"<{item.tag}{attributes}>{_text(item.text)}")
            stack.append(f"</{item.tag}>{tail}")
            stack.extend(item[::-1])
        elif item.text:
            parts.append(f"<{item.tag}{attributes}>{_text(item.text)}</{item.tag}>{tail}")
        else:
            parts.append(f"<{item.tag}{attributes}{style.empty_end}{tail}")
    parts.append(style.epilog)
    document = "".join(parts)
    if found := _FORBIDDEN.search(document):
        around = document[max(0, found.start() - 20) : found.end() + 20]
        message = f"XML forbids the character {found.group()!r}, which stands in {around!r}: rename the layer or tensor"
        raise IRError(message)
    return document


#: Characters that XML 1.0 does not allow, even as a reference.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ATTRIBUTE = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#09;"})
_SPECIAL = re.compile('[&<>"\n\r\t]')


def _attributes(attributes: Mapping[str, str], style: XmlStyle) -> str:
    if _SPECIAL.search("".join(attributes.values())):
        attributes = {name: _escaped(value, style) for name, value in attributes.items()}
    return "".join([f' {name}="{value}"' for name, value in attributes.items()])


def _escaped(value: str, style: XmlStyle) -> str:
    escaped = value.translate(_ATTRIBUTE)
    return escaped.replace(">", "&gt;") if style.escapes_greater else escaped


def _text(value: str | None) -> str:
    if not value or value.isspace():
        return value or ""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
