"""Proof of the result: what the runtime really executes in int8, and how close the outputs are to the float model's."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..ir import Array, Graph
from ..ir.ops import WEIGHTED_TYPES
from .base import PipelineError
from .runtime import INSPECTION, Engine, Executed, RuntimeRejectedError
from .samples import HeldOut

#: Layer types of the execution graph that do the arithmetic.
_COMPUTE = ("Convolution", "Deconvolution", "FullyConnected", "MatMul")
#: What the plugin appends to a layer's name when it rewrites it.
_SUFFIXES = ("_original", "/DequantizationMultiply")


@dataclass(frozen=True)
class Check:
    """What running the quantized model showed.

    Attributes:
        int8: Executed layers (convolutions, matrix products) that ran in int8.
        total: All such layers.
        floats: The names of weighted layers of the model that ran in float.
        sqnr: For each output, 10 log10(signal power / error power) in dB over the held-out samples; infinite if equal,
            NaN if the sizes differ. None if there were no held-out samples.
    """

    int8: int
    total: int
    floats: frozenset[str]
    sqnr: tuple[float, ...] | None

    @property
    def int8_share(self) -> float:
        """Share of the executed layers that ran in int8."""
        return self.int8 / self.total if self.total else 0.0


def check(graph: Graph, held_out: Sequence[HeldOut]) -> Check:
    """Compiles the quantized graph and runs it on the samples that calibration did not see."""
    try:
        engine = Engine(graph, INSPECTION)
    except RuntimeRejectedError as error:  # it took the float model: this is not the user's doing
        message = f"the quantized model does not compile: {error}"
        raise PipelineError(message) from error
    outputs: list[list[Array]] = []
    engine.run(
        ((each.sample, each.feed) for each in held_out),
        lambda _, arrays: outputs.append([array.copy() for array in arrays]),
    )
    layers = executed_layers(engine)
    return Check(
        int8=sum(layer.is_int8 for layer in layers),
        total=len(layers),
        floats=_weighted_among(graph, [layer for layer in layers if not layer.is_int8]),
        sqnr=_worst(outputs, [each.outputs for each in held_out]) if held_out else None,
    )


def executed_layers(engine: Engine) -> list[Executed]:
    """The convolutions and matrix products of the executed graph; for dynamic models, as of the last inference."""
    return [node for node in engine.execution() if node.type in _COMPUTE]


def _weighted_among(graph: Graph, executed: Iterable[Executed]) -> frozenset[str]:
    """The weighted layers of the model that stand behind executed nodes."""
    known = {node.name for node in graph.nodes(*WEIGHTED_TYPES)}
    return frozenset(name for layer in executed for name in map(_plain, (layer.name, *layer.fused)) if name in known)


def _plain(name: str) -> str:
    for suffix in _SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _worst(outputs: list[list[Array]], references: list[list[Array]]) -> tuple[float, ...]:
    return tuple(
        sqnr([each[index] for each in references], [each[index] for each in outputs])
        for index in range(len(references[0]))
    )


def sqnr(references: Sequence[Array], outputs: Sequence[Array]) -> float:
    """Signal-to-quantization-noise ratio in dB over all samples together."""
    if any(one.shape != other.shape for one, other in zip(references, outputs, strict=True)):
        return math.nan
    signal = sum(float(np.square(each, dtype=np.float64).sum()) for each in references)
    noise = sum(
        float(np.square(one.astype(np.float64) - other).sum()) for one, other in zip(references, outputs, strict=True)
    )
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
