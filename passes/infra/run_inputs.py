"""What a run is given: no pass changes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from ...ir import Scope
from ...targets import Target
from ..options.config import QuantizationConfig

#: Called with what is going on, how many steps are done, and how many there are (None: unknown).
Progress = Callable[[str, int, int | None], None]


def no_progress(task: str, done: int, total: int | None) -> None:
    """Shows nothing."""


@dataclass(frozen=True, eq=False, match_args=False)
class RunInputs:
    """What a run is given besides the graph.

    Attributes:
        target: The device.
        config: What the user wants.
        samples: The calibration data: see `quantize`; iterated once. None: there are none.
        progress: Told about long work.
        expected: How many samples there are, if that is known.
        model_fingerprint: Of the model as it came.
        also_for: Other targets and options whose statistics are to be measured, too.
        reverted_to_float: Operations that stay float, by body and id -> why.
    """

    target: Target
    config: QuantizationConfig = field(default_factory=QuantizationConfig)
    samples: Iterable[object] | None = ()
    progress: Progress = no_progress
    expected: int | None = None
    model_fingerprint: str = ""
    also_for: tuple[tuple[Target, QuantizationConfig], ...] = ()
    reverted_to_float: Mapping[tuple[Scope, int], str] = field(default_factory=dict[tuple[Scope, int], str])
