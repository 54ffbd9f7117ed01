"""Models that the runtime has read."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ...ir import DYNAMIC, Graph
from ...ir.ops import is_standard
from ...ir.stage import STAGE
from .core import RuntimeRejectedError, open_core
from .lend import lend, tensor_over
from .messages import HOW_TO_EXTEND, first_line, sizes_hint, unknown_type
from .portable import Portable
from .samples import model_inputs


class Loaded:
    """A model that the runtime has read, and that can be compiled several times.

    Args:
        source: A graph to hand over in memory (its constants are lent, not copied), a portable model, or the path of an
            .xml.
    """

    def __init__(self, source: "Graph | Portable | Path") -> None:
        self.source, self.core = source, open_core(() if isinstance(source, Path) else source.extensions)
        with rejecting(source):
            if isinstance(source, Path):
                self.model, self.lent = self.core.read_model(source), list[object]()
            elif isinstance(source, Portable):
                weights = tensor_over(source.weights)
                self.model, self.lent = self.core.read_model(source.xml, weights), [source, weights]
            else:
                self.model, self.lent = lend(self.core, source)


@contextmanager
def rejecting(source: Graph | Portable | Path) -> Generator[None]:
    """Turns the runtime's error into an error about the model."""
    try:
        with STAGE.at(_described(source)):
            yield
    except RuntimeError as error:
        reason = first_line(error)
        hint = _hint(source, reason) if isinstance(source, Graph) else ""
        message = f"the runtime cannot compile the model: {reason}{hint}"
        raise RuntimeRejectedError(message) from error


def _described(source: Graph | Portable | Path) -> str:
    """What the runtime does with a model, for a process that outlives this one."""
    if not isinstance(source, Graph):
        return "compiling a model"
    names = [node.name for node in source.in_file_order() if node.type not in ("Const", "Parameter", "Result")]
    between = f" ('{names[0]}' to '{names[-1]}')" if names else ""
    return f"compiling a model of {len(names)} operations{between}"


def _hint(graph: Graph, reason: str) -> str:
    """What the user may do about a model that the runtime rejects; empty if that is not clear."""
    dynamic = [each.name for each in model_inputs(graph) if each.shape is not None and DYNAMIC in each.shape[1:]]
    return _missing_extension(graph, reason) or sizes_hint(dynamic)


def _missing_extension(graph: Graph, reason: str) -> str:
    """A hint about operations that no opset of the runtime has.

    Args:
        graph: The model.
        reason: What the runtime says: a type may be unknown in an opset of the runtime, too.
    """
    unknown = unknown_type(reason)
    foreign: dict[str, str] = {}
    for node in (node for each in graph.walk() for node in each.in_file_order()):
        if not is_standard(node) or node.type == unknown:
            foreign.setdefault(node.type, node.name)
    if not foreign or graph.extensions:
        return ""
    named = ", ".join(f"{type_} (layer '{name}')" for type_, name in sorted(foreign.items()))
    return f"; {named} may need an extension: {HOW_TO_EXTEND}"
