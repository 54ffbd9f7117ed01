"""How outputs are compared, and the verdicts."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from irquant.passes.analysis.agreement import Agreement, Tallies, Verdict, agreements, tally
from irquant.passes.analysis.choices import Choice
from irquant.passes.analysis.outputs import Output, OutputKind, Outputs
from irquant.passes.analysis.parts import Part

Array = np.ndarray[Any, np.dtype[Any]]
CHOOSING = Outputs((Output("y", OutputKind.CLASSES, (0,), Choice(1)),))


def agreement(kind: OutputKind, sqnr: float) -> Agreement:
    return Agreement("y", kind, sqnr, 1.0)


@pytest.mark.parametrize(
    ("kind", "ratio", "verdict"),
    [
        (OutputKind.VALUES, 9.9, Verdict.POOR),
        (OutputKind.VALUES, 10.0, Verdict.FAIR),
        (OutputKind.CLASSES, 19.9, Verdict.FAIR),
        (OutputKind.DETECTIONS, 20.0, Verdict.GOOD),
        (OutputKind.IMAGE, 37.9, Verdict.POOR),
        (OutputKind.IMAGE, 38.0, Verdict.FAIR),
        (OutputKind.IMAGE, 43.0, Verdict.GOOD),
        (OutputKind.VALUES, math.inf, Verdict.GOOD),
        (OutputKind.VALUES, -math.inf, Verdict.POOR),
        (OutputKind.VALUES, math.nan, Verdict.UNKNOWN),
    ],
)
def test_the_verdict_depends_on_what_the_output_is(kind: OutputKind, ratio: float, verdict: Verdict) -> None:
    assert agreement(kind, ratio).verdict is verdict


def test_what_cannot_be_compared_is_no_reason_to_act_and_no_praise() -> None:
    assert agreement(OutputKind.VALUES, math.nan).margin == 0


def test_an_upper_bound_is_never_good() -> None:
    """Sizes that differ leave no element to compare with."""
    found = replace(agreement(OutputKind.VALUES, 35.0), resized=1)
    assert (found.verdict, found.margin) == (Verdict.FAIR, 25.0)
    assert replace(found, sqnr=9.0).verdict is Verdict.POOR


def test_the_cosine_is_that_of_all_samples_as_one_vector() -> None:
    one, other = [np.array([3.0, 0.0]), np.array([4.0])], [np.array([3.0, 4.0]), np.array([0.0])]
    assert tally(one, other).cosine == pytest.approx(9 / 25)
    assert tally([np.zeros(2)], [np.zeros(2)]).cosine == 1.0
    assert tally([np.zeros(2)], [np.ones(2)]).cosine == 0.0
    assert math.isnan(tally([np.zeros(2)], [np.ones((2, 1))]).cosine)


def test_decisions_are_those_of_each_row() -> None:
    one = [[np.array([[1.0, 2.0], [4.0, 3.0]])], [np.array([[0.0, 1.0]])]]
    other = [[np.array([[1.0, 2.0], [3.0, 4.0]])], [np.array([[0.0, 5.0]])]]
    (each,) = agreements(CHOOSING, one, other)
    assert each.top1 == pytest.approx(2 / 3)
    assert each.decisions == 3


def test_what_is_masked_in_both_models_is_not_chosen() -> None:
    """Logarithms of probabilities lie below zero; that of zero is minus infinity."""
    one, other = [[np.array([[-np.inf, -0.1, -2.0]])]], [[np.array([[-np.inf, -2.0, -0.1]])]]
    (each,) = agreements(CHOOSING, one, other)
    assert (each.top1, each.decisions) == (0.0, 1)


@pytest.mark.parametrize(
    ("changed", "count", "verdict"),
    [
        (0, 16, Verdict.GOOD),
        (2, 16, Verdict.FAIR),  # 12 %, but of so few that it may be 4 %
        (1, 9, Verdict.GOOD),
        (290, 10_000, Verdict.GOOD),
        (400, 10_000, Verdict.FAIR),
        (1000, 10_000, Verdict.FAIR),
        (1200, 10_000, Verdict.POOR),
        (9, 9, Verdict.POOR),
    ],
)
def test_changed_decisions_count_whatever_the_ratio(changed: int, count: int, verdict: Verdict) -> None:
    found = replace(agreement(OutputKind.CLASSES, 60.0), top1=1 - changed / count, decisions=count)
    assert (found.by_ratio, found.verdict) == (Verdict.GOOD, verdict)
    assert (found.margin < 0) == (verdict is Verdict.POOR)
    assert (found.above_good < 0) == (verdict is not Verdict.GOOD)


def test_decisions_that_stay_make_no_poor_ratio_better() -> None:
    found = replace(agreement(OutputKind.CLASSES, 9.0), top1=1.0, decisions=10_000)
    assert (found.verdict, found.margin) == (Verdict.POOR, -1.0)


def test_half_as_many_changed_decisions_are_half_the_amplitude_but_the_error_is_told_by_the_ratio_alone() -> None:
    """As many change as lie within the error."""
    one, other = (replace(agreement(OutputKind.CLASSES, 60.0), top1=1 - share, decisions=10**9) for share in (0.4, 0.2))
    assert other.margin - one.margin == pytest.approx(20 * math.log10(2), rel=1e-2)
    assert one.error == other.error == pytest.approx(1e-5)


def test_columns_are_judged_by_the_worst_of_them() -> None:
    part = Part(0, 1, 2, (1, 2))
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,), parts=(Part(0, 1, 2, (0,)), part)),))
    (each,) = agreements(outputs, [[np.array([[100.0, 1.0, 0.0]])]], [[np.array([[100.0, 0.5, 0.0]])]])
    assert (each.part, each.verdict) == ("columns 1 to 2", Verdict.POOR)
    assert each.sqnr == pytest.approx(10 * math.log10(4))
    assert each.whole == pytest.approx(10 * math.log10(10_001 / 0.25))


def test_parts_of_another_size_are_judged_as_a_whole() -> None:
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,), parts=(Part(0, 1, 2, (4,)),)),))
    (each,) = agreements(outputs, [[np.ones((1, 2))]], [[np.ones((1, 2)) * 1.1]])
    assert each.part == ""
    assert each.sqnr == pytest.approx(20.0)


def test_random_outputs_are_not_compared() -> None:
    outputs = Outputs((Output("y", OutputKind.CLASSES, (0,), Choice(1)),)).without({0})
    assert [each.kind for each in outputs.each] == [OutputKind.RANDOM]
    (each,) = agreements(outputs, [[np.ones((1, 2))]], [[np.zeros((1, 2))]])
    assert (each.verdict, each.margin, each.error, each.top1) == (Verdict.UNKNOWN, math.inf, 0.0, None)


def test_of_several_tensors_the_worst_counts() -> None:
    outputs = Outputs((Output("boxes", OutputKind.DETECTIONS, (1, 2)),))
    reference = [[np.zeros(1), np.ones(4), np.ones(4)]]
    found = [[np.ones(1), np.ones(4) * 1.1, np.ones(4) * 1.5]]
    (each,) = agreements(outputs, reference, found)
    assert each.sqnr == pytest.approx(10 * math.log10(1 / 0.25))
    assert each.top1 is None


def test_axes_that_differ_are_unknown_not_wrong() -> None:
    outputs = Outputs((Output("y", OutputKind.CLASSES, (0,)),))
    (each,) = agreements(outputs, [[np.ones(3)]], [[np.ones((4, 1))]])
    assert (each.verdict, each.top1, each.resized) == (Verdict.UNKNOWN, None, 0)


def test_of_tensors_of_other_lengths_the_values_are_compared_and_what_is_missing_is_lost() -> None:
    """Half of the signal's elements are gone, whose power counts as error; the other half is there, in another order."""
    one, other = np.array([3.0, 1.0, 2.0, 2.0]), np.array([2.0, 2.0])
    found = tally([one], [other])
    power, spread = 18.0, 1.0 + 1.0  # in ascending order 1 2 2 3 against 2 2 2 2
    assert found.sqnr == pytest.approx(10 * math.log10(power / (spread + power / 2)))
    assert (found.resized, found.decisions) == (1, 0)


def test_a_sentence_a_little_longer_is_fair_and_noise_instead_of_it_is_poor() -> None:
    rng = np.random.default_rng(0)
    sound = np.sin(np.linspace(0, 90, 4000))[None]
    outputs = Outputs((Output("sound", OutputKind.VALUES, (0,)),))
    longer = np.interp(np.linspace(0, 1, 4120), np.linspace(0, 1, 4000), sound[0])[None]
    (fair,) = agreements(outputs, [[sound]], [[longer]])
    (poor,) = agreements(outputs, [[sound]], [[3 * rng.normal(size=(1, 4120))]])
    assert (fair.verdict, fair.resized, poor.verdict) == (Verdict.FAIR, 1, Verdict.POOR)
    assert poor.margin < 0 <= fair.margin


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        (np.zeros((0, 7)), np.zeros((0, 7)), math.inf),
        (np.ones((3, 7)), np.zeros((0, 7)), 0.0),
        (np.zeros((0, 7)), np.ones((3, 7)), -math.inf),
        (np.array([True, False]), np.array([True, False]), math.inf),
        (np.array([True, True]), np.array([True, False]), 10 * math.log10(2)),
        (np.array([2, 4], np.int64), np.array([2, 3], np.int64), 10 * math.log10(20)),
        (np.array(5.0), np.array(4.0), 10 * math.log10(25)),
        (np.array([math.nan, 2.0]), np.array([math.nan, 2.0]), math.inf),
        (np.array([math.nan, 2.0]), np.array([1.0, 2.0]), -math.inf),
        (np.array([b"cat", b"dog"]), np.array([b"cat", b"dog"]), math.inf),
        (np.array([b"cat", b"dog"]), np.array([b"cat", b"doge"]), 10 * math.log10(2)),
        (np.array([b"cat"]), np.array([b"cat", b"cat"]), -10 * math.log10(1.5)),
    ],
)
def test_tensors_of_every_kind_have_a_ratio(one: Array, other: Array, ratio: float) -> None:
    assert tally([one], [other]).sqnr == pytest.approx(ratio)


def test_what_is_infinite_in_both_is_equal() -> None:
    """Logarithms of zero, say."""
    one = np.array([-np.inf, 3.0, 4.0])
    found = tally([one], [np.array([-np.inf, 3.0, 4.5])])
    assert found.sqnr == pytest.approx(10 * math.log10(25 / 0.25))
    assert tally([one], [one]).sqnr == math.inf


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_what_becomes_infinite_or_nan_is_lost(wrong: float) -> None:
    outputs = Outputs((Output("y", OutputKind.VALUES, (0,)),))
    (each,) = agreements(outputs, [[np.ones(3)]], [[np.array([1.0, wrong, 1.0])]])
    assert (each.sqnr, each.cosine, each.verdict, each.margin) == (-math.inf, 0.0, Verdict.POOR, -math.inf)


@pytest.mark.parametrize(
    ("samples", "kind", "good_from"),
    [
        (0, OutputKind.VALUES, 20.0),
        (1, OutputKind.VALUES, 30.0),
        (4, OutputKind.VALUES, 25.0),
        (4, OutputKind.IMAGE, 48.0),
        (8, OutputKind.VALUES, 20.0),
        (32, OutputKind.IMAGE, 43.0),
    ],
)
def test_on_few_samples_good_needs_more(samples: int, kind: OutputKind, good_from: float) -> None:
    above, below = (Agreement("y", kind, good_from + each, 1.0, samples=samples) for each in (0.0, -0.1))
    assert above.good_from == good_from
    assert (above.verdict, below.verdict) == (Verdict.GOOD, Verdict.FAIR)
    assert [above.above_good, below.above_good] == pytest.approx([0.0, -0.1])
    assert below.on_samples is (Verdict.GOOD if 0 < samples < 8 else Verdict.FAIR)


@pytest.mark.parametrize(("ratio", "verdict"), [(9.0, Verdict.POOR), (15.0, Verdict.FAIR), (math.inf, Verdict.GOOD)])
def test_few_samples_change_no_other_verdict(ratio: float, verdict: Verdict) -> None:
    few = Agreement("y", OutputKind.VALUES, ratio, 1.0, samples=2)
    assert few.verdict is few.on_samples is verdict


def test_the_number_of_samples_is_told() -> None:
    (each,) = agreements(CHOOSING, [[np.ones((1, 2))]] * 3, [[np.ones((1, 2))]] * 3)
    assert each.samples == 3


def test_the_samples_with_the_largest_share_of_any_output_s_error_are_the_hardest() -> None:
    outputs = Outputs((Output("a", OutputKind.VALUES, (0,)), Output("b", OutputKind.VALUES, (1,))))
    tallies = Tallies(outputs)
    for first, second in [(1.0, 0.0), (100.0, 0.0), (1.0, 0.2), (0.0, 0.1)]:
        tallies.add([np.zeros(1), np.ones(1)], [np.full(1, first), np.full(1, 1 + second)])
    assert tallies.hardest == [1, 2, 3, 0]


def test_without_any_error_no_sample_is_harder_than_another() -> None:
    tallies = Tallies(Outputs((Output("a", OutputKind.VALUES, (0,)),)))
    for _ in range(3):
        tallies.add([np.ones(1)], [np.ones(1)])
    assert tallies.hardest == [0, 1, 2]
