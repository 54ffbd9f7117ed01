"""Predicts what a calibration run measures and how much memory it takes, without data and without running the model."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..ir import DYNAMIC, Graph
from ..targets import Target
from .analysis.already_quantized import refuse_quantized
from .calibration.measurement import Measurement
from .infra.base import Context
from .infra.manager import PassManager
from .jobs.pipelines import default_quantization
from .options.config import QuantizationConfig
from .statistics.column_store import memory_of
from .statistics.request import Reduction, Request


@dataclass(frozen=True)
class MeasuredTensor:
    """A tensor that would be measured.

    Attributes:
        name: The layer that computes it; in a body, after the names of the enclosing operations.
        shape: Its dimensions, `?` where dynamic.
        reductions: The statistics of it, e.g. "max", "mean per channel (axis 1)".
    """

    name: str
    shape: str
    reductions: tuple[str, ...]


@dataclass(frozen=True)
class MeasurementPlan:
    """The plan of a calibration run.

    Attributes:
        tensors: The measured tensors, in the order of the file.
        requests: The number of statistics that the passes request.
        measured: The number of statistics that would be measured; the others are derived.
        numbers: The number of values per sample.
        expensive: The statistics that cost more than a reduction in the graph.
        table_bytes: The most memory for numbers; the rest goes to a temporary file.
        weights_bytes: The size of the constants, which stay in the file's pages.
    """

    tensors: tuple[MeasuredTensor, ...]
    requests: int
    measured: int
    numbers: int
    expensive: tuple[str, ...]
    table_bytes: int
    weights_bytes: int


def plan_measurement(graph: Graph, target: Target, config: QuantizationConfig) -> MeasurementPlan:
    """The plan of the default pipeline's calibration run. The graph stays unchanged.

    Raises:
        AlreadyQuantizedError: the model is quantized already.
    """
    refuse_quantized(graph, keep_compressed=bool(config.keep_compressed))
    twin, context = graph.copy(), Context(target, config)
    wanted = PassManager(default_quantization(config=config)).prepare(twin, context)
    measurement = Measurement.of(twin, wanted)
    blocks = measurement.blocks
    by_tensor: dict[tuple[object, ...], list[Request]] = {}
    for each in (each for block in blocks for each in block.requests):
        by_tensor.setdefault((each.scope, each.node, each.port), []).append(each)
    prefixes = {each.scope: prefix for prefix, each in twin.walk_named()}
    return MeasurementPlan(
        tensors=tuple(_tensor(requests, twin, prefixes[requests[0].scope]) for requests in by_tensor.values()),
        requests=len(wanted),
        measured=sum(map(len, by_tensor.values())),
        numbers=sum(block.width for block in blocks),
        expensive=tuple(
            f"the {each.reduction} {each.level} of {each.tensor(twin).node} is taken on the host"
            for block in blocks
            for each in block.requests
            if block.raw
        ),
        table_bytes=sum(memory_of(block.width) for block in blocks),
        weights_bytes=graph.weights.size,
    )


def _tensor(requests: list[Request], graph: Graph, prefix: str) -> MeasuredTensor:
    tensor = requests[0].tensor(graph)
    shape = ",".join("?" if size == DYNAMIC else str(size) for size in tensor.shape)
    return MeasuredTensor(f"{prefix}{tensor.node.name}", shape, tuple(_reductions(requests)))


def _reductions(requests: list[Request]) -> Iterator[str]:
    for each in requests:
        level = "" if each.level is None else f" {each.level}"
        words = "of all channels" if each.reduction is Reduction.SAMPLE else "per channel"
        axis = "" if each.channel_axis is None else f" {words} (axis {each.channel_axis})"
        yield f"{each.reduction}{level}{axis}"
