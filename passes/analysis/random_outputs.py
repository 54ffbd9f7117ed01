"""Finds random outputs: the float model gives different values in each run, so that they cannot be compared."""

import numpy as np

from ...ir import Array, Graph
from ...ir.ops import is_standard
from ..runtime.engine import Engine
from ..runtime.samples import ValidationSample

_RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
#: The share of the signal's power from which runs differ: runs of one model may differ by the order of sums only.
_ALIKE = 1e-6


def may_be_random(graph: Graph) -> bool:
    """Whether a model, bodies included, draws random numbers, or has unknown operations."""
    nodes = (node for each in graph.walk() for node in each.nodes())
    return any(node.type in _RANDOM or not is_standard(node) for node in nodes)


def random_tensors(engine: Engine, sample: ValidationSample) -> set[int]:
    """The numbers of the outputs that differ if the float model runs twice more on a sample.

    One run is not enough: a newly compiled model draws the same numbers as after an earlier compilation.

    Args:
        engine: The model, with all compared tensors as outputs.
        sample: The sample, with its earlier outputs.
    """
    again = [[each.copy() for each in engine.outputs(sample)] for _ in range(2)]
    return {number for number, one in enumerate(sample.outputs) if any(_differ(one, each[number]) for each in again)}


def _differ(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype.kind != "f":
        return not np.array_equal(one, other)
    known = np.isfinite(one) & np.isfinite(other)
    noise, signal = (np.square(each[known].astype(np.float64)).sum() for each in (one - other, one))
    return bool(not np.array_equal(np.isfinite(one), np.isfinite(other)) or noise > _ALIKE * signal)
