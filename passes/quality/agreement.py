"""How close a quantized model's outputs are to the float model's, in numbers and in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ...ir import Array
from ..ranges import Floats
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
    def error(self) -> float:
        """The error power as a share of what the floor allows; 0 if nobody can tell."""
        return error_at(self.margin)

    @property
    def verdict(self) -> Verdict:
        """What that means."""
        if math.isnan(self.sqnr):
            return Verdict.UNKNOWN
        if self.sqnr >= self.levels.good:
            return Verdict.GOOD
        return Verdict.FAIR if self.sqnr >= self.levels.floor else Verdict.POOR


def error_at(margin: float) -> float:
    """The error power so many dB above the floor, as a share of what the floor allows; of a lost signal, huge."""
    return float(10 ** (-max(margin, -300.0) / 10))


@dataclass
class Tally:
    """Sums over the samples of two tensors, from which all ratios follow: no tensor is kept.

    Attributes:
        signal: Power of the reference.
        found: Power of the other.
        noise: Power of their difference.
        product: Of the two as vectors.
        same: Decisions that are the same: rows along the last axis whose largest element is at the same place.
        decisions: All of them.
        is_comparable: Whether they always had one shape.
        is_finite: Whether neither held NaN, or an infinity where the other had another value.
    """

    signal: float = 0.0
    found: float = 0.0
    noise: float = 0.0
    product: float = 0.0
    same: int = 0
    decisions: int = 0
    is_comparable: bool = True
    is_finite: bool = True

    def add(self, reference: Array, output: Array) -> None:
        """Takes in a sample."""
        if reference.shape != output.shape:
            self.is_comparable = False
            return
        one, other = _without_common_infinities(reference.astype(np.float64), output.astype(np.float64))
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            self.is_finite = False
            return
        self.signal += float(np.square(one).sum())
        self.found += float(np.square(other).sum())
        self.noise += float(np.square(one - other).sum())
        self.product += float((one * other).sum())
        if one.ndim and one.shape[-1]:
            is_same = one.argmax(axis=-1) == other.argmax(axis=-1)
            self.same += int(is_same.sum())
            self.decisions += is_same.size

    @property
    def sqnr(self) -> float:
        """Signal-to-quantization-noise ratio in dB over all samples together.

        NaN if their sizes differ; minus infinity if one holds NaN or an infinity that the other does not.
        """
        if not self.is_comparable:
            return math.nan
        if not self.is_finite:
            return -math.inf
        if self.noise == 0:
            return math.inf
        ratio = self.signal / self.noise
        return 10 * math.log10(ratio) if ratio > 0 else -math.inf

    @property
    def cosine(self) -> float:
        """The cosine of the angle between all samples together; NaN if their sizes differ."""
        if not self.is_comparable:
            return math.nan
        if not self.is_finite:
            return 0.0
        if not (self.signal and self.found):
            return 1.0 if self.signal == self.found else 0.0
        return self.product / math.sqrt(self.signal * self.found)

    @property
    def top1(self) -> float:
        """The share of decisions that stay the same; NaN if there are none, or the sizes differ."""
        return self.same / self.decisions if self.decisions and self.is_comparable else math.nan


def agreements(
    outputs: Outputs, references: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]
) -> list[Agreement]:
    """How close the outputs of some samples are.

    Args:
        outputs: The model's outputs.
        references: For each sample, the tensors that the float model gives: outputs, then taps.
        found: The same of the quantized model.
    """
    tensors = sorted({number for output in outputs.each for number in output.tensors})
    tallies = {k: tally([each[k] for each in references], [each[k] for each in found]) for k in tensors}
    return agreements_of(outputs, tallies)


def agreements_of(outputs: Outputs, tallies: Mapping[int, Tally]) -> list[Agreement]:
    """How close the outputs are by the sums over the tensors that are compared, by their numbers."""
    return [_agreement(output, [tallies[number] for number in output.tensors]) for output in outputs.each]


def _agreement(output: Output, tallies: Sequence[Tally]) -> Agreement:
    ratios, cosines = [each.sqnr for each in tallies], [each.cosine for each in tallies]
    is_compared = not any(map(math.isnan, ratios))
    top1 = tallies[0].top1 if output.kind is OutputKind.CLASSES and is_compared else None
    worst = min(ratios) if is_compared else math.nan
    return Agreement(output.name, output.kind, worst, min(cosines) if is_compared else math.nan, top1)


def sqnr(references: Sequence[Array], outputs: Sequence[Array]) -> float:
    """Signal-to-quantization-noise ratio in dB over all samples together; NaN if their sizes differ."""
    return tally(references, outputs).sqnr


def tally(references: Sequence[Array], outputs: Sequence[Array]) -> Tally:
    """The sums over some samples."""
    sums = Tally()
    for one, other in zip(references, outputs, strict=True):
        sums.add(one, other)
    return sums


def _without_common_infinities(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Zero where both hold the same infinity, as logarithms of zero do: there they are equal."""
    same = np.isinf(one) & (one == other)
    return (np.where(same, 0, one), np.where(same, 0, other)) if same.any() else (one, other)
