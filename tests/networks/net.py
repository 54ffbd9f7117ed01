"""The network that is being drawn: what it has so far, and how a block finds what it can work on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
import openvino as ov
import openvino.opset13 as op

Array = np.ndarray[Any, np.dtype[Any]]
#: An output of a node of the runtime, whose stubs say little.
Tensor: TypeAlias = Any
_Item = TypeVar("_Item")

#: How much louder the loudest channels of a layer are than the middle one: as in networks with batch normalization.
SPREAD = 0.5


class NoTensorError(Exception):
    """The network has no tensor that the block can work on."""


class Chance:
    """Random draws by one seed."""

    def __init__(self, *seed: int) -> None:
        self.numbers = np.random.default_rng(seed)

    def maybe(self, share: float) -> bool:
        """True in that share of the draws."""
        return bool(self.numbers.random() < share)

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.numbers.integers(low, high + 1))

    def one(self, items: Sequence[_Item]) -> _Item:
        """One of the items."""
        return items[int(self.numbers.integers(len(items)))]


@dataclass(frozen=True)
class Input:
    """An input of the network.

    Attributes:
        node: The Parameter.
        axes: Its dimensions: a number, or the name of a size that all inputs share, like "batch".
        values: Draws an array of a shape.
    """

    node: Tensor
    axes: tuple[int | str, ...]
    values: Callable[[Chance, tuple[int, ...]], Array]


@dataclass
class Net:
    """What a network has so far.

    Attributes:
        sizes: What the named dimensions are while the network is built.
        dtype: The element type of its floats.
        stored: The element type that its weights are stored in.
        chance: The draws of the block that is being added.
        tensors: What later blocks may read.
        inputs: The network's inputs.
        sinks: Assign operations.
        loose: Tensors that become outputs whether or not a block reads them.
        tied: Weights that a later layer of the same shape may use again.
    """

    sizes: dict[str, int]
    dtype: Any = np.float32
    stored: str = "f32"
    chance: Chance = field(default_factory=lambda: Chance(0))
    tensors: list[Tensor] = field(default_factory=list[Tensor])
    inputs: list[Input] = field(default_factory=list[Input])
    sinks: list[Tensor] = field(default_factory=list[Tensor])
    loose: list[Tensor] = field(default_factory=list[Tensor])
    tied: dict[tuple[int, ...], Tensor] = field(default_factory=dict[tuple[int, ...], Tensor])

    # ------------------------------------------------------------------------------------------ what there is

    def pick(self, fits: Callable[[Tensor], bool]) -> Tensor:
        """A tensor that fits: mostly the newest, sometimes an older one.

        Raises:
            NoTensorError: there is none.
        """
        found = [each for each in self.tensors if fits(each)]
        if not found:
            raise NoTensorError
        back = 0
        while back + 1 < len(found) and self.chance.maybe(0.25):
            back += 1
        return found[-1 - back]

    def floats(self, *ranks: int) -> Tensor:
        """A float tensor of one of the ranks."""
        return self.pick(lambda each: is_float(each) and rank(each) in ranks and small(each))

    def image(self) -> Tensor:
        """One of shape [N, C, H, W]."""
        return self.floats(4)

    def tokens(self) -> Tensor:
        """One of shape [N, T, D]."""
        return self.floats(3)

    def alike(self, tensor: Tensor) -> Tensor:
        """Another tensor of the same shape, or the same one."""
        return self.pick(lambda each: is_float(each) and shape(each) == shape(tensor))

    # ------------------------------------------------------------------------------------------ constants

    def constant(self, values: Any) -> Tensor:
        """A constant of the network's floats, exactly."""
        return op.constant(np.asarray(values, self.dtype)).output(0)

    def saved(self, values: Array) -> Tensor:
        """A constant that is stored as the network stores its weights."""
        floats = np.asarray(values, np.float32)
        if self.stored == "f32" or self.dtype != np.float32:
            return self.constant(floats)
        kept = op.constant(floats, dtype=ov.Type.bf16 if self.stored == "bf16" else ov.Type.f16)
        return op.convert(kept, "f32").output(0)

    def weights(self, *dims: int, fan_in: int, channels: int = 0) -> Tensor:
        """Weights that keep the power of the signal (He), with channels of unlike loudness along an axis."""
        if self.chance.maybe(0.1) and (dims in self.tied):
            return self.tied[dims]
        numbers = self.chance.numbers
        spread = np.exp(numbers.normal(scale=SPREAD, size=dims[channels]))
        drawn = numbers.normal(size=dims) * np.sqrt(1.5 / fan_in)
        drawn *= spread.reshape([-1 if axis == channels % len(dims) else 1 for axis in range(len(dims))])
        found = self.saved(drawn)
        self.tied[dims] = found
        return found

    def small_numbers(self, *dims: int) -> Tensor:
        """Biases, shifts."""
        return self.saved(self.chance.numbers.normal(scale=0.2, size=dims))

    def about_one(self, *dims: int) -> Tensor:
        """Scales."""
        return self.saved(np.exp(self.chance.numbers.normal(scale=0.3, size=dims)))

    def integers(self, *values: int) -> Tensor:
        """Integers as the two exporters store them."""
        return op.constant(np.asarray(values, self.chance.one([np.int64, np.int32]))).output(0)


def integers(*values: int) -> Tensor:
    """Integers in a constant."""
    return op.constant(np.asarray(values, np.int64)).output(0)


def scalar(value: int) -> Tensor:
    """An integer of rank 0."""
    return op.constant(np.asarray(value, np.int64)).output(0)


def is_float(tensor: Tensor) -> bool:
    """Whether its elements are floats."""
    return bool(tensor.get_element_type().is_real())


def rank(tensor: Tensor) -> int:
    """How many dimensions it has; networks are built with static ones."""
    return int(tensor.get_partial_shape().rank.get_length())


def shape(tensor: Tensor) -> tuple[int, ...]:
    """Its dimensions; -1 where it depends on values."""
    return tuple(int(each.get_length()) if each.is_static else -1 for each in tensor.get_partial_shape())


def small(tensor: Tensor) -> bool:
    """Whether it holds so few numbers that a test may work on it, and some."""
    dims = shape(tensor)
    return -1 not in dims and 0 < int(np.prod(dims)) <= 6000


def outputs(node: Tensor) -> list[Tensor]:
    """The outputs of a node."""
    return list(node.outputs()) if hasattr(node, "outputs") else [node]
