"""The inputs of a run: no pass changes them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ...ir import Scope
from ...targets import Target
from ..options.config import QuantizationConfig
from .progress import Progress, no_progress


@dataclass(frozen=True, eq=False, match_args=False)
class RunInputs:
    """The inputs of a run besides the graph.

    Attributes:
        target: The device.
        config: The user's options.
        samples: The calibration data: see `quantize`; iterated once. None: there are none.
        progress: Called during long work.
        expected: The number of samples, if known.
        model_fingerprint: The fingerprint of the float model.
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
