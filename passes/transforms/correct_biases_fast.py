"""Corrects biases for the mean error of rounded weights, without inference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.ops import (
    DATA_PORT,
    WEIGHTED_TYPES,
    WEIGHTS_PORT,
    WeightAxes,
    data_channel_axis,
    multiplies_batches,
    weight_axes,
)
from ..analysis.bias_cross_validation import Correction, judged
from ..analysis.biases import change_bias
from ..analysis.coverage import kernel_sizes, needs_sizes, output_sizes, sizes_follow, tap_coverage
from ..analysis.ranges import Floats, Range, fake_quantize
from ..infra.base import Context, Fact, Pass
from ..options.note import Note
from ..statistics.request import Reduction, Request, Statistics, request


@dataclass(frozen=True)
class CorrectBiasesFast(Pass):
    """Adds E[conv(x, W)] - E[conv(x, W_q)] to the bias of each layer with quantized weights (FastBiasCorrection).

    Given::                                          Result::

        conv = Convolution(x, w_q)                       conv = Convolution(x, w_q)
        y = Add(conv, bias)                              bias_corrected = bias + shift
                                                         y = Add(conv, bias_corrected)

    The shift is sum_{c,k} f_k * (W - W_q)[o, c, k] * E[x_c], with the coverage f_k of `coverage.py`; x is the layer's
    float input. A layer without a bias gets one. Unlike the published form, this pass does not run the layer, and does
    not count border effects as errors. A shift is not compared with the bias, but tested on samples that it was not
    computed from (see `bias_cross_validation`).
    """

    name: ClassVar[str] = "correct-biases-fast"
    hides_rounding: ClassVar[bool] = True
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET, Fact.MEASURED, Fact.PLANNED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.BIASES_CORRECTED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        """The mean of each channel of the layers' inputs, and the input sizes of layers with padding."""
        wanted: set[Request] = set()
        for site in context.plan.sites:
            for port in site.consumers if site.is_weights else ():
                if port.node.type in WEIGHTED_TYPES and not multiplies_batches(port.node):
                    wanted |= _requests(port.node)
        return frozenset(wanted)

    def why_all(self, graph: Graph, context: Context) -> str:
        """Nothing: means of n samples are wrong by 1/n of their variance, 0.13 dB of the rounding error for n = 32."""
        return ""

    def run(self, graph: Graph, context: Context) -> int:
        """Corrects every layer once; layers corrected before are left alone."""
        changed = 0
        batched, unmeasured = list[str](), list[str]()
        for node in [node for each in graph.walk() for node in each.nodes(*WEIGHTED_TYPES)]:
            weights = node.source(WEIGHTS_PORT).node
            if not are_rounded(weights) or node in context.corrections:
                continue
            if multiplies_batches(node):
                batched.append(context.plan.names.get(node, node.name))
                continue
            if not _is_measured(node, context.statistics):
                unmeasured.append(context.plan.names.get(node, node.name))
                continue
            context.corrections[node], shift = _correction(node, weights, context)
            if context.corrections[node].largest > 0 and context.corrections[node].is_accepted:
                change_bias(node, shift)
                changed += 1
        if batched:
            context.warnings.append(Note(_said(batched, "each of its weight matrices needs means of its own")))
        if unmeasured:
            context.warnings.append(_said(unmeasured, "the mean of its input was not measured"))
        return changed


def _said(names: Sequence[str], reason: str) -> str:
    if len(names) == 1:
        return f"the bias of '{names[0]}' is not corrected: {reason}"
    return f"the biases of {len(names)} layers (for example '{names[0]}') are not corrected: {reason}"


def _is_measured(node: Node, statistics: Statistics) -> bool:
    return all(each in statistics for each in _requests(node))


def are_rounded(weights: Node) -> bool:
    """Whether a FakeQuantize stands over constant weights, or over a constant second operand of a product."""
    return weights.type == "FakeQuantize" and weights.source().node.type == "Const"


def _requests(node: Node) -> set[Request]:
    data = node.source(DATA_PORT)
    wanted = {request(data, Reduction.MEAN, data_channel_axis(node))}
    if _sizes_are_measured(node):
        wanted |= {request(tensor, Reduction.SHAPE) for tensor in _sized(node)}
    return wanted


def _sizes_are_measured(node: Node) -> bool:
    return needs_sizes(node) and DYNAMIC in (*node.source(DATA_PORT).shape[2:], *node.output().shape[2:])


def _sized(node: Node) -> list[OutPort]:
    """The tensors whose sizes decide the coverage."""
    return [node.source(DATA_PORT)] if sizes_follow(node) else [node.source(DATA_PORT), node.output()]


def _correction(node: Node, weights: Node, context: Context) -> tuple[Correction, Floats]:
    """What is known of the correction of a layer's bias, and the correction itself."""
    statistics = context.statistics
    means = statistics[request(node.source(DATA_PORT), Reduction.MEAN, data_channel_axis(node))]
    coverage = _coverage(node, weights, statistics)
    return context.calibration.known.once(
        _corrected, RoundedWeights.behind(weights), weight_axes(node), means, coverage
    )


def _corrected(
    rounded: "RoundedWeights", axes: WeightAxes, means: Floats, coverage: Floats
) -> tuple[Correction, Floats]:
    """The loss of mean output by rounded weights, judged and averaged over the observations."""
    lost = rounded.weights.array.astype(np.float32).astype(np.float64) - rounded.values()
    errors = mean_output(axes, lost, means.astype(np.float64), coverage)
    return judged(errors), np.asarray(errors.mean(axis=0))


@dataclass(frozen=True)
class RoundedWeights:
    """Constant weights and the range that a FakeQuantize rounds them to.

    Attributes:
        weights: The constant.
        low: The constant of the lower limits.
        high: That of the upper ones.
        levels: The levels.
    """

    weights: Node
    low: Node
    high: Node
    levels: int

    @classmethod
    def behind(cls, node: Node) -> "RoundedWeights":
        """The weights behind a FakeQuantize."""
        weights, low, high = (node.source(index).node for index in range(3))
        return cls(weights, low, high, int(node.attributes["levels"]))

    def values(self) -> Floats:
        """The rounded weights, as the layer reads them."""
        values, low, high = (each.array.astype(np.float32) for each in (self.weights, self.low, self.high))
        return fake_quantize(values, Range(low, high), self.levels)


def _coverage(node: Node, weights: Node, statistics: Statistics) -> Floats:
    kernel = kernel_sizes(node, weights.source().node.array)
    if not needs_sizes(node):
        return np.ones(kernel)
    if _sizes_are_measured(node):
        shapes = [statistics[request(tensor, Reduction.SHAPE)] for tensor in _sized(node)]
    else:
        shapes = [np.array([tensor.shape]) for tensor in _sized(node)]
    both = np.concatenate([shape[:, 2:] for shape in shapes], axis=1)
    sizes, counts = np.unique(both, axis=0, return_counts=True)
    rank = len(kernel)
    each = [
        tap_coverage(node, kernel, size[:rank], size[rank:] if len(size) > rank else output_sizes(node, kernel, size))
        for size in sizes
    ]
    return np.average(each, axis=0, weights=counts)


def mean_output(axes: WeightAxes, weights: Floats, means: Floats, coverage: Floats) -> Floats:
    """The mean output of each channel of a layer with these weights, no bias, and inputs of these means.

    Args:
        axes: The axes of its weights; without spatial ones, it is a matrix product.
        weights: The weights, in the layer's own layout.
        means: E[x_c]: [observations, input channels].
        coverage: f_k, with the kernel's spatial shape.

    Returns:
        [observations, output channels].
    """
    if axes.spatial is None:
        matrix: Floats = np.moveaxis(weights, axes.inputs, -1)
        return means @ matrix.reshape(matrix.shape[-2:]).T
    taps: Floats = (weights * coverage).reshape(*weights.shape[: axes.spatial], -1).sum(axis=-1)
    rows = np.moveaxis(taps, axes.inputs, -1)  # [O, I] or [G, O, I]
    grouped = rows.reshape(-1, *rows.shape[-2:])
    by_group = means.reshape(len(means), grouped.shape[0], -1)
    result: Floats = np.einsum("goi,ngi->ngo", grouped, by_group)
    return result.reshape(len(means), -1)
