"""XML in and out, byte for byte: what was read and not touched is written as it stood.

`xml.etree` keeps attributes, text and white space, so the only things to remember are the first line, what follows
the root, and whether empty elements end in " />" (OpenVINO's serializer) or "/>" (Model Optimizer).
"""

import gc
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import IRError

_MOST_LEVELS = 64  # a body costs 4 levels


@dataclass(frozen=True)
class XmlStyle:
    """What the element tree does not hold of a file's spelling."""

    prolog: str = '<?xml version="1.0"?>\n'
    empty_end: str = " />"
    epilog: str = "\n"
    escapes_greater: bool = False  # minidom writes &gt;, OpenVINO's serializer a bare >


class _NoDoctype(ET.TreeBuilder):
    """An IR has no document type; forbidding it shuts out entity attacks of every kind."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        message = f"DOCTYPE '{name}' is not allowed in an IR"
        raise IRError(message)


def parse_xml(data: bytes) -> tuple[ET.Element, XmlStyle]:
    """The element tree of a document and its style.

    Raises:
        IRError: not well-formed, has a DOCTYPE, or nests deeper than any model does.
    """
    parser = ET.XMLParser(target=_NoDoctype(insert_comments=True))
    collecting = gc.isenabled()
    gc.disable()  # hundreds of thousands of small objects: the cyclic collector would take 3-5 times as long
    try:
        parser.feed(data)
        root: ET.Element = parser.close()
    except ET.ParseError as error:
        message = f"not well-formed XML: {error}"
        raise IRError(message) from None
    finally:
        if collecting:
            gc.enable()
    _check_depth(root)
    return root, _style(data)


def _check_depth(root: ET.Element) -> None:
    level = [root]
    for _ in range(_MOST_LEVELS):
        level = [child for element in level for child in element]
        if not level:
            return
    message = f"elements nest deeper than {_MOST_LEVELS} levels"
    raise IRError(message)


def _style(data: bytes) -> XmlStyle:
    prolog = re.match(rb"\s*<\?xml[^>]*\?>\s*", data)
    tail = data[data.rfind(b">") + 1 :]
    return XmlStyle(
        prolog=prolog.group().decode("latin-1") if prolog else "",
        empty_end=" />" if b" />" in data[: 1 << 16] else "/>",
        epilog=tail.decode("ascii", "replace"),
        escapes_greater=b"&gt;" in data,
    )


def write_xml(root: ET.Element, style: XmlStyle, replaced: Mapping[ET.Element, Mapping[str, str]]) -> str:
    """The document as text. `replaced` gives elements whose attributes are to be written other than they stand.

    Works off an explicit stack: depth is bounded only by memory.
    """
    parts = [style.prolog]
    stack: list[ET.Element | str] = [root]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            parts.append(item)
            continue
        tail = _text(item.tail) if item is not root else ""
        if callable(item.tag):  # a comment
            parts.append(f"<!--{item.text}-->{tail}")
            continue
        attributes = replaced.get(item, item.attrib) if replaced else item.attrib
        parts.append(f"<{item.tag}")
        parts.extend([f' {name}="{_attribute(value, style)}"' for name, value in attributes.items()])
        if not len(item) and not item.text:
            parts.append(f"{style.empty_end}{tail}")
        else:
            parts.append(f">{_text(item.text)}")
            stack.append(f"</{item.tag}>{tail}")
            stack.extend(reversed(item))
    parts.append(style.epilog)
    return "".join(parts)


_ATTRIBUTE = str.maketrans({"&": "&amp;", "<": "&lt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#09;"})
_SPECIAL = re.compile('[&<>"\n\r\t]')


def _attribute(value: str, style: XmlStyle) -> str:
    if not _SPECIAL.search(value):
        return value
    escaped = value.translate(_ATTRIBUTE)
    return escaped.replace(">", "&gt;") if style.escapes_greater else escaped


def _text(value: str | None) -> str:
    if not value or value.isspace():
        return value or ""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
