"""OpenVINO IR in memory and on disk. Knows nothing of quantization."""

# pyright: reportUnusedImport=false

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .builder import Builder
    from .difference import Change, compare
    from .element_types import ElementType, element_type, element_type_of_dtype
    from .errors import IRError, UserError, printable
    from .graph import Graph, InPort, Node, OutPort, Scope
    from .layer import DYNAMIC, Array
    from .match import Match
    from .neighbourhood import neighbourhood
    from .pattern import Pattern, any_tensor, chain, const, op
    from .reader import read_model
    from .summary import Summary, summarize
    from .text import from_text, to_text
    from .verify import verify
    from .writer import write_model

#: What is public; all else that is imported here is what the other folders take from this one.
__all__ = [
    "Builder",
    "Graph",
    "InPort",
    "Match",
    "Node",
    "OutPort",
    "Pattern",
    "UserError",
    "any_tensor",
    "chain",
    "const",
    "from_text",
    "op",
    "read_model",
    "to_text",
    "write_model",
]

#: Module, imported when one of its names is used first -> these names; type checkers read the imports above.
_NAMES = {
    "builder": ("Builder",),
    "difference": ("Change", "compare"),
    "element_types": ("ElementType", "element_type", "element_type_of_dtype"),
    "errors": ("IRError", "UserError", "printable"),
    "graph": ("Graph", "InPort", "Node", "OutPort", "Scope"),
    "layer": ("DYNAMIC", "Array"),
    "match": ("Match",),
    "neighbourhood": ("neighbourhood",),
    "pattern": ("Pattern", "any_tensor", "chain", "const", "op"),
    "reader": ("read_model",),
    "summary": ("Summary", "summarize"),
    "text": ("from_text", "to_text"),
    "verify": ("verify",),
    "writer": ("write_model",),
}

if not TYPE_CHECKING:
    import lazy_loader

    __getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
