"""OpenVINO IR in memory and on disk. Knows nothing of quantization."""

# pyright: reportUnusedImport=false

from .builder import Builder
from .difference import Change, compare
from .element_types import ElementType, element_type, element_type_of_dtype
from .errors import IRError, UserError, printable
from .graph import DYNAMIC, Array, Graph, InPort, Node, OutPort, Scope
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
    "Match",
    "Node",
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
