"""Statistics: what passes ask to have measured, and the numbers that come back.

A request is a value; equal requests are one measurement. Numbers are kept for each observation (a sample, a picture of
a batch), so that any aggregation can be applied at the end and nothing depends on order,
streams, batches or machines.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from ...ir import Graph, Node, OutPort, Scope

Numbers = np.ndarray[Any, np.dtype[np.float32]]
#: What the runtime gives as the minimum of no values at all and, negated, as their maximum.
OF_NOTHING = float(np.finfo(np.float32).max)


class Reduction(StrEnum):
    """What is taken of a tensor.

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


#: Those that need a level.
QUANTILES = (Reduction.QUANTILE, Reduction.ABS_QUANTILE)


@dataclass(frozen=True)
class Request:
    """One number, or one a channel, for every observation, at one tensor of the graph that is measured.

    Attributes:
        node: The id of the node that produces the tensor there.
        port: Which output of it.
        reduction: What is taken.
        channel_axis: The axis that is kept (not negative), or None for one number a tensor. The shape has one number
            a dimension. Of a sample of the elements, it is the axis whose places are to be known (see `sampling`).
        level: Of quantiles: between 0 and 1, by linear interpolation as numpy's.
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
        """For sorting: the order of the tensors in the file, more or less."""
        axis = -1 if self.channel_axis is None else self.channel_axis
        return self.scope, self.node, self.port, self.reduction, axis, self.level or 0.0

    def tensor(self, model: Graph) -> OutPort:
        """The tensor, in the model that the request speaks of."""
        return Node(model.body_at(self.scope), self.node).output(self.port)

    def of(self, reduction: Reduction) -> "Request":
        """The same with another reduction, not a quantile."""
        return replace(self, reduction=reduction, level=None)


def request(
    tensor: OutPort, reduction: Reduction, channel_axis: int | None = None, level: float | None = None
) -> Request:
    """A request for a statistic of `tensor`; a negative axis counts from the end.

    Once the graph was measured, it is a request for the statistic of the measured tensor that this one stands for
    (`OutPort.origin`): passes in between may have rounded or corrected it.

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
    """Where measured numbers are: in memory, in a file."""

    def __getitem__(self, wanted: Request, /) -> Numbers:
        """The numbers [observations, size of the statistic]."""
        ...

    def __contains__(self, wanted: object, /) -> bool:
        """Whether exactly this was measured."""
        ...

    def __iter__(self) -> Iterator[Request]:
        """What was measured."""
        ...


@dataclass(frozen=True)
class Derivation:
    """How a statistic follows from others.

    Attributes:
        of: The others.
        how: Makes of their numbers, [observations, size] each, those wanted.
        cheaper: Whether it costs less to measure the others, even if nobody else asks for them.
    """

    of: tuple[Request, ...]
    how: Callable[[Sequence[Numbers]], Numbers]
    cheaper: bool = False


#: The ways in which a statistic follows from others, best first.
Derive = Callable[[Request], Iterable[Derivation]]


@dataclass(frozen=True)
class Statistics:
    """The numbers measured.

    Attributes:
        measured: What was measured.
        recipes: How others follow from it, or from one another.
        samples: How many samples were seen.
        unseen: Bodies that never ran: nothing is known of their tensors.
    """

    measured: Store = field(default_factory=dict[Request, Numbers])
    recipes: Mapping[Request, Derivation] = field(default_factory=dict[Request, Derivation])
    samples: int = 0
    unseen: frozenset[Scope] = frozenset()

    def __contains__(self, wanted: Request) -> bool:
        """Whether some pass asked for it before the calibration."""
        return wanted in self.measured or wanted in self.recipes

    def __getitem__(self, wanted: Request) -> Numbers:
        """The numbers [observations, size] for a request that some pass made before the calibration."""
        if wanted in self.measured:
            return self.measured[wanted]
        recipe = self.recipes[wanted]
        return recipe.how([self[each] for each in recipe.of])


def to_measure(wanted: Iterable[Request], derive: Derive) -> tuple[Request, ...]:
    """What must be measured so that all is answered: without what follows from the rest, in a fixed order."""
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
    """How all that is wanted follows from what is known, step by step; None if something does not."""
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
