"""Statistics: the measurements that passes request, and the resulting numbers.

A request is a value; equal requests are one measurement. Numbers are kept for each observation (a sample, an image of a
batch), so that any aggregation can be applied at the end, and results do not depend on order, streams, batches or
machines.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from ...ir import Graph, Node, OutPort, Scope

Numbers = np.ndarray[Any, np.dtype[np.float32]]
#: The minimum of an empty tensor in the runtime and, negated, its maximum.
OF_NOTHING = float(np.finfo(np.float32).max)


class Reduction(StrEnum):
    """A statistic of a tensor.

    Attributes:
        MIN: The lowest value.
        MAX: The highest value.
        ABS_MAX: The highest absolute value.
        MEAN: The mean.
        MEAN_SQUARE: The mean of the squares.
        QUANTILE: The value at a level from 0 to 1.
        ABS_QUANTILE: The absolute value at a level from 0 to 1.
        SHAPE: The size of each dimension.
        SAMPLE: Some of the elements, spread evenly (see `sampling`).
    """

    MIN = "min"
    MAX = "max"
    ABS_MAX = "abs_max"
    MEAN = "mean"
    MEAN_SQUARE = "mean_square"
    QUANTILE = "quantile"
    ABS_QUANTILE = "abs_quantile"
    SHAPE = "shape"
    SAMPLE = "sample"


#: The reductions that need a level.
QUANTILES = (Reduction.QUANTILE, Reduction.ABS_QUANTILE)


@dataclass(frozen=True)
class Request:
    """A request for one number, or one per channel, for each observation of one tensor of the measured graph.

    Attributes:
        node: The id of the node that produces the tensor there.
        port: The number of the node's output.
        reduction: The statistic.
        channel_axis: The axis that is kept (not negative), or None for one number per tensor. SHAPE gives one number
            per dimension. For SAMPLE, it is the axis whose positions are known (see `sampling`).
        level: The level of a quantile, between 0 and 1, with linear interpolation as in numpy.
        scope: The body that the node is in.
    """

    node: int
    port: int
    reduction: Reduction
    channel_axis: int | None = None
    level: float | None = None
    scope: Scope = ()

    @property
    def place(self) -> tuple[Scope, int, int, str, int, float]:
        """A key for sorting, close to the order of the tensors in the file."""
        axis = -1 if self.channel_axis is None else self.channel_axis
        return self.scope, self.node, self.port, self.reduction, axis, self.level or 0.0

    def tensor(self, model: Graph) -> OutPort:
        """The tensor in the model that the request belongs to."""
        return Node(model.body_at(self.scope), self.node).output(self.port)

    def of(self, reduction: Reduction) -> "Request":
        """The same request with another reduction that is not a quantile."""
        return replace(self, reduction=reduction, level=None)


def request(
    tensor: OutPort, reduction: Reduction, channel_axis: int | None = None, level: float | None = None
) -> Request:
    """A request for a statistic of `tensor`; a negative axis counts from the end.

    After the measurement, the request is for the measured tensor that this one stands for (`OutPort.origin`): passes in
    between may have rounded or corrected it.

    Raises:
        ValueError: a quantile without a level, or another reduction with one.
    """
    if (level is None) == (reduction in QUANTILES) or not 0 <= (level or 0) <= 1:
        message = f"{reduction} with level {level}: quantiles have a level from 0 to 1, other reductions none"
        raise ValueError(message)
    axis = None if channel_axis is None else channel_axis % len(tensor.shape)
    node, port = tensor.origin
    return Request(node, port, reduction, axis, level, tensor.node.graph.scope)


class Store(Protocol):
    """The storage of measured numbers: memory or a file."""

    def __getitem__(self, wanted: Request, /) -> Numbers:
        """The numbers [observations, size of the statistic]."""
        ...

    def __contains__(self, wanted: object, /) -> bool:
        """Whether exactly this request was measured."""
        ...

    def __iter__(self) -> Iterator[Request]:
        """The measured requests."""
        ...


@dataclass(frozen=True)
class Derivation:
    """A way to derive a statistic from others.

    Attributes:
        of: The other statistics.
        how: Computes the requested numbers from theirs, [observations, size] each.
        cheaper: Whether measuring the others costs less, even if they are not requested themselves.
    """

    of: tuple[Request, ...]
    how: Callable[[Sequence[Numbers]], Numbers]
    cheaper: bool = False


#: Gives the ways to derive a statistic from others, best first.
Derive = Callable[[Request], Iterable[Derivation]]


@dataclass(frozen=True)
class Statistics:
    """The measured statistics.

    Attributes:
        measured: The measured numbers.
        recipes: The derivations of others from these, or from one another.
        samples: The number of samples.
        unseen: Bodies that never ran: their tensors have no statistics.
    """

    measured: Store = field(default_factory=dict[Request, Numbers])
    recipes: Mapping[Request, Derivation] = field(default_factory=dict[Request, Derivation])
    samples: int = 0
    unseen: frozenset[Scope] = frozenset()

    def __contains__(self, wanted: Request) -> bool:
        """Whether some pass requested it before the calibration."""
        return wanted in self.measured or wanted in self.recipes

    def __getitem__(self, wanted: Request) -> Numbers:
        """The numbers [observations, size] of a request that some pass made before the calibration."""
        if wanted in self.measured:
            return self.measured[wanted]
        recipe = self.recipes[wanted]
        return recipe.how([self[each] for each in recipe.of])


def to_measure(wanted: Iterable[Request], derive: Derive) -> tuple[Request, ...]:
    """The requests that must be measured, in a fixed order: all others follow from them."""
    needed: set[Request] = set()
    waiting = list(wanted)
    while waiting:
        each = waiting.pop()
        cheaper = next((derivation for derivation in derive(each) if derivation.cheaper), None)
        if cheaper:
            waiting += cheaper.of
        else:
            needed.add(each)
    for each in sorted(needed, key=lambda it: it.place):
        if find_recipes([each], needed - {each}, derive):
            needed.remove(each)
    return tuple(sorted(needed, key=lambda each: each.place))


def find_recipes(
    wanted: Iterable[Request], known: Collection[Request], derive: Derive
) -> dict[Request, Derivation] | None:
    """The steps that derive all wanted requests from known ones; None if a request does not follow."""
    recipes: dict[Request, Derivation] = {}
    for each in wanted:
        if each in known:
            continue
        for derivation in derive(each):
            if (steps := find_recipes(derivation.of, known, derive)) is not None:
                recipes |= {**steps, each: derivation}
                break
        else:
            return None
    return recipes
