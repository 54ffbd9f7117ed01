"""Compresses a graph with as many weights in 4 bits as the user's aim allows, and the others in 8."""

import math
from dataclasses import dataclass, replace

from ...ir import Graph, UserError
from ...ir.spelling import switched_on
from ..analysis.bit_choice import by_share, by_size, by_trial
from ..evaluation.verify_weights import VerifyWeights
from ..infra.base import Context, Results
from ..infra.compressed_layers import CompressedLayer, WeightCheck
from ..infra.manager import PassManager
from ..options.compression import CompressionConfig
from ..reporting.report import constant_bytes
from ..runtime.samples import DataError
from ..transforms.quantize_weights_only import QuantizeWeightsOnly


class AimError(UserError):
    """The model cannot be as small, or as close to the float model, as the user wants."""


@dataclass(frozen=True)
class Compressed:
    """A compressed graph.

    Attributes:
        graph: The graph.
        layers: The storage of each layer's weights.
        check: The result of running it.
        results: The results of the passes.
        eight: The layers that have 8 bits for the sake of the user's aim.
    """

    graph: Graph
    layers: tuple[CompressedLayer, ...]
    check: WeightCheck
    results: Results
    eight: frozenset[str] = frozenset()

    @property
    def worst(self) -> float:
        """The SQNR of the worst output, in dB; minus infinity if it cannot be compared."""
        found = [-math.inf if math.isnan(each.sqnr) else each.sqnr for each in self.check.outputs or ()]
        return min(found, default=-math.inf)


def compressed(graph: Graph, context: Context, config: CompressionConfig) -> Compressed:
    """The graph with compressed weights; some have 8 bits instead of 4 if the user has an aim.

    Args:
        graph: The float model, which stays unchanged.
        context: With the results of `measure-outputs` if there are data, and of `measure-weight-errors` if there is an
            aim.
        config: The user's options.

    Raises:
        AimError: the aim cannot be reached.
        DataError: there are no held-out samples to measure `min_db` on.
    """
    if config.min_db is not None:
        return _close_enough(graph, context, config, config.min_db)
    if config.max_mb is not None:
        return _small_enough(graph, context, config, config.max_mb)
    eight = frozenset[str]() if config.ratio is None else by_share(context.four_bits, config.ratio)
    return _compressed(graph, context, config, eight)


def _compressed(graph: Graph, context: Context, config: CompressionConfig, eight: frozenset[str]) -> Compressed:
    twin, own = graph.copy(), replace(context)
    own.take_over(context.calibration)
    passes = [QuantizeWeightsOnly(config.weights, config.group, config.all_layers, eight), VerifyWeights()]
    results = PassManager(passes).run(twin, own)
    return Compressed(twin, tuple(own.compressed), own.weight_check, results, eight)


def _small_enough(graph: Graph, context: Context, config: CompressionConfig, most: float) -> Compressed:
    """A model of at most that many MB."""
    everything = frozenset(each.name for each in context.four_bits)
    twin, own = graph.copy(), replace(context)
    QuantizeWeightsOnly(config.weights, config.group, config.all_layers, everything).run(twin, own)  # without samples
    excess = largest = constant_bytes(twin) - math.floor(most * 1e6)
    while (eight := by_size(context.four_bits, excess)) is not None:
        found = _compressed(graph, context, config, eight)
        if (over := constant_bytes(found.graph) - math.floor(most * 1e6)) <= 0:
            return found
        excess = max(excess, 0) + over  # it has more zero points than was expected
    least = most + (largest - sum(each.saved for each in context.four_bits)) / 1e6
    said = f"max_mb is {most:g}, but with all weights in {config.weights} the constants have {least:.2f} MB"
    message = said if config.all_layers else f"{said}; {switched_on('all_layers')} makes it smaller"
    raise AimError(message)


def _close_enough(graph: Graph, context: Context, config: CompressionConfig, least: float) -> Compressed:
    """The smallest model whose outputs are at least that close."""
    if not context.held_out:
        message = "min_db is measured on held-out samples: give nine samples or more"
        raise DataError(message)
    best: list[Compressed] = []  # the last trial that was enough, or the first

    def is_enough(eight: frozenset[str]) -> bool:
        trial = _compressed(graph, context, config, eight)
        if trial.worst >= least or not best:
            best[:] = [trial]
        return trial.worst >= least

    if by_trial(context.four_bits, is_enough) is None:
        message = f"min_db is {least:g}, but with 8 bits everywhere the worst output has {best[0].worst:.1f} dB"
        raise AimError(message)
    return best[0]
