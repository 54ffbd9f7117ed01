"""Finds random outputs: the float model gives different values for them each time, so that they cannot be compared."""

import numpy as np

from ...ir import Array, Graph
from ...ir.ops import is_standard
from ..runtime.engine import Engine
from ..runtime.samples import ValidationSample

_RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
#: Two runs of one model differ by the order of sums only, if at all: by a smaller share of the signal's power.
_ALIKE = 1e-6


def may_be_random(graph: Graph) -> bool:
    """Whether a model, bodies included, draws random numbers, or has unknown operations."""
    nodes = (node for each in graph.walk() for node in each.nodes())
    return any(node.type in _RANDOM or not is_standard(node) for node in nodes)


def random_tensors(engine: Engine, sample: ValidationSample) -> set[int]:
    """The numbers of the outputs that differ if the float model runs again, twice, on a sample.

    Twice, since a model that was just compiled draws the same numbers as it did when it was compiled before.

    Args:
        engine: The model, with all that is compared as outputs.
        sample: With what it gave before.
    """
    again = [[each.copy() for each in engine.outputs(sample)] for _ in range(2)]
    return {number for number, one in enumerate(sample.outputs) if any(_differ(one, each[number]) for each in again)}


def _differ(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype.kind != "f":
        return not np.array_equal(one, other)
    known = np.isfinite(one) & np.isfinite(other)
    noise, signal = (np.square(each[known].astype(np.float64)).sum() for each in (one - other, one))
    return bool(not np.array_equal(np.isfinite(one), np.isfinite(other)) or noise > _ALIKE * signal)
