"""Models whose first inferences are wrong on the CPU plugin, so that each sample has to run twice."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir import Array

#: Outputs of one sample that differ by more than this share of the largest number are not a matter of rounding.
_ROUNDING = 1e-3


def may_need_warm_up(model: Any) -> bool:
    """Whether a model has an If with outputs of dynamic sizes.

    In the inference in which its inputs are larger than ever before, the CPU plugin (2026.4) may lose such an output:
    if it runs the If, it resizes the memory of layers behind it, which may be the same memory. Its readers get garbage.
    Later inferences of these sizes are right, so that each sample runs twice. Loops have no such fault.
    """
    return any(
        (op.get_type_name() == "If" and any(each.get_partial_shape().is_dynamic for each in op.outputs()))
        or any(map(may_need_warm_up, _bodies(op)))
        for op in model.get_ops()
    )


def is_random(model: Any) -> bool:
    """Whether a model draws random numbers, so that no two inferences need be alike."""
    random = ("RandomUniform", "Multinomial")
    return any(op.get_type_name() in random or any(map(is_random, _bodies(op))) for op in model.get_ops())


def differ(first: Sequence[Array], second: Sequence[Array]) -> bool:
    """Whether the outputs of two inferences of one sample differ by more than rounding; outputs of floats count."""
    pairs = ((one, other) for one, other in zip(first, second, strict=True) if other.dtype.kind == "f")
    return any(one.shape != other.shape or _differ(one, other) for one, other in pairs)


def _differ(one: Array, other: Array) -> bool:
    known = np.isfinite(other)
    largest = float(np.abs(other[known]).max(initial=0.0))
    return not np.allclose(one[known], other[known], rtol=0, atol=_ROUNDING * largest)


def _bodies(op: Any) -> list[Any]:
    if op.get_type_name() == "If":
        return [op.get_function(0), op.get_function(1)]
    return [op.get_function()] if hasattr(op, "get_function") else []
