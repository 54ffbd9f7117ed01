"""What the run over the data left: one value, the same for all options that are tried afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..analysis.outputs import Outputs
from ..runtime.samples import PreparedSample, ValidationSample
from ..statistics.request import Statistics

#: How many samples tell whether the device computes a model right: its kernels do, or do not, for nearly all data.
PROBES = 2
#: And at most, where an output has few numbers.
MOST_PROBES = 8


@dataclass(frozen=True)
class Calibration:
    """What a pass that measures found out.

    Attributes:
        statistics: The numbers measured.
        outputs: What the model's outputs are.
        held_out: Samples that calibration did not see, with what the float model gives (see `Outputs`).
        first: The first samples, in the same form, if calibration saw all there are.
        kept: Number -> sample that it saw, for passes that run the model again, if the configuration needs them.
        data_fingerprint: Of the samples.
    """

    statistics: Statistics = field(default_factory=Statistics)
    outputs: Outputs = field(default_factory=Outputs)
    held_out: Sequence[ValidationSample] = ()
    first: Sequence[ValidationSample] = ()
    kept: Mapping[int, PreparedSample] = field(default_factory=dict[int, PreparedSample])
    data_fingerprint: str = ""

    @property
    def compared(self) -> Sequence[ValidationSample]:
        """The samples at hand with what the float model gives: those held out, or else the first ones."""
        return self.held_out or self.first

    @property
    def probes(self) -> Sequence[ValidationSample]:
        """The samples on which the device may be asked whether it computes a model right."""
        return [*self.held_out, *self.first][:MOST_PROBES]
