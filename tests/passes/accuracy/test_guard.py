"""The guard: what it leaves alone, what it tries first, and which layers it returns to float."""

import re
import threading
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, Node, read_model, write_model
from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.accuracy import device
from irquant.passes.accuracy import guard as guard_module
from irquant.passes.accuracy import kernel_mismatch as faults
from irquant.passes.accuracy.guard import GuardResult, guard, remedies
from irquant.passes.accuracy.knee import Knee, Standouts, find_dominant
from irquant.passes.accuracy.metric_goals import MetricGoals
from irquant.passes.accuracy.metrics import Metric
from irquant.passes.accuracy.requantize import Attempt, CalibratedModel
from irquant.passes.analysis.agreement import Agreement, Verdict
from irquant.passes.calibration import measurement
from irquant.passes.evaluation.sensitivity import ROUNDING, Effect
from irquant.passes.infra.base import Context
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.jobs.quantize_once import quantize_once
from irquant.passes.options.quantization import RangeEstimator
from irquant.passes.placement.plan import Decision, Plan
from irquant.passes.reporting.report import _few_int8
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.core import RuntimeRejectedError
from irquant.passes.transforms import set_ranges
from irquant.targets import Target, load_target, parse_target
from irquant.tools.terminal.summary import report_lines

Array = np.ndarray[Any, np.dtype[Any]]
Faulty = Callable[[str, int], tuple[ov.Model, str, list[Array]]]
RNG = np.random.default_rng(5)
PUBLISHED = "ranges of activations up to the mean of the samples' extremes"
PUBLISHED_MIXED = f"asymmetric {PUBLISHED}"
EXTREMES = "ranges of activations up to the extremes of all samples"
EXTREMES_MIXED = f"asymmetric {EXTREMES}"
ALL = [PUBLISHED, PUBLISHED_MIXED, EXTREMES, EXTREMES_MIXED]
MIXED = "asymmetric activations (preset mixed)"
WHOLE = "biases corrected for the whole error of each layer"


def quantized(model: ov.Model, samples: list[Array], **options: object) -> tuple[Graph, Report]:
    return quantize_graph(from_runtime(model), samples, load_target("cpu"), QuantizationConfig.checked(**options))


def float_layers(report: Report) -> list[str]:
    return [layer.name for layer in report.layers if not layer.decision.int8]


def plain(*, clips: bool = False) -> tuple[ov.Model, list[Array]]:
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    kernel = RNG.normal(size=(8, 3, 3, 3)).astype(np.float32)
    y = op.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name="conv")
    y = op.clamp(y, 0.0, 6.0) if clips else op.relu(y)
    samples = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]
    return ov.Model([op.result(y)], [x], "plain"), samples


def test_what_is_fine_is_left_alone() -> None:
    _, report = quantized(*plain())
    assert (report.guard, report.effects, float_layers(report)) == ((), (), [])


@pytest.mark.parametrize("seed", [0, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_where_the_mean_is_what_int8_spoils_biases_are_enough(faulty: Faulty, seed: int) -> None:
    model, _, samples = faulty("outlier channel", seed)
    _, report = quantized(model, samples)
    assert [step.what for step in report.guard if step.is_kept] == [WHOLE]
    assert report.check.margin >= 5
    assert float_layers(report) == []


@pytest.mark.parametrize("seed", [0, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_the_layer_that_spoils_the_outputs_goes_back_to_float(faulty: Faulty, seed: int) -> None:
    model, guilty, samples = faulty("outlier channel", seed)
    _, unguarded = quantized(model, samples, guard=False)
    assert unguarded.check.margin < 0
    _, report = quantized(model, samples, correct_biases="fast")
    assert report.check.margin >= 0
    assert float_layers(report) == [guilty]
    reason = next(layer.decision.reason for layer in report.layers if layer.name == guilty)
    assert reason.startswith("rounding it causes ")
    assert report.guard[-1].is_kept or any(step.is_kept for step in report.guard)


def test_a_metric_that_loses_nothing_costs_no_layer_however_poor_the_outputs_are(faulty: Faulty) -> None:
    model, _, samples = faulty("outlier channel", 0)
    wanted = MetricGoals((Metric("constant", lambda predict: 1.0, 0.0),))
    config = QuantizationConfig(range_estimator=RangeEstimator())
    _, report = quantize_graph(from_runtime(model), samples, load_target("cpu"), config, wanted=wanted)
    assert report.check.margin < 0
    assert (report.guard, report.effects, float_layers(report)) == ((), (), [])
    assert report.accuracy is not None
    assert [each.what for each in report.accuracy.trials] == ["as the options say"]


def test_all_that_was_tried_is_told(faulty: Faulty) -> None:
    model, guilty, samples = faulty("box arithmetic", 1)
    _, report = quantized(model, samples)
    assert [step.what for step in report.guard] == [*ALL, WHOLE, f"float: '{guilty}'"]
    assert [step.is_kept for step in report.guard][-1]
    lines = list(report_lines(report, "m.xml"))
    start = next(index for index, line in enumerate(lines) if line.startswith("the guard began with "))
    assert lines[start + 6].startswith(f"  float: '{guilty}': ")
    assert lines[start + 6].endswith(": kept: the fewest layers that are enough")


@pytest.mark.slow
def test_a_second_run_gives_the_same_bytes(faulty: Faulty, tmp_path: Any) -> None:

    model, _, samples = faulty("saturating activation", 2)
    for name in ("one", "other"):
        graph, _ = quantized(model, samples)
        write_model(graph, tmp_path / f"{name}.xml", compact=True)
    for suffix in (".xml", ".bin"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"other{suffix}").read_bytes()


def test_the_result_says_which_layers_are_float(faulty: Faulty) -> None:
    model, guilty, samples = faulty("outlier channel", 0)
    graph, _ = quantized(model, samples, correct_biases="fast")
    assert graph.metadata("irquant")["returned_to_float"] == f'["{guilty}"]'
    unguarded, _ = quantized(model, samples, guard=False)
    assert "returned_to_float" not in unguarded.metadata("irquant")


def image_net() -> tuple[ov.Model, list[Array]]:
    """A picture in, a picture out; one sample in four is eight times as bright as the others."""
    x = op.parameter([1, 3, 64, 64], np.float32, name="x")
    kernel = np.random.default_rng(3).normal(size=(3, 3, 3, 3)).astype(np.float32) * 0.1
    kernel[np.arange(3), np.arange(3), 1, 1] += 1
    y = op.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1], name="conv")
    rng = np.random.default_rng(4)
    samples = [(rng.uniform(size=(1, 3, 64, 64)) * (8 if k % 4 == 0 else 1)).astype(np.float32) for k in range(40)]
    return ov.Model([op.result(y)], [x], "image"), samples


def test_ranges_with_the_least_error_need_no_guard_where_the_mean_of_extremes_does() -> None:
    model, samples = image_net()
    _, report = quantized(model, samples)
    assert (report.guard, float_layers(report)) == ((), [])


def test_wider_ranges_come_first_and_cost_no_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no elements were known: the published ranges are no remedy then, those up to the extremes are one."""
    monkeypatch.setattr(set_ranges, "sample_request", lambda *_: None)
    model, samples = image_net()
    _, report = quantized(model, samples)
    steps = {step.what: step for step in report.guard}
    assert [*steps] == ALL[: len(steps)]
    assert [step.what for step in report.guard if step.is_kept] == [EXTREMES]
    assert steps[EXTREMES].after > steps[EXTREMES].before + 1
    assert (steps[EXTREMES].int8, steps[EXTREMES].layers) == (1, 1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ALL),
        ({"align": False}, ALL),
        ({"preset": "performance"}, [PUBLISHED, EXTREMES]),
        ({"range_estimator": {}}, [MIXED]),
        ({"range_estimator": {"preset": "quantile"}}, [MIXED]),
        ({"activations": {"range_estimator": {"max": {"aggregator": "median"}}}}, [MIXED]),
        ({"activations": {"mode": "symmetric"}, "preset": "mixed"}, [PUBLISHED, EXTREMES]),
    ],
)
def test_what_the_user_chose_stays_chosen(options: dict[str, object], expected: list[str]) -> None:
    found = remedies(QuantizationConfig.checked(**options), "performance")
    assert [each.what for each in found] == expected


def test_what_is_so_already_is_not_tried() -> None:
    assert [each.what for each in remedies(QuantizationConfig(), "mixed")] == [PUBLISHED, EXTREMES]


def test_outputs_above_their_floors_are_not_worth_all_trials() -> None:
    found = remedies(QuantizationConfig(), "performance")
    assert [each.what for each in found if each.is_for_clipping] == [PUBLISHED]


def test_nor_are_other_ranges_if_the_model_clips_nothing() -> None:
    assert [step.what for step in judged(good_if(17.0, 15.0), clips=False).steps] == [WHOLE]


# ---------------------------------------------------------------------------------------- the search, on made-up models


def good_if(is_published: float, otherwise: float) -> Callable[[Attempt], float]:
    """Ratios in dB: with the published ranges, and with any others."""

    def good(attempt: Attempt) -> float:
        named, preset = attempt.config.activations.range_estimator, attempt.config.preset
        return is_published if named == RangeEstimator() and preset is None else otherwise

    return good


class Judged(CalibratedModel):
    """Models whose outputs are as good as a function of the attempt says."""

    def __init__(self, calibrated: CalibratedModel, good: Callable[[Attempt], float]) -> None:
        super().__init__(
            calibrated.pipeline, calibrated.context, calibrated.graph, calibrated.warnings, is_default=True
        )
        self.good = good

    def attempt(self, config: QuantizationConfig, reverted_to_float: Any) -> Attempt:
        made = super().attempt(config, reverted_to_float)
        return with_ratio(made, self.good(made))


def judged(good: Callable[[Attempt], float], *, clips: bool = True, **options: Any) -> GuardResult:
    """What the guard does with a small model that is as good as that."""
    config = QuantizationConfig.checked(align=False, **options)
    model, samples = plain(clips=clips)
    _, first, calibrated = quantize_once(from_runtime(model), samples, load_target("cpu"), config)
    return guard(with_ratio(first, good(first)), Judged(calibrated, good))


@pytest.mark.parametrize("ratio", [20.0, 35.0, float("inf")])
def test_good_outputs_are_left_alone(ratio: float) -> None:
    assert judged(good_if(99.0, ratio)).steps == ()


@pytest.mark.slow
@pytest.mark.parametrize(("published", "is_kept"), [(17.0, True), (15.6, True), (15.4, False), (3.0, False)])
def test_fair_outputs_get_the_best_one_of_several_estimators(published: float, *, is_kept: bool) -> None:
    found = judged(good_if(published, 15.0))
    best = published if is_kept else 15.0
    assert [(step.what, step.is_kept, step.before, step.after) for step in found.steps] == [
        (PUBLISHED, is_kept, 15.0, published),
        (WHOLE, False, best, best),
    ]
    whys = {17.0: "", 15.6: "", 15.4: "it gains less than 0.5 dB", 3.0: "no gain"}
    assert [step.why_dropped for step in found.steps] == [whys[published], *["no gain"] * (len(found.steps) - 1)]
    named = found.attempt.config.activations.range_estimator
    assert named == (RangeEstimator() if is_kept else None)
    assert (found.attempt.reverted_to_float, found.effects) == ({}, ())


@pytest.mark.parametrize(
    "options",
    [
        {"range_estimator": {"preset": "default"}},
        {"range_estimator": {"preset": "quantile"}},
        {"activations": {"range_estimator": {"max": {"aggregator": "max"}}}},
    ],
    ids=str,
)
def test_ranges_of_an_estimator_that_the_user_names_stay(options: dict[str, Any]) -> None:
    assert [step.what for step in judged(lambda _: 15.0, **options).steps] == [WHOLE]


@pytest.mark.parametrize(
    ("errors", "is_kept"),
    [pytest.param([0.5] * 12, True, marks=pytest.mark.slow), ([1.0] * 11 + [0.01], False), ([], True)],
    ids=["of all samples", "of one sample", "unknown"],
)
def test_a_gain_of_other_ranges_must_exceed_its_standard_error(errors: list[float], *, is_kept: bool) -> None:
    """Of one sample that makes most of the error, the gain says little about others; a poor model takes the chance."""

    class Sampled(Judged):
        def attempt(self, config: QuantizationConfig, reverted_to_float: Any) -> Attempt:
            return with_errors(super().attempt(config, reverted_to_float), errors)

    def with_errors(attempt: Attempt, noises: list[float]) -> Attempt:
        found = tuple(replace(each, noises=tuple(noises)) for each in attempt.context.check.outputs or ())
        attempt.context.check = replace(attempt.context.check, outputs=found)
        return attempt

    good, config = good_if(16.0, 14.0), QuantizationConfig.checked(align=False)
    model, samples = plain(clips=True)
    _, first, calibrated = quantize_once(from_runtime(model), samples, load_target("cpu"), config)
    found = guard(with_errors(with_ratio(first, 14.0), [1.0] * 11 + [8.0]), Sampled(calibrated, good))
    (step,) = (each for each in found.steps if each.what == PUBLISHED)
    assert step.is_kept == is_kept
    assert is_kept or step.why_dropped.startswith("a gain of 2.0 dB may be chance: its standard error is ")
    assert not is_kept or step.outcome.startswith("kept: a gain of 2.0 dB")
    assert step.outcome.startswith("kept: a gain of 2.0 dB, with a standard error of ") == (is_kept and bool(errors))
    poor = good_if(11.0, 9.0)
    _, first, calibrated = quantize_once(from_runtime(model), samples, load_target("cpu"), config)
    found = guard(with_errors(with_ratio(first, 9.0), [1.0] * 11 + [8.0]), Sampled(calibrated, poor))
    (step,) = (each for each in found.steps if each.what == PUBLISHED)
    assert step.is_kept
    assert step.why_kept.endswith("; this may be chance, but costs no time") == (errors == [1.0] * 11 + [0.01])


def test_what_is_good_ends_the_trials() -> None:
    found = judged(good_if(25.0, 15.0))
    assert [(step.what, step.is_kept) for step in found.steps] == [(PUBLISHED, True)]


def test_a_better_remedy_takes_the_place_of_a_good_one() -> None:
    ratios = {None: 8.0, "mixed": 14.0}
    found = judged(lambda attempt: ratios[attempt.config.preset] if attempt.config.activations.range_estimator else 7.2)
    assert [(step.what, step.is_kept) for step in found.steps] == [
        (PUBLISHED, False),
        (PUBLISHED_MIXED, True),
        (WHOLE, False),
    ]
    assert [step.why_dropped for step in found.steps] == ["other ranges, below, are better", "", "no gain"]
    assert [step.why_kept for step in found.steps] == ["", "a gain of 6.0 dB", ""]
    assert found.attempt.config.preset == "mixed"


def test_poor_outputs_that_other_ranges_make_fair_keep_all_layers() -> None:
    found = judged(good_if(12.0, 5.0))
    tried = [PUBLISHED, WHOLE]  # the other ranges are only for poor outputs
    assert [(step.what, step.is_kept) for step in found.steps] == [(each, each == PUBLISHED) for each in tried]
    assert found.attempt.margin == pytest.approx(2.0)
    assert not found.attempt.reverted_to_float


def test_layers_come_last() -> None:
    found = judged(lambda attempt: 5.0 + 30.0 * bool(attempt.reverted_to_float))
    assert [step.what for step in found.steps] == [*ALL, WHOLE, "float: 'conv'"]


def in_a_row() -> tuple[ov.Model, list[Array]]:
    """Two convolutions, so that one is left if the other goes back to float."""
    rng = np.random.default_rng(0)
    x = y = op.parameter([1, 3, 8, 8], np.float32)
    for _ in range(2):
        y = op.relu(op.convolution(y, rng.normal(size=(3, 3, 1, 1)).astype(np.float32), [1, 1], [0, 0], [0, 0], [1, 1]))
    return ov.Model([op.result(y)], [x], "m"), [rng.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(24)]


AGAIN = "the first ranges again, with the layers above in float"


@pytest.mark.parametrize(
    ("published", "as_first", "decided", "aim", "is_kept"),
    [
        pytest.param(12.0, 25.0, 1.0, "knee", True, marks=pytest.mark.slow),
        (12.0, 12.2, 1.0, "knee", False),  # no gain
        (21.0, 22.0, 1.0, "good", True),  # less than its standard error, but the other ranges have no better proof
        (21.0, 22.0, 0.93, "good", False),  # good outputs stay good: too many decisions are others
        pytest.param(12.0, 25.0, 1.0, "floor", None, marks=pytest.mark.slow),
    ],
)
def test_after_a_spoilt_layer_the_first_ranges_may_be_the_best_again(
    published: float, as_first: float, decided: float, aim: str, *, is_kept: bool | None
) -> None:
    class Decided(Judged):
        def attempt(self, config: QuantizationConfig, reverted_to_float: Any) -> Attempt:
            made = super().attempt(config, reverted_to_float)
            is_first = self.good(made) == as_first
            share = decided if is_first else 1.0
            noises = () if not reverted_to_float else (3.0, 3.0, 3.0, 1.0) if is_first else (1.0, 1.0, 1.0, 9.0)
            found = tuple(
                replace(each, decisions=400, top1=share, noises=noises) for each in made.context.check.outputs or ()
            )
            made.context.check = replace(made.context.check, outputs=found)
            return made

    def good(attempt: Attempt) -> float:
        is_published = attempt.config.activations.range_estimator == RangeEstimator()
        return (published if is_published else as_first) if attempt.reverted_to_float else 7.0 if is_published else 5.0

    model, samples = in_a_row()
    config = QuantizationConfig.checked(align=False, guard=aim)
    _, first, calibrated = quantize_once(from_runtime(model), samples, load_target("cpu"), config)
    found = guard(with_ratio(first, good(first)), Decided(calibrated, good))
    again = [(step.is_kept, step.before, step.after) for step in found.steps if step.what == AGAIN]
    assert again == ([] if is_kept is None else [(is_kept, published, as_first)])
    assert (found.attempt.config.activations.range_estimator is None) == bool(is_kept)
    assert found.attempt.reverted_to_float


def test_biases_are_corrected_for_the_whole_error_where_that_helps() -> None:
    found = judged(lambda attempt: 17.0 if attempt.config.correct_biases == "sequential" else 15.0)
    assert [(step.what, step.is_kept, step.after) for step in found.steps if step.is_kept] == [(WHOLE, True, 17.0)]
    assert found.attempt.config.correct_biases == "sequential"


@pytest.mark.parametrize("chosen", ["fast", "no", "sequential"])
def test_a_correction_of_biases_that_the_user_chose_stays(chosen: str) -> None:
    assert WHOLE not in [step.what for step in judged(lambda _: 15.0, correct_biases=chosen).steps]


def test_without_samples_to_run_again_biases_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "KEPT_BYTES", 3 * 8 * 8 * 4 - 1)
    assert WHOLE not in [step.what for step in judged(lambda _: 15.0).steps]


@pytest.mark.parametrize(("aim", "expected"), [("floor", 12.0), ("knee", 12.0), ("good", 25.0)])
def test_layers_of_a_fair_model_are_returned_until_it_is_good_only_if_that_is_wanted(aim: str, expected: float) -> None:
    found = judged(lambda attempt: 25.0 if attempt.reverted_to_float else 12.0, guard=aim)
    assert found.attempt.margin == pytest.approx(expected - 10.0)


@pytest.mark.parametrize(
    ("after", "others", "is_kept"), [(25.0, 0.0, True), (23.9, 0.0, True), (22.9, 0.0, False), (25.0, 0.4, False)]
)
def test_layers_that_take_no_time_stay_float_if_an_output_gains_and_none_loses(
    after: float, others: float, *, is_kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(attempt: Attempt, _: CalibratedModel) -> Knee:
        (node,) = attempt.context.plan.decisions
        return Knee([Effect(node.graph.scope, node.id, node.name, node.type, 0.0)], 0.1)

    def gain(before: Attempt, _: Attempt) -> tuple[float, Agreement, Agreement]:
        [one] = [*(before.context.check.outputs or ())]
        return after - 22.9, one, replace(one, sqnr=after)

    monkeypatch.setattr(guard_module, "find_nearly_free", found)
    monkeypatch.setattr(guard_module, "largest_gain", gain)
    result = judged(lambda attempt: 22.9 - others * bool(attempt.reverted_to_float))
    step = ("float: 'conv' (about 0.1 % of the time)", is_kept, 22.9, after)
    assert [(each.what, each.is_kept, each.before, each.after) for each in result.steps] == [step]
    assert bool(result.attempt.reverted_to_float) == is_kept


@pytest.mark.parametrize(
    ("most", "is_default", "aim", "ratio", "is_beside"),
    [
        (1 << 20, True, "knee", 15.0, True),
        (0, True, "knee", 15.0, False),  # two models at once would take too much memory
        (1 << 20, False, "knee", 15.0, False),  # passes of the user
        (1 << 20, True, "floor", 15.0, False),
        (1 << 20, True, "knee", 25.0, False),
        (1 << 20, True, "knee", 5.0, False),
    ],
)
def test_layers_that_stand_out_are_looked_for_beside_the_trial_of_biases(
    most: int, aim: str, ratio: float, monkeypatch: pytest.MonkeyPatch, *, is_default: bool, is_beside: bool
) -> None:
    looked: list[bool] = []
    begun = threading.Event()

    def found(*_: object) -> None:
        looked.append(threading.current_thread() is not threading.main_thread())
        begun.set()

    class Waiting(Judged):
        def attempt(self, config: QuantizationConfig, reverted_to_float: Any) -> Attempt:
            if is_beside and config.correct_biases == "sequential":
                assert begun.wait(60)
            return super().attempt(config, reverted_to_float)

    monkeypatch.setattr(guard_module, "find_standouts", found)
    monkeypatch.setattr(guard_module, "MOST_BESIDE", most)
    model, samples = plain()
    config = QuantizationConfig.checked(align=False, guard=aim)
    _, first, calibrated = quantize_once(from_runtime(model), samples, load_target("cpu"), config)
    assert calibrated.is_default
    waiting = Waiting(calibrated, lambda _: ratio)
    waiting.is_default = is_default
    guard(with_ratio(first, ratio), waiting)
    assert (True in looked) == is_beside
    assert len(looked) <= 1


def test_layers_are_ranked_again_if_others_went_back_to_float_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked: list[int] = []

    def found(attempt: Attempt, *_: object) -> None:
        ranked.append(len(attempt.reverted_to_float))

    def nearly_free(attempt: Attempt, _: CalibratedModel) -> Knee:
        node = next(iter(attempt.context.plan.decisions))
        return Knee([Effect(node.graph.scope, node.id, node.name, node.type, 0.0)], 0.1)

    monkeypatch.setattr(guard_module, "find_standouts", found)
    monkeypatch.setattr(guard_module, "find_nearly_free", nearly_free)
    judged(lambda attempt: 17.0 if attempt.reverted_to_float else 15.0)
    assert ranked == [0, 1]


def test_a_layer_that_was_tried_in_float_in_vain_is_told_with_the_measured_gain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def found(attempt: Attempt, *_: object) -> Standouts:
        (node,) = attempt.context.plan.decisions
        effect = Effect(node.graph.scope, node.id, node.name, node.type, 0.0, (), 1.0)
        return Standouts([effect], {(node.graph.scope, node.id): 4.3})

    monkeypatch.setattr(guard_module, "find_standouts", found)
    result = judged(lambda attempt: 17.7 + 2.6 * bool(attempt.reverted_to_float))
    assert result.steps[-1].why_dropped == (
        "it gains less than the 8.6 dB that this time is worth (2 dB for each 1 % of time)"
    )
    assert [*result.gains.values()] == [pytest.approx(2.6)]
    assert find_dominant(result.attempt, result.standouts, result.gains) is None


def test_few_samples_are_no_reason_to_try_anything() -> None:
    found = judged(lambda _: 22.0)
    assert [each.verdict for each in found.attempt.context.check.outputs or ()] == [Verdict.FAIR]
    assert found.attempt.is_good
    assert found.steps == ()


def test_outputs_that_cannot_be_compared_are_no_reason_to_try_anything() -> None:
    assert judged(lambda _: float("nan")).steps == ()


class Made(CalibratedModel):
    """Models whose outputs are as good as a function of their float layers says."""

    def __init__(self, calibrated: CalibratedModel, good: Callable[[int], float]) -> None:
        super().__init__(calibrated.pipeline, calibrated.context, calibrated.graph, calibrated.warnings)
        self.good, self.tried = good, list[int]()

    def attempt(self, config: QuantizationConfig, reverted_to_float: Any) -> Attempt:
        self.tried.append(len(reverted_to_float))
        return with_ratio(super().attempt(config, reverted_to_float), self.good(len(reverted_to_float)))


def with_ratio(attempt: Attempt, ratio: float) -> Attempt:
    check = attempt.context.check
    outputs = tuple(replace(each, sqnr=ratio, noises=()) for each in check.outputs or ())
    attempt.context.check = replace(check, outputs=outputs)
    return attempt


def searched(
    model: ov.Model, samples: list[Array], good: Callable[[int], float], **options: object
) -> tuple[Made, Any]:
    """The guard on a model that is as good as `good` of its number of float layers says."""
    config = QuantizationConfig.checked(
        preset="performance",
        range_estimator={"preset": "default"},
        correct_biases="fast",
        align=False,
        migrate_scales=False,
        **options,
    )
    _, first, calibrated = quantize_once(from_runtime(model), samples, load_target("npu"), config)
    made = Made(calibrated, good)
    return made, guard(with_ratio(first, good(0)), made)


@pytest.mark.parametrize(
    "needed", [1, pytest.param(2, marks=pytest.mark.slow), 3, pytest.param(4, marks=pytest.mark.slow), 5]
)
def test_the_fewest_layers_are_returned(faulty: Faulty, needed: int) -> None:
    model, _, samples = faulty("outlier channel", 2)
    made, found = searched(model, samples, lambda count: 30.0 if count >= needed else 5.0 + count / 10)
    assert len(found.attempt.reverted_to_float) == needed
    assert len(made.tried) <= 6
    assert sum(step.is_kept for step in found.steps) == 1


@pytest.mark.parametrize(
    ("part", "ratio", "what"),
    [
        ("costliest", 5.0, "rank the layers"),
        ("find_standouts", 15.0, "look for layers that stand out"),
        ("find_nearly_free", 22.0, "look for layers that take next to no time"),
    ],
)
def test_a_part_that_the_runtime_refuses_is_left_out_and_told(
    part: str, ratio: float, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph that measures holds each layer twice: the plugin may refuse it although it runs the model."""

    def refused(*_: object) -> None:
        message = "the runtime cannot compile the model: ranks are not equal"
        raise RuntimeRejectedError(message)

    monkeypatch.setattr(guard_module, part, refused)
    found = judged(lambda _: ratio)
    assert found.attempt.reverted_to_float == {}
    assert found.failures == (f"the guard could not {what}: the runtime cannot compile the model: ranks are not equal",)


def test_if_nothing_helps_the_best_is_kept(faulty: Faulty) -> None:
    model, _, samples = faulty("outlier channel", 2)
    _, found = searched(model, samples, lambda count: 9.0 - abs(count - 2))
    assert found.attempt.margin == pytest.approx(
        -1.0 if len(found.attempt.reverted_to_float) == 2 else found.attempt.margin
    )
    assert found.attempt.margin < 0


def test_out_of_time_means_float_rather_than_spoilt(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "MOST_SECONDS", -1.0)
    model, _, samples = faulty("outlier channel", 2)
    made, found = searched(model, samples, lambda count: 5.0 + count)
    assert found.is_out_of_time
    assert len(made.tried) == 1
    assert len(found.attempt.reverted_to_float) == len(found.effects) > 3


def test_no_more_models_are_tried_than_allowed(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "MOST_ATTEMPTS", 2)
    model, _, samples = faulty("outlier channel", 2)
    made, _ = searched(model, samples, lambda _: 5.0)
    assert len(made.tried) <= 3


# ------------------------------------------------------------------------------ what the device computes wrongly


def without_bias() -> tuple[ov.Model, list[Array]]:
    """A squeeze-excite block behind a convolution without a bias, of sizes that are not known."""
    rng = np.random.default_rng(1)
    x = op.parameter(ov.PartialShape([1, 24, -1, -1]), np.float32, name="x")

    def conv(tensor: Any, outputs: int, inputs: int, name: str) -> Any:
        kernel = rng.normal(size=(outputs, inputs, 1, 1)).astype(np.float32) * 0.3
        return op.convolution(tensor, kernel, [1, 1], [0, 0], [0, 0], [1, 1], name=name)

    first = conv(op.relu(x), 16, 24, "first")
    mean = op.reduce_mean(first, np.array([2, 3]), True)
    squeezed = op.relu(op.add(conv(mean, 4, 16, "squeeze"), np.full((1, 4, 1, 1), 0.1, np.float32)))
    excited = op.add(conv(squeezed, 16, 4, "excite"), np.full((1, 16, 1, 1), 0.1, np.float32))
    gate = op.hard_sigmoid(excited, np.float32(0.2), np.float32(0.5))
    y = conv(op.add(first, op.multiply(first, gate)), 16, 16, "last")
    samples = [rng.normal(size=(1, 24, 12, 12)).astype(np.float32) for _ in range(12)]
    return ov.Model([op.result(y)], [x], "block"), samples


NO_BIASES: dict[str, Any] = {"correct_biases": "no", "range_estimator": {"preset": "default"}}


def careless() -> Target:
    """The CPU as if its convolutions needed no bias."""
    rules = tuple(rule.model_copy(update={"needs_bias": False}) for rule in load_target("cpu").rules)
    return load_target("cpu").model_copy(update={"rules": rules})


def test_the_device_computes_a_convolution_without_a_bias_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the runtime has mended it, and `needs_bias` can go from the target files."""
    monkeypatch.setattr(faults, "MOST_FAULTS", 0)
    model, samples = without_bias()
    _, report = quantize_graph(
        from_runtime(model), samples, careless(), QuantizationConfig.checked(guard=False, **NO_BIASES)
    )
    assert report.check.margin < 0


def test_a_bias_that_adds_nothing_makes_it_right() -> None:
    model, samples = without_bias()
    _, report = quantized(model, samples, **NO_BIASES)
    assert (report.guard, float_layers(report)) == ((), [])
    assert report.check.margin > 10


@pytest.mark.parametrize(("count", "guilty"), [(1, "first"), (12, "last")])
@pytest.mark.parametrize(
    "options", [{}, pytest.param({"guard": False}, marks=pytest.mark.slow)], ids=["guard", "no guard"]
)
def test_a_layer_that_the_device_computes_wrongly_is_found_and_left_float(
    count: int, guilty: str, options: dict[str, Any]
) -> None:
    """Each of the two makes it right."""
    model, samples = without_bias()
    config = QuantizationConfig.checked(**NO_BIASES, **options)
    _, report = quantize_graph(from_runtime(model), samples[:count], careless(), config)
    assert report.warnings[-1] == f"Convolution '{guilty}' is left float: {device.OTHERWISE}"
    assert float_layers(report) == [guilty]
    assert report.guard == ()


def test_so_it_is_where_a_metric_judges() -> None:
    model, samples = without_bias()
    wanted = MetricGoals((Metric("constant", lambda _: 1.0),))
    _, report = quantize_graph(
        from_runtime(model),
        samples,
        careless(),
        QuantizationConfig.checked(**NO_BIASES),
        wanted=wanted,
    )
    assert float_layers(report) == ["last"]


def test_a_layer_that_keeps_the_model_from_being_compiled_is_left_float() -> None:
    """The scale of a product moves behind a pool over the axis that it has numbers for."""
    rng = np.random.default_rng(0)
    x = op.parameter([2, 3, 6, 8], np.float32, name="x")
    product = op.matmul(x, rng.normal(size=(8, 8)).astype(np.float32), False, True, name="product")
    y = op.avg_pool(product, [1, 1], [0, 0], [0, 0], [2, 2], True)
    samples = [rng.normal(size=(2, 3, 6, 8)).astype(np.float32) for _ in range(3)]
    rules = tuple(rule.model_copy(update={"needs_bias_before": ()}) for rule in load_target("cpu").rules)
    specs = load_target("cpu").specs
    plain = specs["a8"].model_copy(update={"absorbs_zero_point": False})  # else there would be a bias
    target = load_target("cpu").model_copy(update={"rules": rules, "specs": {**specs, "a8": plain}})
    _, report = quantize_graph(
        from_runtime(ov.Model([op.result(y)], [x], "m")),
        samples,
        target,
        QuantizationConfig.checked(guard=False, **NO_BIASES),
    )
    assert report.warnings[-1].startswith("MatMul 'product' is left float: with it in int8, the runtime fails: ")


def test_random_outputs_are_no_fault_of_the_device() -> None:
    rng = np.random.default_rng(0)
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    noise = op.random_uniform(np.array([1, 3, 8, 8]), np.float32(-1), np.float32(1), "f32")
    y = op.convolution(op.add(x, noise), rng.normal(size=(4, 3, 3, 3)).astype(np.float32), *[[1, 1]] * 4)
    samples = [rng.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(3)]
    _, report = quantized(ov.Model([op.result(y)], [x], "m"), samples, guard=False)
    assert float_layers(report) == []


def test_a_device_that_is_not_here_has_no_faults(faulty: Faulty) -> None:
    model, guilty, samples = faulty("outlier channel", 0)
    _, report = quantize_graph(
        from_runtime(model), samples, load_target("npu"), QuantizationConfig(correct_biases="fast")
    )
    assert not any("is left float" in each for each in report.warnings)
    assert guilty in float_layers(report)


def test_statistics_at_new_tensors_are_measured_on_the_held_out_samples() -> None:
    """One layer behind a MaxPool goes back to float: the other's FakeQuantize moves below it."""
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    kernels = [np.random.default_rng(k).normal(size=(4, 3, 3, 3)).astype(np.float32) for k in range(2)]
    moved = op.slice(x, np.array([2]), np.array([8]), np.array([1]), np.array([2]))
    layers = [op.convolution(moved, each, *[[1, 1]] * 4, name=f"conv{k}") for k, each in enumerate(kernels)]
    model = ov.Model([op.result(each) for each in layers], [x], "m")
    samples = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]
    graph = from_runtime(model)
    _, first, calibrated = quantize_once(graph, samples, load_target("cpu"), QuantizationConfig())
    key = next((node.graph.scope, node.id) for node in first.context.plan.decisions if node.name == "conv0")
    attempt = calibrated.attempt(QuantizationConfig(), {key: "put aside"})
    int8 = {node.name: decision.int8 for node, decision in attempt.context.plan.decisions.items()}
    assert int8 == {"conv0": False, "conv1": True}
    assert attempt.margin > 10


def test_parsed_targets_know_needs_bias() -> None:
    text = "name: t\nextends: cpu\nrules:\n  - {op: Convolution, inputs: {data: a8, weights: w8}, needs_bias: true}\n"
    assert parse_target(text, "t.yaml").rules[0].needs_bias


def test_the_intermediate_model_is_that_of_the_result(faulty: Faulty, tmp_path: Any) -> None:
    model, guilty, samples = faulty("outlier channel", 0)
    ov.serialize(model, tmp_path / "m.xml", tmp_path / "m.bin")
    config = QuantizationConfig.checked(keep_intermediate=True, correct_biases="fast")
    result = quantize(tmp_path / "m.xml", samples, config=config)
    before = read_model(result.with_name("m_int8_before_bias_correction.xml"))
    quantizers = {node.name for node in before.nodes("FakeQuantize")}
    assert not any(name.startswith(f"{guilty}/fq_weights") for name in quantizers)
    assert any(name.startswith("conv0/fq_weights") for name in quantizers)


def test_a_model_of_which_nothing_stays_int8_is_told_of(faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "MOST_ATTEMPTS", 0)
    model, _, samples = faulty("outlier channel", 0)
    _, report = quantized(model, samples)
    assert not any(layer.decision.int8 for layer in report.layers)
    said = "no layer is left in int8: with any, an output is poor; the result is a float model"
    assert report.warnings[-1] == said


@pytest.mark.parametrize(("reverted", "is_told"), [(1, False), (2, False), (3, True), (4, False)])
def test_a_model_of_which_little_stays_int8_is_told_of(reverted: int, *, is_told: bool) -> None:
    graph, context = from_runtime(ov.Model([op.result(x := op.parameter([1]))], [x])), Context(load_target("cpu"))
    floats = [Decision(int8=False, reason=f"{ROUNDING} 20% of the outputs' error")] * reverted
    decisions = [*floats, *[Decision(int8=True, reason="")] * (4 - reverted)]
    context.plan = Plan((), {Node(graph, number): each for number, each in enumerate(decisions)}, {})
    told = list(_few_int8(Attempt(graph, context, QuantizationConfig(), {})))
    assert bool(told) is is_told
    assert all("3 layers went back to float, and 1 are left in int8" in each for each in told)


def test_an_output_that_int8_makes_infinite_is_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logarithm of what int8 rounds to zero; in bf16 that happens elsewhere, too, which the device check mends."""
    monkeypatch.setattr(device, "own_precision", lambda: "f32")
    rng = np.random.default_rng(0)
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    first = op.convolution(x, rng.normal(size=(4, 3, 3, 3)).astype(np.float32), *[[1, 1]] * 4, name="first")
    second = op.convolution(
        op.exp(first), rng.uniform(0.1, 1, (4, 4, 3, 3)).astype(np.float32), *[[1, 1]] * 4, name="second"
    )
    model = ov.Model([op.result(op.log(second))], [x], "m")
    samples = [rng.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(20)]
    _, unguarded = quantized(model, samples, guard=False)
    assert unguarded.check.margin < 0
    _, report = quantized(model, samples)
    assert report.check.margin >= 0


def test_an_output_that_cannot_be_compared_does_not_hide_the_error_of_a_gain() -> None:
    def with_unknown(ratio: float, noises: list[float]) -> Attempt:
        _, made, _ = quantize_once(from_runtime(plain()[0]), plain()[1], load_target("cpu"), QuantizationConfig())
        known = next(iter(made.context.check.outputs or ()))
        unknown = replace(known, sqnr=float("nan"), noises=())
        outputs = (unknown, replace(known, sqnr=ratio, noises=tuple(noises)))
        made.context.check = replace(made.context.check, outputs=outputs)
        return made

    before = with_unknown(14.0, [1.0] * 11 + [8.0])
    assert guard_module._why_no_better(with_unknown(16.0, [0.5] * 11 + [4.0]), before) == ""
    why = guard_module._why_no_better(with_unknown(16.0, [1.0] * 11 + [0.01]), before)
    assert re.fullmatch(r"a gain of 2\.0 dB may be chance: its standard error is \d\.\d dB", why)


def test_an_output_that_would_be_poor_is_told_with_the_criterion_that_makes_it_so() -> None:
    _, made, _ = quantize_once(from_runtime(plain()[0]), plain()[1], load_target("cpu"), QuantizationConfig())

    def attempt(**values: Any) -> Attempt:
        found = tuple(replace(each, decisions=0, **values) for each in made.context.check.outputs or ())
        check = replace(made.context.check, outputs=tuple(replace(each, decisions=200) for each in found))
        context = copy(made.context)
        context.check = check
        return replace(made, context=context)

    fair = attempt(sqnr=14.1, top1=1.0)
    name = (made.context.check.outputs or ())[0].name
    said = f"output '{name}' would be poor: 25.0% of its 200 decisions would change"
    assert guard_module._poorer(attempt(sqnr=14.6, top1=0.75), fair) == said
    assert guard_module._poorer(attempt(sqnr=9.0, top1=1.0), fair) == f"output '{name}' would be poor: 9.0 dB"
