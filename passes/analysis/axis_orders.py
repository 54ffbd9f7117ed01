"""Orders of axes, as a Transpose takes them: the order (0, 2, 3, 1) makes NHWC of NCHW."""

import math
from collections.abc import Sequence

Order = tuple[int, ...]


def inverse(order: Order) -> Order:
    """The order that undoes another one."""
    return tuple(sorted(range(len(order)), key=order.__getitem__))


def composed(first: Order, second: Order) -> Order:
    """The order of two Transposes one after the other."""
    return tuple(first[axis] for axis in second)


def permuted(shape: Sequence[int], order: Order) -> tuple[int, ...]:
    """The shape of a transposed tensor."""
    return tuple(shape[axis] for axis in order)


def is_same(order: Order) -> bool:
    """Whether a Transpose with that order changes nothing."""
    return order == tuple(sorted(order))


def moved_elements(shape: Sequence[int], order: Order) -> int:
    """How many elements a Transpose copies: none if only axes of size 1 change places, as in a Reshape.

    A dynamic size counts as 1.
    """
    kept = [axis for axis in order if shape[axis] != 1]
    return 0 if kept == sorted(kept) else abs(math.prod(shape))
