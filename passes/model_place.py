"""Where a float model comes from, and where its quantized form goes: files, or memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from ..ir import Graph, write_model
from ..ir.writer import check_output
from .infra.instruments import WriteAfter
from .options.config import QuantizationConfig
from .run_files import RunFile, result_files, watching_for
from .runtime.engine import Extension, RuntimeModel, from_runtime, to_runtime
from .runtime.load_model import load_model, model_files

_Model = TypeVar("_Model", covariant=True)
_IN_MEMORY = "dump_intermediate_model changes nothing: it writes beside the result, which is in memory; give a path"


class ModelPlace(Protocol[_Model]):
    """Where a model comes from, and where the result goes."""

    @property
    def no_intermediate(self) -> str:
        """Why the model before its biases are corrected is not kept, though that is wanted; empty if it is."""
        ...

    def reads(self) -> Iterable[RunFile]:
        """The files that are read."""
        ...

    def writes(self, config: QuantizationConfig) -> Iterable[RunFile]:
        """The files that are written with these options."""
        ...

    def load(self) -> Graph:
        """The float model."""
        ...

    def check(self, graph: Graph) -> None:
        """Refuses what is no place for a result, before any work is done."""
        ...

    def watching(self, config: QuantizationConfig) -> Sequence[WriteAfter]:
        """What keeps the model before its biases are corrected, if that is wanted."""
        ...

    def put(self, graph: Graph) -> _Model:
        """Puts the result there."""
        ...


@dataclass(frozen=True)
class FilePlace:
    """A model in files, whose quantized form goes to other ones.

    Attributes:
        path: See `load_model`.
        output: The .xml for the result.
        weights: Of an .xml: its .bin; default: the one next to it.
        extensions: What the runtime needs to know the model's operations.
        no_intermediate: Why the model before its biases are corrected is not kept; empty if it is.
    """

    path: Path
    output: Path
    weights: Path | None = None
    extensions: Sequence[Extension] = ()
    no_intermediate: str = ""

    def reads(self) -> Iterable[RunFile]:
        """The files of the model."""
        return model_files(self.path, self.weights)

    def writes(self, config: QuantizationConfig) -> Iterable[RunFile]:
        """The files of the result, and of the model before its biases are corrected."""
        return result_files(self.output, self.watching(config))

    def load(self) -> Graph:
        """The float model.

        Raises:
            UserError: it cannot be read or converted.
        """
        return load_model(self.path, self.weights, self.extensions)

    def check(self, graph: Graph) -> None:
        """Refuses an output that cannot be written.

        Raises:
            UserError: it is so.
        """
        check_output(self.output, graph)

    def watching(self, config: QuantizationConfig) -> Sequence[WriteAfter]:
        """What keeps the model before its biases are corrected, to be written beside the result."""
        return () if self.no_intermediate else watching_for(self.output, config)

    def put(self, graph: Graph) -> Path:
        """Writes the result; gives its path."""
        write_model(graph, self.output, compact=True)
        return self.output


@dataclass(frozen=True)
class MemoryPlace:
    """An `openvino.Model`, which stays as it is; the result is a new one.

    Attributes:
        model: The model.
        extensions: What the runtime needs to know its operations.
        no_intermediate: Why the model before its biases are corrected is not kept.
    """

    model: RuntimeModel
    extensions: Sequence[Extension] = ()
    no_intermediate: str = _IN_MEMORY

    def reads(self) -> Iterable[RunFile]:
        """No file."""
        return ()

    def writes(self, config: QuantizationConfig) -> Iterable[RunFile]:
        """No file."""
        return ()

    def load(self) -> Graph:
        """The float model.

        Raises:
            UserError: it cannot be converted.
        """
        return from_runtime(self.model, self.extensions)

    def check(self, graph: Graph) -> None:
        """Refuses nothing: there is always a place."""

    def watching(self, config: QuantizationConfig) -> Sequence[WriteAfter]:
        """Nothing: there is no place beside the result."""
        return ()

    def put(self, graph: Graph) -> RuntimeModel:
        """The result as an `openvino.Model`."""
        return to_runtime(graph)
