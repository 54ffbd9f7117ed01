"""The agreement of a quantized model's outputs with the float model's, in numbers and in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from ...ir import Array
from .choices import Choice
from .outputs import Output, OutputKind, Outputs
from .parts import Part
from .probabilities import Probabilities
from .ranges import Floats


class Verdict(StrEnum):
    """The meaning of an agreement for the model's task; docs/quality.md has the evidence."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """The verdict in words for users."""
        return _WORDS[self]


_WORDS = {
    Verdict.GOOD: "no loss of accuracy was seen at this level",
    Verdict.FAIR: "a small loss of accuracy is possible; measure it with your own data",
    Verdict.POOR: "a loss of accuracy is likely",
    Verdict.UNKNOWN: "the outputs cannot be compared",
}


@dataclass(frozen=True)
class Levels:
    """The levels of a signal-to-quantization-noise ratio, in dB.

    Attributes:
        floor: Below this ratio accuracy is lost.
        good: From this ratio up no accuracy was lost.
    """

    floor: float
    good: float


_LEVELS = Levels(floor=10.0, good=20.0)
#: The levels where the smallest differences count: 38 dB cost a super-resolution net 0.3 dB of its 31 dB of PSNR.
_IMAGE_LEVELS = Levels(floor=38.0, good=43.0)
_LEVELS_OF: Mapping[OutputKind, Levels] = {OutputKind.IMAGE: _IMAGE_LEVELS}


#: From this number of samples on, their ratio is taken as that of all. Samples differ, so that the ratio of n of them
#: may be too high by this many dB divided by the root of n (docs/quality.md has the evidence).
ENOUGH_SAMPLES, SCATTER = 8, 10.0
#: A verdict on fewer samples is one on these only: among other samples, some differ by more than the scatter.
VERY_FEW_SAMPLES = 3
#: The shares of changed decisions from which accuracy may be lost, and is lost, at any ratio.
FAIR_CHANGED, POOR_CHANGED = 0.03, 0.1
#: The 95th percentile of the normal distribution.
_CONFIDENCE = 1.645


def levels_of(kind: OutputKind) -> Levels:
    """The levels of the ratio for outputs of a kind."""
    return _LEVELS_OF.get(kind, _LEVELS)


@dataclass(frozen=True)
class Agreement:
    """The agreement of an output with the float model's, over all held-out samples together.

    Attributes:
        name: The name of the output in messages.
        kind: The kind of its contents.
        sqnr: 10 log10(signal power / error power) in dB; infinite if equal, NaN if they cannot be compared.
            This is the worst of all compared tensors and their parts; for detections, these tensors are the inputs of
            the selection.
        cosine: The cosine of the angle between the two outputs as vectors (the worst, too).
        top1: The share of decisions that stay the same (see `Choice`). None if the output chooses nothing.
        resized: The number of samples whose sizes differ; if not 0, the ratio is an upper bound (see `Tally`).
        decisions: The number of all decisions.
        part: The columns with that ratio, or "probabilities" instead of logits; empty if it is that of whole tensors.
        whole: The ratio of whole tensors in dB.
        samples: The number of samples; 0: unknown.
        noises: The error power of each sample, in the tensor or part with that ratio.
        is_ascending: Whether rows in the order of a selection were compared by their values in ascending order; then
            the ratio is an upper bound.
        shows_nothing: Whether it holds probabilities next to zero only (see `Output`): the ratio says little then.
    """

    name: str
    kind: OutputKind
    sqnr: float
    cosine: float
    top1: float | None = None
    resized: int = 0
    decisions: int = 0
    part: str = ""
    whole: float = math.nan
    samples: int = 0
    noises: tuple[float, ...] = ()
    is_ascending: bool = False
    shows_nothing: bool = False

    @property
    def levels(self) -> Levels:
        """The levels of the ratio for outputs of this kind."""
        return levels_of(self.kind)

    @property
    def changed(self) -> float:
        """A lower bound of the share of decisions that change: 2 of 16 may be 4 % of all.

        This is the lower end of the one-sided 95 % interval of Wilson (1927, Journal of the American Statistical
        Association 22, 209).
        """
        if not self.decisions or self.top1 is None:
            return 0.0
        share, spread = 1 - self.top1, _CONFIDENCE**2 / self.decisions
        half = math.sqrt(spread * (share * self.top1 + spread / 4))
        return max(0.0, (share + spread / 2 - half) / (1 + spread))

    @property
    def margin(self) -> float:
        """The distance of the output above the floor, in dB; negative below it.

        0 if it is unknown; infinite for random outputs, which float layers cannot improve. Decisions change if they lie
        within the error, so that their number grows with its amplitude.
        """
        is_unknown = math.isnan(self.sqnr) and self.kind is not OutputKind.RANDOM
        return 0.0 if is_unknown else self._above(self.levels.floor, POOR_CHANGED)

    @property
    def above_good(self) -> float:
        """The distance of the output above the verdict "good", in dB.

        Minus infinity if it is unknown; infinite for random outputs.
        """
        return self._above(self.good_from, FAIR_CHANGED)

    @property
    def is_bound(self) -> bool:
        """Whether the ratio is only an upper bound: sizes differ, rows were in ascending order, nothing was found."""
        return bool(self.resized) or self.is_ascending or self.shows_nothing

    @property
    def above_good_on_samples(self) -> float:
        """The same, however few the samples are."""
        return self._above(self.levels.good, FAIR_CHANGED)

    def _above(self, ratio: float, changed: float) -> float:
        if math.isnan(self.sqnr):
            return math.inf if self.kind is OutputKind.RANDOM else -math.inf
        decided = 20 * math.log10(changed / self.changed) if self.changed else math.inf
        return min(self.sqnr - ratio, decided)

    @property
    def error(self) -> float:
        """The error power as a share of what the floor allows; huge for a lost signal, zero for random outputs.

        Only the ratio counts: errors of different operations add up, numbers of changed decisions do not.
        """
        if math.isnan(self.sqnr):
            return float(self.kind is not OutputKind.RANDOM)
        return float(10 ** (-max(self.sqnr - self.levels.floor, -300.0) / 10))

    @property
    def by_ratio(self) -> Verdict:
        """The verdict by the ratio alone; an upper bound cannot be good."""
        if math.isnan(self.sqnr):
            return Verdict.UNKNOWN
        if self.sqnr >= self.levels.good and not self.is_bound:
            return Verdict.GOOD
        return Verdict.FAIR if self.sqnr >= self.levels.floor else Verdict.POOR

    @property
    def good_from(self) -> float:
        """The ratio in dB from which the output is called good: higher than the level if the samples are few."""
        is_few = 0 < self.samples < ENOUGH_SAMPLES
        return self.levels.good + (SCATTER / math.sqrt(self.samples) if is_few else 0.0)

    @property
    def is_on_very_few(self) -> bool:
        """Whether the samples are so few that the verdict holds for them only."""
        return 0 < self.samples < VERY_FEW_SAMPLES

    @property
    def needs_samples(self) -> bool:
        """Whether only more samples can say how good the output is."""
        return self.is_on_very_few or self.verdict is not self.on_samples

    @property
    def is_refused(self) -> bool:
        """Whether it is poor, has other sizes, or cannot be compared; random outputs do not count."""
        is_bad = bool(self.resized) or self.verdict in (Verdict.POOR, Verdict.UNKNOWN)
        return is_bad and self.kind is not OutputKind.RANDOM

    @property
    def verdict(self) -> Verdict:
        """The verdict on the output: that on the samples, but not good if they are too few to say so."""
        is_sure = self.sqnr >= self.good_from
        return Verdict.FAIR if self.on_samples is Verdict.GOOD and not is_sure else self.on_samples

    @property
    def on_samples(self) -> Verdict:
        """The verdict on the samples, however few they are: the worse of the verdicts by ratio and by decisions."""
        if self.by_ratio is Verdict.UNKNOWN or self.changed <= FAIR_CHANGED:
            return self.by_ratio
        return Verdict.POOR if self.changed > POOR_CHANGED or self.by_ratio is Verdict.POOR else Verdict.FAIR


@dataclass
class Tally:
    """Sums over the samples of two tensors. All ratios follow from them, so that no tensor is kept.

    If the sizes differ (a sentence that is spoken faster, boxes without padding), elements do not correspond. Then the
    values are compared in ascending order, which is the closest of all orders: their squared distance is that of the
    two distributions (the Wasserstein-2 distance in one dimension; Villani 2003, theorem 2.18). The values that one
    tensor has in excess count as lost.

    Attributes:
        signal: The power of the reference.
        found: The power of the other tensor.
        noise: The power of their difference.
        product: The dot product of the two as vectors.
        count: The number of compared numbers.
        choice: The decision by the largest element; None if there is none.
        same: The number of decisions that are the same.
        decisions: The number of all decisions.
        resized: The number of samples whose sizes differ.
        is_comparable: Whether both had equally many axes in all samples.
        is_finite: Whether neither held NaN or an infinity where the other had another value.
        least: The least amplitude of the reference against which errors count (see `Output.least_of`).
    """

    signal: float = 0.0
    found: float = 0.0
    noise: float = 0.0
    product: float = 0.0
    count: int = 0
    choice: Choice | None = None
    same: int = 0
    decisions: int = 0
    resized: int = 0
    is_comparable: bool = True
    is_finite: bool = True
    least: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was compared, although nothing was in the way."""
        return not self.count and self.is_finite and self.is_comparable

    def add(self, reference: Array, output: Array) -> None:
        """Adds a sample."""
        if reference.ndim != output.ndim:
            self.is_comparable = False
            return
        (one, other), lost = _numbers(reference, output), 0.0
        if is_resized := reference.shape != output.shape:
            one, other, lost = _in_order(one, other)
            self.resized += 1
        rows = one, other  # with their infinities: a score of minus infinity is not chosen
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
        if self.choice and not is_resized:
            same, decisions = self.choice.same(*rows)
            self.same += same
            self.decisions += decisions

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
        ratio = max(self.signal, self.count * self.least**2) / self.noise
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


@dataclass
class Tallies:
    """The sums over the samples for all compared tensors of a model's outputs.

    Attributes:
        outputs: The outputs that are compared.
        sums: The sums of whole tensors, by their numbers, and of their parts or probabilities.
        noises: The error power of each of these in each sample.
    """

    outputs: Outputs
    sums: dict[int | Part | Probabilities, Tally] = field(default_factory=dict[int | Part | Probabilities, Tally])
    noises: list[list[float]] = field(default_factory=list[list[float]])

    def __post_init__(self) -> None:
        for output in self.outputs.each:
            for place, number in enumerate(output.tensors):
                known = self.sums.setdefault(number, Tally())
                known.choice = known.choice or (None if place else output.choice)
                known.least = known.least or output.least_of(number)
            self.sums |= {part: Tally(choice=part.choice) for part in output.parts}

    def add(self, reference: Sequence[Array], found: Sequence[Array]) -> None:
        """Adds a sample.

        Args:
            reference: The float model's outputs, then its taps.
            found: The same of the other model.
        """
        before = [sums.noise for sums in self.sums.values()]
        reference, found = self.outputs.paired(reference, found)
        for key, sums in self.sums.items():
            if isinstance(key, Part | Probabilities):
                sums.add(key.of(reference[key.tensor]), key.of(found[key.tensor]))
            else:
                sums.add(reference[key], found[key])
        self.noises.append([sums.noise - one for sums, one in zip(self.sums.values(), before, strict=True)])

    @property
    def hardest(self) -> list[int]:
        """The numbers of the samples, those with the largest share of the error of a tensor first."""
        parts = (part for output in self.outputs.each for part in output.parts)
        logits = {part.tensor for part in parts if isinstance(part, Probabilities)}
        totals = [math.inf if key in logits else sums.noise or 1.0 for key, sums in self.sums.items()]
        shares = [max(one / total for one, total in zip(each, totals, strict=True)) for each in self.noises]
        return sorted(range(len(shares)), key=lambda number: (-shares[number], number))

    def agreements(self) -> list[Agreement]:
        """The agreement of each output."""
        return [self._agreement(output) for output in self.outputs.each]

    def _agreement(self, output: Output) -> Agreement:
        wholes = [self.sums[number] for number in output.tensors]
        is_compared = output.kind is not OutputKind.RANDOM and not any(math.isnan(each.sqnr) for each in wholes)
        if not is_compared:
            return Agreement(output.name, output.kind, math.nan, math.nan)
        whole = min(each.sqnr for each in wholes)
        logits = {part.tensor for part in output.parts if isinstance(part, Probabilities)}
        counted = [self.sums[number] for number in output.tensors if number not in logits]
        judged_by: list[int | Part | Probabilities] = [number for number in output.tensors if number not in logits]
        judged_by += [part for part in output.parts if not self.sums[part].is_empty]
        worst = min(judged_by, key=lambda key: (self.sums[key].sqnr, "" if isinstance(key, int) else str(key)))
        ratio, part = self.sums[worst].sqnr, "" if isinstance(worst, int) else str(worst)
        judged = [*counted, *(self.sums[part] for part in output.parts)]
        top1, decisions = min(((each.top1, each.decisions) for each in judged if each.decisions), default=(None, 0))
        cosine = min(each.cosine for each in judged)
        resized = max(each.resized for each in wholes)
        column = list(self.sums).index(worst)
        noises = tuple(each[column] for each in self.noises)
        return Agreement(
            name=output.name,
            kind=output.kind,
            sqnr=ratio,
            cosine=cosine,
            top1=top1,
            resized=resized,
            decisions=decisions,
            part=part,
            whole=whole,
            samples=len(noises),
            noises=noises,
            is_ascending=not self.outputs.ascending.isdisjoint(output.tensors),
            shows_nothing=output.shows_nothing,
        )


def agreements(
    outputs: Outputs, references: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]
) -> list[Agreement]:
    """The agreement of each output over some samples.

    Args:
        outputs: The model's outputs.
        references: For each sample, the float model's outputs, then its taps.
        found: The same of the quantized model.
    """
    tallies = Tallies(outputs)
    for reference, other in zip(references, found, strict=True):
        tallies.add(reference, other)
    return tallies.agreements()


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
    """Two tensors as floats; for texts, whether they are equal."""
    if reference.dtype.kind not in "SU":
        return reference.astype(np.float64), output.astype(np.float64)
    is_same = reference == output if reference.shape == output.shape else np.zeros(output.shape)
    return np.ones(reference.shape), np.asarray(is_same, np.float64)


def _in_order(one: Floats, other: Floats) -> tuple[Floats, Floats, float]:
    """The values of two tensors in ascending order, equally many of both, and the share of lost values.

    An empty tensor counts as zeros.
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
