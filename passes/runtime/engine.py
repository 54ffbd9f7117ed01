"""The OpenVINO runtime: the only module that imports it.

Everything runs in f32 (`INFERENCE_PRECISION_HINT`) unless it asks for `OWN_PRECISION`: the CPU plugin's own default may
be bf16, which would add errors to statistics and comparisons.
"""

import functools
import hashlib
import importlib
import os
import re
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import ml_dtypes
import numpy as np
import openvino as ov
import openvino.opset13

from ...ir import Array, Graph, OutPort, UserError, read_model, write_model
from ...ir.atomic_write import written_together
from ...ir.ops import LOOP_BODY, is_standard
from ...ir.stage import STAGE
from ...ir.weights import Weights
from ...ir.writer import lay_out, to_xml
from ...targets.target import HERE as HERE  # the device of this runtime
from .samples import DataError, Feed, Runnable, Sample

_PRECISION = {"INFERENCE_PRECISION_HINT": "f32"}
THROUGHPUT = {**_PRECISION, "PERFORMANCE_HINT": "THROUGHPUT"}
LATENCY = {**_PRECISION, "PERFORMANCE_HINT": "LATENCY"}
#: The properties of users without options: the model runs in the device's preferred precision (see `own_precision`).
OWN_PRECISION = {"PERFORMANCE_HINT": "LATENCY"}
#: The same for users who want many inferences a second, and do not mind how long each takes.
OWN_THROUGHPUT = {"PERFORMANCE_HINT": "THROUGHPUT"}
#: Makes an inference measure the time of each operation (see `Engine.profile`).
PROFILING = {"PERF_COUNT": "YES"}
#: Shows every layer: by default, the plugin merges chains of matrix products into one node without details.
INSPECTION = {**LATENCY, "SNIPPETS_MODE": "DISABLE"}
#: Keeps activations exact: by default, layers with compressed weights round them to 8 bits if 32 or more share a scale.
EXACT_ACTIVATIONS = {**INSPECTION, "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
#: Computes FakeQuantizes in float, as the specification defines them, instead of by this plugin's int8 kernels.
EMULATION = {**EXACT_ACTIVATIONS, "LP_TRANSFORMS_MODE": "NO"}


#: Lines of the runtime's messages that name places in its source, its parts and its own exceptions.
_PLACES = re.compile(
    r"Exception from|Check '|.*Exception from \S+:\d+:$"
    r"|FrontEnd API failed|Loading input model|Model wasn't fully converted|Summary:"
)
_NODE = re.compile(r"While validating node '.*' with friendly_name (?P<name>'.*'):$")
#: The environment variable with the number of threads of the runtime; default: the number of cores.
THREADS = "IRQUANT_THREADS"

_op: Any = openvino.opset13
_BF16 = np.dtype(ml_dtypes.bfloat16)
_Item = TypeVar("_Item", bound=Runnable)
#: The runtime's own model type.
RuntimeModel: TypeAlias = ov.Model
#: A definition of operations for the runtime: the path of a library, an extension, or the class of an operation.
Extension: TypeAlias = str | Path | ov.Extension | type[ov.Op]


class RuntimeRejectedError(UserError):
    """The runtime cannot read or compile a model; it may need an extension."""


class ExtensionError(UserError):
    """An extension cannot be loaded."""


def runtime_version() -> str:
    """The version of OpenVINO, with its build."""
    return str(ov.get_version())


@functools.cache
def own_precision() -> str:
    """The device's default precision for floats: "f32", or "bf16" if it is faster."""
    return str(ov.Core().get_property(HERE, "INFERENCE_PRECISION_HINT").to_string())


def check_extensions(extensions: Sequence[Extension]) -> None:
    """Refuses extensions that cannot be loaded before any work is done.

    Raises:
        ExtensionError: an extension cannot be loaded.
    """
    _core(extensions)


def convert(path: Path, extensions: Sequence[Extension] = ()) -> RuntimeModel:
    """Converts a model of another format as `ovc` does.

    Raises:
        RuntimeRejectedError: the model cannot be converted.
    """
    try:
        with STAGE.at(f"converting {path}"):
            model: RuntimeModel = cast(Any, ov).convert_model(path, extension=[*extensions] or None)
    except Exception as error:  # the converter may raise anything
        message = f"{path}: the runtime cannot convert it: {_first_line(error)}"
        raise RuntimeRejectedError(message) from error
    return model


def from_runtime(model: RuntimeModel, extensions: Sequence[Extension] = ()) -> Graph:
    """The graph of an `openvino.Model`, which is not changed. The model does not know the extensions of its core."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        ov.serialize(model, path, path.with_suffix(".bin"))
        graph = read_model(path)
    weights = Weights(None, graph.weights.data)  # they stay mapped after the file is deleted
    for each in graph.walk():
        each.weights = weights
    graph.extensions = tuple(extensions)
    return graph


def to_runtime(graph: Graph) -> RuntimeModel:
    """A new `openvino.Model` with memory of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        with written_together():  # written now, not at the end of the run
            write_model(graph, path, compact=True)
        core = _core(graph.extensions)
        core.set_property({"ENABLE_MMAP": False})
        model: RuntimeModel = core.read_model(path)
        return model


@dataclass(frozen=True)
class Executed:
    """A node of the executed graph.

    Attributes:
        name: Its name, often that of its layer.
        type: Its type, e.g. "Convolution", "FullyConnected".
        primitive: The implementation, e.g. "brgconv_avx512_I8".
        fused: The names of all layers that it contains, joined by commas.
        reads: Its input, e.g. "f32 from Eltwise 'sum'".
        sources: The names of the nodes that give its inputs.
    """

    name: str
    type: str
    primitive: str
    fused: str = ""
    reads: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @property
    def is_int8(self) -> bool:
        """Whether the primitive's name ends in `_I8` (unsigned data) or `_i8` (signed data)."""
        return self.primitive.endswith(("_I8", "_i8"))


@dataclass(frozen=True)
class Portable:
    """A model that can be sent to another process: both files, in memory.

    Attributes:
        xml: The .xml file.
        weights: The .bin file.
        key: A key that is unique to the model.
        extensions: The extensions that the runtime needs to run it.
    """

    xml: bytes
    weights: Array
    key: str
    extensions: tuple[object, ...] = ()

    @classmethod
    def of(cls, graph: Graph) -> "Portable":
        """A copy of the graph."""
        layout = lay_out(graph, compact=True)
        kept = [graph.weights.view(start, stop - start) for start, stop in layout.kept]
        weights = np.concatenate([*kept, *(each.view(np.uint8) for each in layout.new), np.empty(0, np.uint8)])
        xml = to_xml(graph, layout).encode()
        key = hashlib.blake2b(xml + weights.data, digest_size=16).hexdigest()
        return cls(xml, weights, key, graph.extensions)


@dataclass(frozen=True)
class Mark:
    """The state of an engine's profile at some time.

    Attributes:
        inferences: The number of inferences so far.
        seconds: The seconds of each executed node in all of them together.
    """

    inferences: int
    seconds: Mapping[str, float]


class Loaded:
    """A model that the runtime has read, and that can be compiled several times.

    Args:
        source: A graph to hand over in memory (its constants are lent, not copied), a portable model, or the path of an
            .xml.
    """

    def __init__(self, source: "Graph | Portable | Path") -> None:
        self.source, self.core = source, _core(() if isinstance(source, Path) else source.extensions)
        with _rejecting(source):
            if isinstance(source, Path):
                self.model, self.lent = self.core.read_model(source), list[object]()
            elif isinstance(source, Portable):
                weights = _tensor(source.weights)
                self.model, self.lent = self.core.read_model(source.xml, weights), [source, weights]
            else:
                self.model, self.lent = _lend(self.core, source)


class Engine:
    """A compiled model.

    Args:
        model: See `Loaded`.
        config: Properties of the CPU plugin.
    """

    def __init__(self, model: Graph | Portable | Path | Loaded, config: dict[str, str]) -> None:
        self._loaded = model if isinstance(model, Loaded) else Loaded(model)
        self._model, self._config = self._loaded.model.clone() if self._loaded is model else self._loaded.model, config
        with _rejecting(self._loaded.source):
            if EMULATION.items() <= config.items():
                _fold_constants(self._model)
                separate_scales(self._model)
            self.compiled = _compile(self._loaded.core, self._model, config)
        self._is_stateful = bool(self._model.get_sinks())
        self._request, self._inferences = self.compiled.create_infer_request(), 0
        self._queue: ov.AsyncInferQueue | None = None

    def run(self, items: Iterable[_Item], take: Callable[[_Item, list[Array]], None]) -> None:
        """Runs all samples, several at a time, and calls `take(item, outputs)` for each, in order.

        The arrays that `take` gets are views that live only during the call.

        Raises:
            DataError: the model cannot run a sample.
        """
        # One more request than the plugin runs at once, so that it always has work while Python handles a result.
        most = self.at_once + 1
        idle = [self.compiled.create_infer_request() for _ in range(most)]
        running: deque[tuple[_Item, ov.InferRequest]] = deque()
        for item in items:
            if not idle:
                idle.append(_finish(running, take))
            request = idle.pop()
            if self._is_stateful:
                request.reset_state()
            with _blaming(item.sample):
                request.start_async(_given(item.feed))
            running.append((item, request))
        while running:
            _finish(running, take)

    def infer(self, feed: Feed) -> None:
        """Runs one inference, for timing; the outputs stay in the runtime."""
        self._request.infer(_given(feed))
        self._inferences += 1

    def seconds_of_many(self, feeds: Sequence[Feed], count: int) -> float:
        """The seconds for each of `count` inferences, as many at a time as suit the plugin; outputs are dropped."""
        if self._queue is None:
            self._queue = ov.AsyncInferQueue(self.compiled)
        given = [_given(feed) for feed in feeds]
        start = time.perf_counter()
        for number in range(count):
            self._queue.start_async(given[number % len(given)])
        self._queue.wait_all()
        return (time.perf_counter() - start) / count

    def outputs(self, item: Runnable) -> list[Array]:
        """Runs one inference and returns its outputs.

        Raises:
            DataError: the model cannot run the sample.
        """
        if self._is_stateful:
            self._request.reset_state()
        with _blaming(item.sample):
            self.infer(item.feed)
        return self.results()

    def results(self) -> list[Array]:
        """The outputs of the last inference of `infer` or `outputs`."""
        return [np.array(_array(tensor)) for tensor in self._request.output_tensors]

    def mark(self) -> Mark:
        """The times of the inferences of `infer` and `outputs` so far; needs `PROFILING`."""
        # The plugin gives the mean time of each node over all inferences.
        means = {each.node_name: each.real_time.total_seconds() for each in self._request.get_profiling_info()}
        return Mark(self._inferences, {name: self._inferences * mean for name, mean in means.items()})

    def profile(self, since: Mark) -> list[tuple[Executed, float]]:
        """The executed nodes, and the mean seconds of each per inference since the mark."""
        now = self.mark()
        count, took = now.inferences - since.inferences, now.seconds
        return [
            (each, (took.get(each.name, 0.0) - since.seconds.get(each.name, 0.0)) / count) for each in self.execution()
        ]

    @property
    def threads(self) -> int:
        """The number of threads that an inference may use."""
        return int(self.compiled.get_property("INFERENCE_NUM_THREADS"))

    @property
    def at_once(self) -> int:
        """The number of inferences that suit the plugin at a time."""
        return int(self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))

    def execution(self) -> list[Executed]:
        """The executed graph. For models with dynamic shapes it is final only after an inference."""
        return _executed(self.compiled)

    def execution_of_body(self, path: Sequence[tuple[str, str]]) -> list[Executed] | None:
        """The executed graph of a body, which the runtime shows only if the body is compiled alone.

        Args:
            path: The names of control flow operations and the tags of their bodies, from outside in.

        Returns:
            None for a body with dynamic shapes: it would have to run first.
        """
        body: Any = self._model
        for name, tag in path:
            holder = next(each for each in body.get_ops() if each.get_friendly_name() == name and _has_bodies(each))
            body = holder.get_function() if tag == LOOP_BODY else holder.get_function(int(tag == "else_body"))
        if body.is_dynamic():
            return None
        return _executed(self._loaded.core.compile_model(body, HERE, self._config))


def is_accepted(graph: Graph) -> bool:
    """Whether the runtime can compile a model."""
    try:
        Engine(graph, LATENCY)
    except RuntimeRejectedError:
        return False
    return True


def contradiction(graph: Graph) -> str:
    """The first layer whose outputs have other sizes in the runtime than in the model; empty if there is none.

    The runtime infers sizes and ignores those in the file, on which passes rely.
    """
    nodes = graph.in_file_order()
    named = Counter(node.name for node in nodes)
    declared = {(node.name, each.index): each.shape for node in nodes if named[node.name] == 1 for each in node.outputs}
    for op in Loaded(graph).model.get_ordered_ops():
        for index, port in enumerate(op.outputs()):
            shape, inferred = declared.get((op.get_friendly_name(), index), ()), port.get_partial_shape()
            if shape and not inferred.compatible(ov.PartialShape(list(shape))):
                said = f"an output of shape {inferred}, and the model says {ov.PartialShape(list(shape))}"
                layer = f"{op.get_type_name()} '{op.get_friendly_name()}'"
                return f"{layer}: the runtime computes {said}: convert the model again"
    return ""


def takes_one_sample(graph: Graph, shapes: Mapping[int, Sequence[int]]) -> bool:
    """Whether the operations of a model agree if the inputs of these numbers have these shapes."""
    try:
        Loaded(graph).model.reshape({index: ov.PartialShape(list(shape)) for index, shape in shapes.items()})
    except RuntimeError:
        return False
    return True


def evaluate(graph: Graph) -> list[Array]:
    """The outputs of a model without inputs; bf16 as f32."""
    engine = Engine(graph, LATENCY)
    engine.infer({})
    return engine.results()


def _compile(core: Any, model: ov.Model, config: dict[str, str]) -> Any:
    """Compiles a model; for emulation, without FakeQuantizes per channel if necessary.

    The plugin moves Transposes past FakeQuantizes, and then accepts only ranges along the channel axis.
    """
    try:
        return core.compile_model(model, HERE, config)
    except RuntimeError as error:
        if not EMULATION.items() <= config.items() or not quantize_by_tensor(model):
            raise
        try:
            return core.compile_model(model, HERE, config)
        except RuntimeError:
            raise error from None


def quantize_by_tensor(model: ov.Model) -> int:
    """Scales data to [0, 1] and back around each FakeQuantize with ranges per channel; returns their number."""
    found = [each for each in model.get_ordered_ops() if each.get_type_name() == "FakeQuantize"]
    found = [each for each in found if any(value.get_shape() for value in each.input_values()[1:])]
    for each in found:
        data, low, high, bottom, top = each.input_values()
        scaled = _op.divide(_op.subtract(data, low), _op.subtract(high, low))
        unit = np.arange(2).astype(data.get_element_type().to_dtype())
        rounded = _op.fake_quantize(scaled, *unit, *unit, each.get_attributes()["levels"])
        spread = _op.add(_op.multiply(rounded, _op.subtract(top, bottom)), bottom)
        each.output(0).replace(spread.output(0))
    return len(found)


def separate_scales(model: ov.Model) -> None:
    """Keeps scales by channel apart from the FakeQuantizes behind them and from what is in front of them.

    If the data of such a scale come from a fully connected layer that something else reads, too, and there are no
    snippets, the plugin merges the scale into the FakeQuantize, and takes the axis of tokens for channels there. If
    they come from a product of two rounded tensors, the scale goes into the FakeQuantize of one of them, which then
    does not compile. Nothing is merged across Maximum(x, x), which is x.
    """
    for each in model.get_ordered_ops():
        scaled = each.input_value(0) if each.get_type_name() == "FakeQuantize" else None
        if scaled is not None and scaled.get_node().get_type_name() == "Multiply":
            each.input(0).replace_source_output(_copied(scaled))
            for port in scaled.get_node().inputs():
                if port.get_source_output().get_node().get_type_name() != "Constant":
                    port.replace_source_output(_copied(port.get_source_output()))


def _copied(value: Any) -> Any:
    return _op.maximum(value, value).output(0)


def _fold_constants(model: ov.Model) -> None:
    """Turns stored weights into plain floats.

    In float, the plugin treats int8 weights specially and computes some layers wrongly: for example 1x1 convolutions
    behind a Transpose or Reshape, which it runs as matrix products.
    """
    passes: Any = importlib.import_module("openvino.passes")
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(model)


def _core(extensions: Sequence[object]) -> Any:
    """The runtime with extensions for operations that are not its own."""
    core: Any = ov.Core()
    if threads := os.environ.get(THREADS):
        if not threads.isdecimal() or not int(threads):
            message = f"{THREADS} is '{threads}' in the environment, expected a number of threads"
            raise RuntimeRejectedError(message)
        core.set_property(HERE, {"INFERENCE_NUM_THREADS": threads})
    for extension in extensions:
        _extend(core, extension)
    return core


def _extend(core: Any, extension: object) -> None:
    if isinstance(extension, (str, Path)) and not Path(extension).is_file():
        message = f"{extension}: no such file: expected the library of an OpenVINO extension"
        raise ExtensionError(message)
    try:
        core.add_extension(str(extension) if isinstance(extension, Path) else extension)
    except (RuntimeError, TypeError) as error:
        reason = _first_line(error).rpartition("This error happened: ")[2]
        message = f"{extension}: cannot be loaded as an OpenVINO extension: {reason}"
        raise ExtensionError(message) from error


@contextmanager
def _rejecting(source: Graph | Portable | Path) -> Generator[None]:
    """Turns the runtime's error into an error about the model."""
    try:
        with STAGE.at(_described(source)):
            yield
    except RuntimeError as error:
        hint = _missing_extension(source) if isinstance(source, Graph) else ""
        message = f"the runtime cannot compile the model: {_first_line(error)}{hint}"
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
    return (
        f"; {', '.join(sorted(foreign))} may need an extension: name its library (--extension FILE, extensions=[...])"
    )


def _has_bodies(op: Any) -> bool:
    return hasattr(op, "get_function")


def _executed(compiled: Any) -> list[Executed]:
    return [
        Executed(
            op.get_friendly_name(),
            _info(op, "layerType"),
            _info(op, "primitiveType"),
            _info(op, "originalLayersNames"),
            tuple(_source(value) for value in op.input_values()),
            tuple(value.get_node().get_friendly_name() for value in op.input_values()),
        )
        for op in compiled.get_runtime_model().get_ordered_ops()
    ]


def _finish(
    running: deque[tuple[_Item, ov.InferRequest]], take: Callable[[_Item, list[Array]], None]
) -> ov.InferRequest:
    """Waits for the oldest request, hands its outputs over, and returns it."""
    item, request = running.popleft()
    with _blaming(item.sample):
        request.wait()
    tensors = cast(Any, request).output_tensors
    take(item, [_array(tensor) for tensor in tensors])
    return request


def _given(feed: Feed) -> dict[int, Array]:
    """The inputs for the runtime. It takes bf16 as arrays of dtype float16, and would convert others."""
    arrays = enumerate(feed.values())
    return {index: array.view(np.float16) if array.dtype == _BF16 else array for index, array in arrays}


def _array(tensor: Any) -> Array:
    """The values of a tensor, without a copy if possible; bf16 as f32."""
    if tensor.element_type == ov.Type.bf16:
        return np.asarray(tensor.data.view(_BF16).astype(np.float32))
    array: Array = tensor.bytes_data if tensor.element_type == ov.Type.string else tensor.data
    return array


@contextmanager
def _blaming(sample: Sample) -> Generator[None]:
    """Turns the runtime's error into an error about the sample."""
    try:
        with STAGE.at(f"running {sample.label}"):
            yield
    except RuntimeError as error:
        message = f"{sample.label}: the model cannot run it: {_first_line(error)}"
        raise DataError(message) from error


def _source(value: Any) -> str:
    node, index = value.get_node(), int(value.get_index())
    kinds = _info(node, "outputPrecisions").split(",")
    kind = kinds[min(index, len(kinds) - 1)]
    return f"{kind} from {_info(node, 'layerType')} '{node.get_friendly_name()}'"


def _info(node: Any, key: str) -> str:
    info = node.get_rt_info()
    return str(info[key].astype(str)) if key in info else ""


def _first_line(error: Exception) -> str:
    """The first line of a message that says what is wrong; earlier lines name places in the runtime's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _PLACES.match(line)] or lines or ["no reason given"]
    node = _NODE.match(telling[0])
    return f"{node['name']}: {telling[-1]}" if node else telling[0].removeprefix("-- ")


def _lend(core: Any, graph: Graph) -> tuple[ov.Model, list[object]]:
    """Hands a graph over without copying constants: those of the file stay in its map, new ones in their arrays.

    The runtime reads constants from one block of memory only. Therefore new ones are written as Parameters first and
    then replaced with constants over their own arrays. Map and arrays must outlive the model: they are returned with
    it. A body takes no more Parameters than its port map has: new constants in bodies make the block be copied.
    """
    lent = {node: f"irquant/lent/{node.id}" for node in graph.in_file_order("Const") if not node.is_stored}
    tensors = {name: node.output() for node, name in lent.items()}
    arrays = {name: _writeable(node.array if _has_array(node.output()) else node.raw) for node, name in lent.items()}
    layout = lay_out(graph, compact=False)
    in_bodies = any(not node.is_stored for each in [*graph.walk()][1:] for node in each.in_file_order("Const"))
    block = np.concatenate([graph.weights.data, *(each.view(np.uint8) for each in layout.new)]) if in_bodies else None
    weights = _tensor(graph.weights.data if block is None else block)
    model = core.read_model(to_xml(graph, layout, lent).encode(), weights)
    for parameter in list(model.get_parameters()):
        if (name := parameter.get_friendly_name()) in arrays:
            constant = ov.op.Constant(_shared(arrays[name], tensors[name]))
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return model, [weights, arrays, graph.weights, block]


def _tensor(data: Array) -> ov.Tensor:
    return ov.Tensor(data, shared_memory=True) if data.size else ov.Tensor(ov.Type.u8, [0])


def _has_array(tensor: OutPort) -> bool:
    return tensor.element_type.dtype is not None


def _shared(array: Array, of: OutPort) -> ov.Tensor:
    """A tensor over the memory of an array; types without arrays in numpy or the runtime are passed as bytes."""
    if array.dtype == _BF16 or not _has_array(of):
        kind = getattr(ov.Type, of.element_type.name)
        return ov.Tensor(array.reshape(-1).view(np.uint8), ov.Shape(of.shape), kind)
    return ov.Tensor(array, shared_memory=True)


def _writeable(array: Array) -> Array:
    """The array, copied if it is read-only: the runtime refuses such memory, although it does not write to it."""
    contiguous = np.asarray(array, order="C")
    return contiguous if contiguous.flags.writeable else contiguous.copy()
