"""How close a quantized model's outputs are to the float model's, in numbers and in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ...ir import Array
from .outputs import Output, OutputKind, Outputs


class Verdict(StrEnum):
    """What an agreement means for the model's task; docs/quality.md has the evidence."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


_WORDS = {
    Verdict.GOOD: "no loss of accuracy was seen at this level",
    Verdict.FAIR: "a small loss of accuracy is possible; measure it with your own data",
    Verdict.POOR: "a loss of accuracy is likely",
    Verdict.UNKNOWN: "the outputs cannot be compared: their sizes differ",
}


@dataclass(frozen=True)
class Levels:
    """What a signal-to-quantization-noise ratio means, in dB.

    Attributes:
        floor: Below it accuracy is lost.
        good: From it on none was lost.
    """

    floor: float
    good: float


_LEVELS = Levels(floor=10.0, good=20.0)
#: What is judged by its smallest differences: 38 dB cost a super-resolution net 0.3 dB of its 31 dB of PSNR.
_IMAGE_LEVELS = Levels(floor=38.0, good=43.0)
_LEVELS_OF: Mapping[OutputKind, Levels] = {OutputKind.IMAGE: _IMAGE_LEVELS}


@dataclass(frozen=True)
class Agreement:
    """How close an output is to the float model's, over all held-out samples together.

    Attributes:
        name: What messages call the output.
        kind: What it holds.
        sqnr: 10 log10(signal power / error power) in dB; infinite if equal, NaN if the sizes differ. Of detections, the
            worst of the tensors that they are selected by.
        cosine: Of the angle between the two outputs as vectors (the worst, too).
        top1: The share of decisions that stay the same: of the largest score along the last axis. None if the output
            holds no classes.
    """

    name: str
    kind: OutputKind
    sqnr: float
    cosine: float
    top1: float | None = None

    @property
    def levels(self) -> Levels:
        """What the ratio means for outputs of this kind."""
        return _LEVELS_OF.get(self.kind, _LEVELS)

    @property
    def margin(self) -> float:
        """How far the ratio lies above the floor, in dB; negative below it; infinite if nobody can tell."""
        return math.inf if math.isnan(self.sqnr) else self.sqnr - self.levels.floor

    @property
    def verdict(self) -> Verdict:
        """What that means."""
        if math.isnan(self.sqnr):
            return Verdict.UNKNOWN
        if self.sqnr >= self.levels.good:
            return Verdict.GOOD
        return Verdict.FAIR if self.sqnr >= self.levels.floor else Verdict.POOR


def agreements(
    outputs: Outputs, references: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]
) -> list[Agreement]:
    """How close the outputs of some samples are.

    Args:
        outputs: The model's outputs.
        references: For each sample, the tensors that the float model gives: outputs, then taps.
        found: The same of the quantized model.
    """
    return [_agreement(output, references, found) for output in outputs.each]


def _agreement(output: Output, references: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]) -> Agreement:
    pairs = [([each[k] for each in references], [each[k] for each in found]) for k in output.tensors]
    ratios, cosines = [sqnr(*pair) for pair in pairs], [cosine(*pair) for pair in pairs]
    is_compared = not any(map(math.isnan, ratios))
    top1 = same_decisions(*pairs[0]) if output.kind is OutputKind.CLASSES and is_compared else None
    worst = min(ratios) if is_compared else math.nan
    return Agreement(output.name, output.kind, worst, min(cosines) if is_compared else math.nan, top1)


def sqnr(references: Sequence[Array], outputs: Sequence[Array]) -> float:
    """Signal-to-quantization-noise ratio in dB over all samples together; NaN if their sizes differ."""
    if _differ(references, outputs):
        return math.nan
    signal = sum(float(np.square(each, dtype=np.float64).sum()) for each in references)
    noise = sum(
        float(np.square(one.astype(np.float64) - other).sum()) for one, other in zip(references, outputs, strict=True)
    )
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def cosine(references: Sequence[Array], outputs: Sequence[Array]) -> float:
    """The cosine of the angle between the outputs of all samples together; NaN if their sizes differ."""
    if _differ(references, outputs):
        return math.nan
    pairs = [(one.astype(np.float64), other.astype(np.float64)) for one, other in zip(references, outputs, strict=True)]
    product = sum(float((one * other).sum()) for one, other in pairs)
    lengths = [sum(float(np.square(pair[k]).sum()) for pair in pairs) for k in range(2)]
    if not all(lengths):
        return 1.0 if lengths[0] == lengths[1] else 0.0
    return product / math.sqrt(lengths[0] * lengths[1])


def same_decisions(references: Sequence[Array], outputs: Sequence[Array]) -> float:
    """The share of rows along the last axis whose largest element is at the same place."""
    same = [one.argmax(axis=-1) == other.argmax(axis=-1) for one, other in zip(references, outputs, strict=True)]
    return float(np.concatenate([each.ravel() for each in same]).mean())


def _differ(references: Sequence[Array], outputs: Sequence[Array]) -> bool:
    return any(one.shape != other.shape for one, other in zip(references, outputs, strict=True))
