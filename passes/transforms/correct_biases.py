"""Corrects biases for all changes of a layer's mean output, one layer after the other, in two short runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import DYNAMIC, Array, Builder, Graph, Node, OutPort
from ...ir.ops import RECURRENT_TYPES, WEIGHTED_TYPES, WEIGHTS_PORT, bias_port, output_channel_axis
from ..analysis.bias_cross_validation import judged
from ..analysis.biases import change_bias
from ..analysis.ranges import Floats
from ..infra.base import Context, Fact, Pass
from ..options.config_error import ConfigError
from ..runtime.core import RuntimeRejectedError
from ..runtime.engine import Engine
from ..runtime.modes import EMULATION, THROUGHPUT
from ..runtime.samples import PreparedSample
from ..runtime.sequences import fed_otherwise, with_steps_before
from ..runtime.taps import mean_of_first
from .correct_biases_fast import RoundedWeights, are_rounded

_NAME = "irquant/bias"


@dataclass(frozen=True)
class CorrectBiases(Pass):
    """Adds E[float output] - E[quantized output] to the bias of each layer (the published BiasCorrection).

    The quantized output is that of the layer behind corrected ones, so that no error is counted twice. The published
    form cuts the model at every layer and compiles each part. Here the model corrects itself while it runs: behind each
    layer it subtracts the mean of its own output and adds the float model's mean for the same sample,

        y = q + c_s,  c_s = mean(float output of sample s) - mean(q),

    and the layers behind see y. The correction of the bias is the mean of c_s over the samples. This takes one run of
    the float model for the means and one of the quantized model, with one compilation each for any number of layers.
    The deviation of c_s from its mean averages to zero, so that it changes the means behind it in the second order
    only.

    It uses a fifth of the calibration samples, as published, or 16 if that is more. Samples that a correction was not
    computed from show whether it helps (see `bias_cross_validation`); with a single sample, nothing is corrected.
    `correct-biases-fast` corrects layers in bodies. If the runtime refuses the model with the outputs that measure, no
    bias is changed, and a warning says so. Selections at the outputs are left out: they take long to compile.
    """

    name: ClassVar[str] = "correct-biases"
    hides_rounding: ClassVar[bool] = True
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET, Fact.PLANNED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.BIASES_CORRECTED})

    def run(self, graph: Graph, context: Context) -> int:
        """Corrects every layer once.

        Raises:
            ConfigError: there are no samples to run the model on.
        """
        layers = [node for node in graph.nodes(*WEIGHTED_TYPES) if _is_correctable(node, context)]
        if not layers:
            return 0
        if not context.kept:
            message = "sequential bias correction runs the model: also give the calibration data"
            raise ConfigError(message)
        samples = with_steps_before(context.kept.values())
        try:
            means = _float_means(graph, layers, samples, context)
            errors = _errors(graph, layers, samples, means, context)
        except RuntimeRejectedError as error:  # it runs the model itself
            context.warnings.append(f"biases are not corrected sequentially: with outputs that measure them, {error}")
            return 0
        changed = 0
        for node, found in zip(layers, errors, strict=True):
            context.corrections[node] = correction = judged(found, believes_one=False)
            if correction.is_accepted:
                change_bias(node, found.mean(axis=0))
                changed += 1
        return changed


def _is_correctable(node: Node, context: Context) -> bool:
    weights = node.source(WEIGHTS_PORT).node
    is_chosen = are_rounded(weights) or (context.config.correct_float_layers and weights.type == "Const")
    shape = node.output().shape
    return is_chosen and bool(shape) and shape[output_channel_axis(node)] != DYNAMIC and node not in context.corrections


def _results(graph: Graph, layers: Sequence[Node]) -> list[OutPort]:
    """The outputs of the layers, with biases, in a copy of their graph."""
    twins = [Node(graph, layer.id) for layer in layers]
    return [port.node.output() if (port := bias_port(node)) else node.output() for node in twins]


def _float_means(
    graph: Graph, layers: Sequence[Node], samples: Sequence[PreparedSample], context: Context
) -> list[list[Array]]:
    """For each sample, the mean of each output channel of each layer of the float model."""
    copy = graph.copy()
    ours = {site.name for site in context.plan.sites}
    for each in copy.walk():
        for node in [node for node in each.nodes("FakeQuantize") if node.name in ours]:
            node.replace_with(node.source())
    build = Builder(copy, copy.in_file_order("Result")[0])
    for layer, result in zip(layers, _results(copy, layers), strict=True):
        build.result(_mean(result, output_channel_axis(layer)), name=_NAME)
    context.outputs.leave_out(copy)
    return _run(Engine(copy, THROUGHPUT), samples, len(layers), context)


def _errors(
    graph: Graph,
    layers: Sequence[Node],
    samples: Sequence[PreparedSample],
    means: Sequence[list[Array]],
    context: Context,
) -> list[Floats]:
    """The difference to the float means behind each layer of the self-correcting model: [samples, channels]."""
    copy = graph.copy()
    _round_here(copy)
    build = Builder(copy, copy.in_file_order("Result")[0])
    wanted = [f"{_NAME}/wanted/{index}" for index in range(len(layers))]
    for name, layer, result in zip(wanted, layers, _results(copy, layers), strict=True):
        build.result(_correct_itself(result, output_channel_axis(layer), name), name=_NAME)
    context.outputs.leave_out(copy)
    given = {id(each.feed): dict(zip(wanted, mean, strict=True)) for each, mean in zip(samples, means, strict=True)}
    fed = fed_otherwise(samples, lambda feed: feed | given[id(feed)])
    found = _run(Engine(copy, EMULATION), fed, len(layers), context)
    return [np.array([each[index].ravel() for each in found], np.float64) for index in range(len(layers))]


def _round_here(graph: Graph) -> None:
    """Rounds constants in Python if the plugin accepts no FakeQuantize over them.

    These are matrices with more than two axes and scales along their last axis alone, and weights of recurrent layers.
    """
    for node in [node for node in graph.nodes("FakeQuantize") if are_rounded(node) and _is_refused(node.output())]:
        kind = node.output().element_type.dtype
        rounded = graph.add_constant(
            f"{node.name}/rounded", RoundedWeights.behind(node).values().astype(kind), near=node
        )
        node.replace_with(rounded.output())


def _is_refused(tensor: OutPort) -> bool:
    reader = tensor.consumers[0].node.type
    return reader in RECURRENT_TYPES or (reader == "MatMul" and len(tensor.shape) > 2)


def _correct_itself(result: OutPort, axis: int, wanted: str) -> OutPort:
    """Corrects a tensor to the mean that the model gets as an input; returns the correction."""
    build, readers = Builder(result.node.graph), result.consumers
    mean = _mean(result, axis)
    given = build.parameter(mean.element_type, mean.shape, name=wanted)
    error = build.subtract(given, mean, name=f"{_NAME}/error")
    result.redirect(build.add(result, error, name=f"{_NAME}/corrected"), only=readers)
    return error


def _mean(tensor: OutPort, axis: int) -> OutPort:
    """The mean of each channel over all other axes, which are kept with size 1, but perhaps for the first one."""
    rank, build = len(tensor.shape), Builder(tensor.node.graph)
    others = tuple(each for each in range(rank) if each != axis % rank)
    rest, others = mean_of_first(tensor, others, build, keep_dims=True, name=f"{_NAME}/first")
    return build.reduce("ReduceMean", rest, others, keep_dims=True, name=f"{_NAME}/mean")


def _run(engine: Engine, samples: Sequence[PreparedSample], count: int, context: Context) -> list[list[Array]]:
    """The first `count` outputs for each sample."""
    found: list[list[Array]] = []

    def take(_: PreparedSample, outputs: list[Array]) -> None:
        found.append([output.copy() for output in outputs[:count]])
        context.progress("correcting biases", len(found), len(samples))

    engine.run(samples, take)
    return found
