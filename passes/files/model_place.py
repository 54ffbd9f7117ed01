"""The source of a float model and the destination of its quantized form: files, or memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from ...ir import Graph, write_model
from ...ir.writer import check_output
from ..options.config import QuantizationConfig
from ..options.config_error import ConfigError
from ..runtime.convert import RuntimeModel, from_runtime, is_runtime_model, to_runtime
from ..runtime.core import Extension
from ..runtime.load_model import load_model, model_files
from .run_files import RunFile, result_files, watching_for

if TYPE_CHECKING:  # most runs watch no pass
    from ..infra.instruments import WriteAfter

_Model = TypeVar("_Model", covariant=True)
_IN_MEMORY = "dump_intermediate_model has no effect: it writes beside the result, which is in memory; give a path"
#: Packages whose models the runtime converts in memory, and the names of their base classes.
_CONVERTED = frozenset(
    {("torch", "Module"), ("torch", "ExportedProgram"), ("tensorflow", "Module"), ("paddle", "Layer")}
)
_COMPILED = frozenset({("openvino", "CompiledModel"), ("openvino", "InferRequest")})


class ModelPlace(Protocol[_Model]):
    """The source of a model, and the destination of the result."""

    @property
    def no_intermediate(self) -> str:
        """Why the model before bias correction is not kept although requested; empty if it is kept."""
        ...

    @property
    def paths(self) -> tuple[Path, Path]:
        """The paths of the model and of the result in the report; names if they have no paths."""
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
        """Refuses an invalid destination before any work is done."""
        ...

    def watching(self, config: QuantizationConfig) -> "Sequence[WriteAfter]":
        """The instruments that keep the model before bias correction, if requested."""
        ...

    def put(self, graph: Graph) -> _Model:
        """Stores the result."""
        ...


@dataclass(frozen=True)
class FilePlace:
    """A model in files, whose quantized form goes to other files.

    Attributes:
        path: See `load_model`.
        output: The .xml for the result.
        weights: The .bin of an .xml; default: the one next to it.
        extensions: The runtime extensions with the model's custom operations.
        no_intermediate: Why the model before bias correction is not kept; empty if it is kept.
    """

    path: Path
    output: Path
    weights: Path | None = None
    extensions: Sequence[Extension] = ()
    no_intermediate: str = ""

    @property
    def paths(self) -> tuple[Path, Path]:
        """The paths of the model and of the result."""
        return self.path, self.output

    def reads(self) -> Iterable[RunFile]:
        """The files of the model."""
        return model_files(self.path, self.weights)

    def writes(self, config: QuantizationConfig) -> Iterable[RunFile]:
        """The files of the result, and of the model before bias correction."""
        return result_files(self.output, self.watching(config))

    def load(self) -> Graph:
        """The float model.

        Raises:
            UserError: the model cannot be read or converted.
        """
        return load_model(self.path, self.weights, self.extensions)

    def check(self, graph: Graph) -> None:
        """Refuses an output that cannot be written.

        Raises:
            UserError: the output cannot be written.
        """
        check_output(self.output, graph)

    def watching(self, config: QuantizationConfig) -> "Sequence[WriteAfter]":
        """The instruments that keep the model before bias correction, to be written next to the result."""
        return () if self.no_intermediate else watching_for(self.output, config)

    def put(self, graph: Graph) -> Path:
        """Writes the result; returns its path."""
        write_model(graph, self.output, compact=True)
        return self.output


@dataclass(frozen=True)
class MemoryPlace:
    """An `openvino.Model`, which stays unchanged; the result is a new one.

    Attributes:
        model: The model.
        extensions: The runtime extensions with its custom operations.
        output: The .xml to write the result to, too; None: it is only in memory.
        no_intermediate: Why the model before bias correction is not kept.

    Raises:
        ConfigError: the model is something else.
    """

    model: RuntimeModel
    extensions: Sequence[Extension] = ()
    output: Path | None = None
    no_intermediate: str = _IN_MEMORY

    def __post_init__(self) -> None:
        if not is_runtime_model(self.model):
            expected = "expected the path of a model, or an openvino.Model"
            message = f"the model is {type(self.model).__name__}, {expected}{_way_to_a_model(self.model)}"
            raise ConfigError(message)

    @property
    def paths(self) -> tuple[Path, Path]:
        """The name of the model, and the path of the result, or the same name."""
        name = Path(self.model.get_friendly_name())
        return name, self.output or name

    def reads(self) -> Iterable[RunFile]:
        """No file."""
        return ()

    def writes(self, config: QuantizationConfig) -> Iterable[RunFile]:
        """The files of the result, if it has a path."""
        return result_files(self.output) if self.output else ()

    def load(self) -> Graph:
        """The float model.

        Raises:
            UserError: the model cannot be converted.
        """
        return from_runtime(self.model, self.extensions)

    def check(self, graph: Graph) -> None:
        """Refuses an output that cannot be written; memory is always a valid destination.

        Raises:
            UserError: the output cannot be written.
        """
        if self.output:
            check_output(self.output, graph)

    def watching(self, config: QuantizationConfig) -> "Sequence[WriteAfter]":
        """No instruments: the result has no path."""
        return ()

    def put(self, graph: Graph) -> RuntimeModel:
        """The result as an `openvino.Model`; writes it, too, if it has a path."""
        result = to_runtime(graph)
        if self.output:
            write_model(graph, self.output, compact=True)
        return result


def _way_to_a_model(given: object) -> str:
    """How to get a model from what was given instead, or nothing."""
    kinds = {(each.__module__.partition(".")[0], each.__name__) for each in type(given).__mro__}
    if kinds & _COMPILED:
        return ": give the model that it was compiled from"
    if kinds & _CONVERTED:
        return ": openvino.convert_model(...) makes one of it"
    # the original tool takes name, model and weights in one
    is_configured = isinstance(given, Mapping) and "model" in cast(Mapping[object, object], given)
    return ": give the path that is its 'model'" if is_configured else ""
