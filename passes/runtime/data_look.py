"""What the samples of a run look like: ranges of values, and how many are constant or copies of others."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from ...ir import Array
from ...ir.listing import number_of
from .colour_look import ColourLook, is_colour
from .samples import Feed, ModelInput


@runtime_checkable
class Described(Protocol):
    """Data that say what they are."""

    @property
    def description(self) -> str:
        """What the samples are and how they are prepared, in a few words after their number."""
        ...

    @property
    def doubts(self) -> Sequence[str]:
        """What looks wrong about the source."""
        ...


@runtime_checkable
class FromFiles(Protocol):
    """Data from files that the command line names."""

    @property
    def sample_files(self) -> Sequence[Path]:
        """The files, in their order."""
        ...


@dataclass
class InputLook:
    """The values of an input in all samples.

    Attributes:
        low: The lowest value.
        high: The highest value.
        squares: The sum of the mean squares of the samples, for 32-bit floats.
        samples: The number of samples that are not empty.
        colours: The samples as colour images, if they may be such.
    """

    low: float = np.inf
    high: float = -np.inf
    squares: float = 0.0
    samples: int = 0
    colours: ColourLook = field(default_factory=ColourLook)

    def add(self, array: Array) -> None:
        """Takes the values of a sample; it may be empty."""
        if not array.size:
            return
        low, high = float(array.min()), float(array.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        if array.dtype == np.float32:  # in this type, the product is several times faster
            with np.errstate(over="ignore", invalid="ignore"):  # masks of infinities
                self.squares += float(np.dot(array.ravel(), array.ravel())) / array.size
        if is_colour(array):
            self.colours.add(array, max(-low, high))
        self.samples += 1

    @property
    def range(self) -> str:
        """The range for people."""
        return f"{self.low:.4g} to {self.high:.4g}" if self.samples else "empty"

    @property
    def peak(self) -> float:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))

    @property
    def size(self) -> float:
        """The root of the mean square; 0 without samples."""
        return float(np.sqrt(self.squares / max(self.samples, 1)))


@dataclass
class DataLook:
    """What the samples look like.

    Attributes:
        inputs: The values of each input.
        samples: The number of samples.
        constant: The number of samples whose arrays each hold one value only.
        digests: The checksums of different samples.
        continued: The number of samples that are steps behind others of their sequence.
        parts: Which parts of the items they are; empty: the items hold nothing else.
        told: What is doubtful about how they were read.
    """

    inputs: dict[str, InputLook] = field(default_factory=dict[str, InputLook])
    samples: int = 0
    constant: int = 0
    digests: set[tuple[int, ...]] = field(default_factory=set[tuple[int, ...]])
    continued: int = 0
    parts: str = ""
    told: list[str] = field(default_factory=list[str])

    def add(self, feed: Feed, *, continues: bool = False) -> list[int]:
        """Takes a sample.

        Args:
            feed: Its arrays.
            continues: Whether it is a step behind others of its sequence.

        Returns:
            The checksum of each array.
        """
        self.continued += continues
        for name, array in feed.items():
            self.inputs.setdefault(name, InputLook()).add(array)
        self.samples += 1
        checksums = [_checksum(array) for array in feed.values()]
        both = zip(feed.values(), checksums, strict=True)
        self.digests.add(tuple(part for array, checksum in both for part in (*array.shape, checksum)))
        self.constant += any(array.size > 1 for array in feed.values()) and all(map(_is_constant, feed.values()))
        return checksums

    @property
    def copies(self) -> int:
        """The number of samples that are equal to an earlier one."""
        return self.samples - len(self.digests)


def fed_line(look: DataLook, data: object, inputs: Sequence[ModelInput]) -> str:
    """What a run feeds, in one line without paths; empty if there were no samples.

    Args:
        look: The samples.
        data: Their source, which may be `Described`.
        inputs: The inputs of the model.
    """
    if not look.samples:
        return ""
    fed = f"{look.samples} {data.description}" if isinstance(data, Described) else number_of(look.samples, "samples")
    if look.continued:
        fed = f"{number_of(look.samples, 'steps')} of {number_of(look.samples - look.continued, 'sequences')}"
    parts = f" ({look.parts})" if look.parts else ""
    ranges = ", ".join(f"{each} {seen.range}" for each in inputs if (seen := look.inputs.get(each.name)))
    return f"{fed}{parts}; {ranges}"


def _checksum(array: Array) -> int:
    """A checksum of the values: fast, and good enough for a warning about copies."""
    return zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data) if array.size else 0


def _is_constant(array: Array) -> bool:
    """Whether all values are equal; most arrays differ at their first values already."""
    some = array.ravel()
    return not some.size or bool((some[:64] == some[0]).all() and (some == some[0]).all())
