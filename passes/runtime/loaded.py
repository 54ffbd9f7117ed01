"""Models that the runtime has read."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ...ir import Graph
from ...ir.ops import is_standard
from ...ir.spelling import worded
from ...ir.stage import STAGE
from .core import RuntimeRejectedError, open_core
from .lend import lend, tensor_over
from .messages import first_line
from .portable import Portable


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
        hint = _missing_extension(source) if isinstance(source, Graph) else ""
        message = f"the runtime cannot compile the model: {first_line(error)}{hint}"
        raise RuntimeRejectedError(message) from error


def _described(source: Graph | Portable | Path) -> str:
    """What the runtime does with a model, for a process that outlives this one."""
    if not isinstance(source, Graph):
        return "compiling a model"
    names = [node.name for node in source.in_file_order() if node.type not in ("Const", "Parameter", "Result")]
    between = f" ('{names[0]}' to '{names[-1]}')" if names else ""
    return f"compiling a model of {len(names)} operations{between}"


def _missing_extension(graph: Graph) -> str:
    """A hint about operations that no opset of the runtime has."""
    foreign = {node.type for each in graph.walk() for node in each.in_file_order() if not is_standard(node)}
    if not foreign or graph.extensions:
        return ""
    how = worded("--extension FILE", "extensions=[...]")
    return f"; {', '.join(sorted(foreign))} may need an extension: name its library ({how})"
