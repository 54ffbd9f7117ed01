"""OpenVINO IR in memory and on disk. Knows nothing of quantization."""

from .builder import Builder
from .difference import Change, compare
from .element_types import ElementType, element_type, element_type_of_dtype
from .errors import IRError, UserError, printable
from .graph import DYNAMIC, Array, Graph, InPort, Node, OutPort, Scope
from .neighbourhood import neighbourhood
from .reader import read_model
from .summary import Summary, summarize
from .text import from_text, to_text
from .verify import verify
from .writer import write_model

__all__ = [
    "DYNAMIC",
    "Array",
    "Builder",
    "Change",
    "ElementType",
    "Graph",
    "IRError",
    "InPort",
    "Node",
    "OutPort",
    "Scope",
    "Summary",
    "UserError",
    "compare",
    "element_type",
    "element_type_of_dtype",
    "from_text",
    "neighbourhood",
    "printable",
    "read_model",
    "summarize",
    "to_text",
    "verify",
    "write_model",
]
