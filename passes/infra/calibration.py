"""The results of the calibration run: one value, the same for all options that are tried afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..analysis.known_numbers import KnownNumbers
from ..analysis.outputs import Outputs
from ..runtime.data_look import DataLook
from ..runtime.samples import PreparedSample, ValidationSample
from ..statistics.request import Statistics

#: The number of samples that check the device: its kernels are right, or wrong, for nearly all data.
PROBES = 2
#: The most such samples if an output has few numbers.
MOST_PROBES = 8


@dataclass(frozen=True)
class Sampling:
    """How many samples were measured, and why so many.

    Attributes:
        left: The number of samples that were not measured.
        why: Why the measurement ended, or why it did not end early; empty: the user names the number.
    """

    left: int = 0
    why: str = ""


@dataclass(frozen=True)
class Calibration:
    """The results of a pass that measures.

    Attributes:
        statistics: The numbers measured.
        outputs: The model's outputs with their kinds.
        held_out: The held-out samples with the float model's outputs (see `Outputs`).
        first: The first samples, in the same form, if none are held out.
        kept: Number -> calibration sample, for passes that run the model again, if the configuration needs them.
        data_fingerprint: The fingerprint of the samples.
        look: What the samples look like; empty if none were read.
        sampling: How many samples were measured, and why.
        fed: What was fed, in one line (see `fed_line`).
        have_advanced: Whether samples were sequences, so that states had other values than their first ones.
        known: The numbers that were computed from weights and statistics so far.
    """

    statistics: Statistics = field(default_factory=Statistics)
    outputs: Outputs = field(default_factory=Outputs)
    held_out: Sequence[ValidationSample] = ()
    first: Sequence[ValidationSample] = ()
    kept: Mapping[int, PreparedSample] = field(default_factory=dict[int, PreparedSample])
    data_fingerprint: str = ""
    look: DataLook = field(default_factory=DataLook)
    sampling: Sampling = field(default_factory=Sampling)
    fed: str = ""
    have_advanced: bool = False
    known: KnownNumbers = field(default_factory=KnownNumbers)

    @property
    def compared(self) -> Sequence[ValidationSample]:
        """The samples with the float model's outputs: the held-out ones, or else the first ones."""
        return self.held_out or self.first

    @property
    def probes(self) -> Sequence[ValidationSample]:
        """The samples on which the device may be checked."""
        return [*self.some(MOST_PROBES), *self.first][:MOST_PROBES]

    def some(self, most: int) -> Sequence[ValidationSample]:
        """A few held-out samples: the first ones, or steps of sequences at even distances.

        The first steps of a sequence begin with the first states, which say little.

        Args:
            most: How many at most.
        """
        total = len(self.held_out)
        if total <= most or not any(each.past for each in self.held_out):
            return self.held_out[:most]
        return [self.held_out[(2 * number + 1) * total // (2 * most)] for number in range(most)]
