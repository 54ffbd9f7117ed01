"""Takes a float graph, returns it with compressed weights, and a report."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ...ir import Graph
from ...targets import Target
from ..analysis.already_quantized import refuse_quantized
from ..calibration.fingerprint import model_fingerprint
from ..calibration.measure_outputs import MeasureOutputs
from ..calibration.subset import expected_count
from ..evaluation.weight_errors import MeasureWeightErrors
from ..files.provenance import SECTION
from ..infra.base import Context, Pass, Results
from ..infra.compressed_layers import CompressedLayer, WeightCheck
from ..infra.manager import PassManager
from ..infra.progress import Progress, no_progress
from ..options.compression import CompressionConfig, WeightFormat
from ..options.config import QuantizationConfig
from ..placement.weight_plan import plan_weights, refuse_nothing
from ..reporting.report import constant_bytes
from ..reporting.shown_report import ShownReport
from ..runtime.core import runtime_version
from .mixed_bits import compressed
from .stages import Stages


@dataclass(frozen=True)
class CompressionReport(ShownReport):
    """The report of a weight-only quantization; `print` shows it as the command line does, and a notebook as a page.

    `save` writes the page, and `to_json` gives the JSON document.

    Attributes:
        weights: The requested format.
        layers: All layers with constant weights: first those with compressed weights, in topological order.
        check: The result of running the model.
        device: The target's name for its device.
        samples: The number of samples that the weights were fitted to; 0 without data.
        held_out: The number of held-out samples.
        warnings: Messages to the user.
        bytes_before: The size of the float model's constants.
        bytes_after: The size of the compressed model's constants.
        results: The results of each pass.
        four_bit_share: The share of weights in 4 bits among those that may have them; None: the options have no aim.
        seconds: The time of the whole run.
        model: The path of the float model; for a model in memory, its name.
        result: The path of the compressed model; for a model in memory, its name.
    """

    weights: WeightFormat
    layers: tuple[CompressedLayer, ...]
    check: WeightCheck
    device: str
    samples: int
    held_out: int
    warnings: tuple[str, ...]
    bytes_before: int
    bytes_after: int
    results: Results
    four_bit_share: float | None = None
    seconds: float = 0.0
    model: Path = Path("model")
    result: Path = Path("result")

    def __repr__(self) -> str:
        """One line: the format, and the sizes before and after."""
        sizes = f"{self.bytes_before / 1e6:.2f} MB -> {self.bytes_after / 1e6:.2f} MB"
        return f"<CompressionReport: weights in {self.weights}, {sizes}; print it for more>"


def compress_graph(
    graph: Graph,
    data: Iterable[object] | None,
    target: Target,
    config: CompressionConfig,
    *,
    progress: Progress = no_progress,
) -> tuple[Graph, CompressionReport]:
    """Compresses the weights of a graph and checks the result on the runtime.

    Args:
        graph: The float model; it is consumed.
        data: See `quantize`; None: the weights are fitted without data, and the outputs are not checked.
        target: The device.
        config: The user's options.
        progress: Called during long work.

    Returns:
        The model with compressed weights, and the report.

    Raises:
        UserError: the model or the data are wrong, or the target makes floats of the requested format.
    """
    stages = Stages()
    refuse_quantized(graph)
    refuse_nothing(plan_weights(graph, target, config), target, config.weights)
    bytes_before = constant_bytes(graph)
    options = QuantizationConfig(samples=config.samples)
    context = Context(target, options, data, progress, expected_count(data), model_fingerprint(graph))
    measured = PassManager(_measuring(config, has_data=data is not None)).run(graph, context)
    found = compressed(graph, context, config)
    _record_provenance(found.graph, context, config)
    return found.graph, CompressionReport(
        weights=config.weights,
        layers=found.layers,
        check=found.check,
        device=target.device,
        samples=context.statistics.samples,
        held_out=len(context.held_out),
        warnings=tuple(context.warnings),
        bytes_before=bytes_before,
        bytes_after=constant_bytes(found.graph),
        results={**measured, **found.results},
        four_bit_share=_four_bit_share(context, found.eight),
        seconds=stages.total,
    )


def _four_bit_share(context: Context, eight: frozenset[str]) -> float | None:
    """The share of weights in 4 bits among those that may have them; None if their errors were not measured."""
    if not (total := sum(each.elements for each in context.four_bits)):
        return None
    return sum(each.elements for each in context.four_bits if each.name not in eight) / total


def _measuring(config: CompressionConfig, *, has_data: bool) -> list[Pass]:
    """The passes that measure the float model."""
    has_aim = any(each is not None for each in (config.ratio, config.max_mb, config.min_db))
    return [*([MeasureOutputs()] if has_data else []), *([MeasureWeightErrors(config)] if has_aim else [])]


def _record_provenance(graph: Graph, context: Context, config: CompressionConfig) -> None:
    """Writes versions, options and the fingerprints of model and data into the model's rt_info."""
    graph.set_metadata(
        SECTION,
        {
            "version": version("irquant"),
            "openvino": runtime_version(),
            "target": context.target.name,
            "compression": json.dumps(config.model_dump(mode="json", exclude_none=True), sort_keys=True),
            "model": context.model_fingerprint,
            "data": context.calibration.data_fingerprint,
            "samples": str(context.statistics.samples),
        },
    )
