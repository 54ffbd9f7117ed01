"""How close a quantized model's outputs are to the float model's, in numbers and in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ...ir import Array
from .outputs import Output, OutputKind, Outputs
from .ranges import Floats


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
    Verdict.UNKNOWN: "the outputs cannot be compared: their numbers of axes differ",
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


def levels_of(kind: OutputKind) -> Levels:
    """What the ratio means for outputs of a kind."""
    return _LEVELS_OF.get(kind, _LEVELS)


@dataclass(frozen=True)
class Agreement:
    """How close an output is to the float model's, over all held-out samples together.

    Attributes:
        name: What messages call the output.
        kind: What it holds.
        sqnr: 10 log10(signal power / error power) in dB; infinite if equal, NaN if they do not even have as many axes.
            The worst of the tensors that are compared: of detections, those that they are selected by.
        cosine: Of the angle between the two outputs as vectors (the worst, too).
        top1: The share of decisions that stay the same: of the largest score along the last axis. None if the output
            holds no classes.
        resized: Of how many samples the sizes differ; the ratio is an upper bound then (see `Tally`).
    """

    name: str
    kind: OutputKind
    sqnr: float
    cosine: float
    top1: float | None = None
    resized: int = 0

    @property
    def levels(self) -> Levels:
        """What the ratio means for outputs of this kind."""
        return levels_of(self.kind)

    @property
    def margin(self) -> float:
        """How far the ratio lies above the floor, in dB; negative below it; 0 if nobody can tell."""
        return 0.0 if math.isnan(self.sqnr) else self.sqnr - self.levels.floor

    @property
    def error(self) -> float:
        """The error power as a share of what the floor allows; of a lost signal, huge."""
        return float(10 ** (-max(self.margin, -300.0) / 10))

    @property
    def verdict(self) -> Verdict:
        """What that means; an upper bound cannot be good."""
        if math.isnan(self.sqnr):
            return Verdict.UNKNOWN
        if self.sqnr >= self.levels.good and not self.resized:
            return Verdict.GOOD
        return Verdict.FAIR if self.sqnr >= self.levels.floor else Verdict.POOR


@dataclass
class Tally:
    """Sums over the samples of two tensors, from which all ratios follow: no tensor is kept.

    Where the sizes differ (a sentence that is spoken faster, boxes that are not padded), no element belongs to another
    one. Then the values are compared in ascending order, which no other order brings closer: their squared distance is
    that of the two distributions (the Wasserstein-2 distance in one dimension; Villani 2003, theorem 2.18). What one
    tensor holds more than the other counts as lost.

    Attributes:
        signal: Power of the reference.
        found: Power of the other.
        noise: Power of their difference.
        product: Of the two as vectors.
        count: How many numbers were compared.
        same: Decisions that are the same: rows along the last axis whose largest element is at the same place.
        decisions: All of them.
        resized: Samples whose sizes differ.
        is_comparable: Whether they always had as many axes.
        is_finite: Whether neither held NaN or an infinity where the other had another value.
    """

    signal: float = 0.0
    found: float = 0.0
    noise: float = 0.0
    product: float = 0.0
    count: int = 0
    same: int = 0
    decisions: int = 0
    resized: int = 0
    is_comparable: bool = True
    is_finite: bool = True

    def add(self, reference: Array, output: Array) -> None:
        """Takes in a sample."""
        if reference.ndim != output.ndim:
            self.is_comparable = False
            return
        (one, other), lost = _numbers(reference, output), 0.0
        if is_resized := reference.shape != output.shape:
            one, other, lost = _in_order(one, other)
            self.resized += 1
        one, other = _without_common(one, other)
        if not (np.isfinite(one).all() and np.isfinite(other).all()):
            self.is_finite = False
            return
        signal = float(np.square(one).sum())
        self.signal += signal
        self.found += float(np.square(other).sum())
        self.noise += float(np.square(one - other).sum()) + lost * signal
        self.product += float((one * other).sum())
        self.count += one.size
        if one.ndim and one.shape[-1] and not is_resized:
            is_same = one.argmax(axis=-1) == other.argmax(axis=-1)
            self.same += int(is_same.sum())
            self.decisions += is_same.size

    @property
    def sqnr(self) -> float:
        """Signal-to-quantization-noise ratio in dB over all samples together.

        NaN if their axes differ; minus infinity if one holds NaN or an infinity that the other does not.
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
        """The cosine of the angle between all samples together; NaN if their axes differ."""
        if not self.is_comparable:
            return math.nan
        if not self.is_finite:
            return 0.0
        if not (self.signal and self.found):
            return 1.0 if self.signal == self.found else 0.0
        return self.product / math.sqrt(self.signal * self.found)

    @property
    def top1(self) -> float:
        """The share of decisions that stay the same; NaN if there are none, or the axes differ."""
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
    cosine = min(cosines) if is_compared else math.nan
    return Agreement(output.name, output.kind, worst, cosine, top1, max(each.resized for each in tallies))


def sqnr(references: Sequence[Array], outputs: Sequence[Array]) -> float:
    """Signal-to-quantization-noise ratio in dB over all samples together; NaN if their axes differ."""
    return tally(references, outputs).sqnr


def tally(references: Sequence[Array], outputs: Sequence[Array]) -> Tally:
    """The sums over some samples."""
    sums = Tally()
    for one, other in zip(references, outputs, strict=True):
        sums.add(one, other)
    return sums


def _numbers(reference: Array, output: Array) -> tuple[Floats, Floats]:
    """Two tensors as floats; of texts, whether they are the same."""
    if reference.dtype.kind not in "SU":
        return reference.astype(np.float64), output.astype(np.float64)
    is_same = reference == output if reference.shape == output.shape else np.zeros(output.shape)
    return np.ones(reference.shape), np.asarray(is_same, np.float64)


def _in_order(one: Floats, other: Floats) -> tuple[Floats, Floats, float]:
    """The values of two tensors in ascending order, as many of the second as of the first; and the share that is lost.

    An empty tensor has nothing that the other could be like.
    """
    if not (one.size and other.size):
        return (one, np.zeros_like(one), 0.0) if one.size else (np.zeros_like(other), other, 0.0)
    places = (np.arange(one.size) + 0.5) / one.size * other.size - 0.5
    resized = np.interp(places, np.arange(other.size), np.sort(other, axis=None))
    return np.sort(one, axis=None), resized, 1 - min(one.size, other.size) / max(one.size, other.size)


def _without_common(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Zero where both hold the same infinity, as logarithms of zero do, or NaN: there they are equal."""
    same = (np.isinf(one) & (one == other)) | (np.isnan(one) & np.isnan(other))
    return (np.where(same, 0, one), np.where(same, 0, other)) if same.any() else (one, other)
