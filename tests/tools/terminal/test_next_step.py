"""What a summary says first: the verdict, and what to do next."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from irquant import quantize_model
from irquant.passes import QuantizationConfig, Report
from irquant.passes.accuracy.control import AccuracyResult
from irquant.passes.accuracy.guard import GuardStep
from irquant.passes.analysis.agreement import Agreement, Levels
from irquant.passes.analysis.data_findings import DataFindings
from irquant.passes.analysis.image_findings import DataMistake
from irquant.passes.analysis.outputs import OutputKind
from irquant.passes.evaluation.latency import Latencies, Latency, Mode
from irquant.passes.evaluation.sensitivity import Effect
from irquant.passes.infra.execution import Asked
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.placement.plan import FloatSum
from irquant.passes.reporting.report import Dominant, Reverted
from irquant.tools.cli import run
from irquant.tools.report.values import report_values
from irquant.tools.terminal.advice import MORE_SAMPLES, advice_line
from irquant.tools.terminal.console import output_lines
from irquant.tools.terminal.next_step import needs_work, next_step, verdict_line
from irquant.tools.terminal.summary import report_lines
from irquant.tools.terminal.typed_command import TypedCommand
from irquant.tools.zoo.record import Figures

WORDS = ("quantize", "my model.xml", "--data", "it's.npz", "-o", "o.xml")
TYPED = TypedCommand(WORDS)
AGAIN = "irquant quantize 'my model.xml' --data 'it'\"'\"'s.npz' -o o.xml"
MODE = Mode("f32", "latency")
METRIC_FIRST = (
    "measure the loss with a metric of your own (--metric file.py:function, docs/accuracy.md); without labels"
)


@pytest.fixture(scope="module")
def report(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    output = tmp_path_factory.mktemp("out") / "o.xml"
    data = np.random.default_rng(0).normal(size=(20, 3, 8, 8)).astype(np.float32)
    return quantize_model(model, data, output=output).report


def judged(report: Report, *ratios: float, **options: object) -> Report:
    """The report with outputs of these ratios and these options, in a file with a short name."""
    outputs = tuple(Agreement(f"y{index}", OutputKind.VALUES, each, 0.9) for index, each in enumerate(ratios))
    assert report.origin
    config = report.origin.options.config.model_copy(update=options)
    origin = replace(report.origin, result=Path("out") / "o.xml", options=replace(report.origin.options, config=config))
    return replace(report, check=replace(report.check, outputs=outputs or None), origin=origin)


def effect(name: str, share: float) -> Effect:
    return Effect((), 1, name, "Convolution", 10.0, (), share)


@pytest.mark.parametrize(
    ("ratios", "options", "verdict", "said"),
    [
        ((30.0,), {}, "good (no loss of accuracy was seen at this level; output 'y0': 30.0 dB)", "nothing to do"),
        (
            (30.0, 15.0),
            {},
            "fair (a small loss of accuracy is possible; measure it with your own data; worst output 'y1': 15.0 dB)",
            f"{METRIC_FIRST}: {AGAIN} --guard good",
        ),
        ((15.0,), {"guard": "good"}, None, f"{AGAIN} --report out/o.html"),
        (
            (5.0,),
            {},
            "poor (a loss of accuracy is likely; output 'y0': 5.0 dB)",
            f"{AGAIN} --report out/o.html",
        ),
        ((5.0,), {"guard": False}, None, f"{AGAIN} --guard knee"),
        (
            (np.nan,),
            {},
            "unknown (the outputs cannot be compared: 'y0')",
            "measure the result with a metric of your own: --metric file.py:function",
        ),
        (
            (),
            {},
            "not checked, since no samples were held out",
            "give 9 samples or more, better 100 to 300, so that some can be held out to check the result",
        ),
    ],
)
def test_each_verdict_has_its_step(
    report: Report, ratios: tuple[float, ...], options: dict[str, object], verdict: str | None, said: str
) -> None:
    found = judged(report, *ratios, **options)
    assert verdict is None or verdict_line(found) == verdict
    assert next_step(found, TYPED) == said


def test_saved_statistics_without_data_need_the_data_for_the_check(
    model: Path, arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["quantize", str(model), "--data", str(arrays), "-o", "a.xml", "--save-statistics", "s.npz"]) == 0
    capfd.readouterr()
    again = ["quantize", str(model), "--statistics", "s.npz", "-o", "b.xml"]
    assert run(again) == 0
    said = capfd.readouterr().out.splitlines()
    command = f"irquant {shlex.join([*again, '--data', 'SOURCE'])}"
    assert said[1] == f"next: check the result with the data that the statistics were measured on: {command}"
    assert any(
        line.endswith("; no held-out samples to check the outputs (give the data of the statistics)") for line in said
    )
    assert run([*again, "--data", str(arrays)]) == 0
    assert "held-out sample" in capfd.readouterr().out


def on_samples(report: Report, ratio: float, samples: int) -> Report:
    found = judged(report, ratio)
    outputs = tuple(replace(each, samples=samples) for each in found.check.outputs or ())
    return replace(found, check=replace(found.check, outputs=outputs))


def test_what_few_samples_cannot_say_needs_more_samples(report: Report) -> None:
    few = on_samples(report, 22.0, 4)
    said = "give 80 samples or more, so that 8 or more are held out to check the result"
    assert verdict_line(few) == (
        "fair (a small loss of accuracy is possible; measure it with your own data; output 'y0': 22.0 dB; "
        "good begins at 25.0 dB on 4 samples)"
    )
    assert next_step(few, TYPED) == said
    assert advice_line(few, Path("m.xml")) == f"next: {said}"
    assert next_step(on_samples(report, 15.0, 4), TYPED) == f"{METRIC_FIRST}: {AGAIN} --guard good"
    assert next_step(on_samples(report, 25.1, 4), TYPED) == "nothing to do"


@pytest.mark.parametrize("ratio", [np.inf, 41.0, 15.0, 5.0])
def test_a_verdict_on_very_few_samples_says_so_and_asks_for_more_first(report: Report, ratio: float) -> None:
    two, three = on_samples(report, ratio, 2), on_samples(report, ratio, 3)
    (word, _, rest), (other, _, same) = (verdict_line(each).partition(" ") for each in (two, three))
    assert (word, rest) == (other, f"on 2 samples only {same}")
    assert verdict_line(on_samples(report, ratio, 1)) == f"{word} on 1 sample only {same}"
    assert next_step(two, TYPED) == next_step(two, None) == MORE_SAMPLES
    assert next_step(three, TYPED) != MORE_SAMPLES
    assert advice_line(two, Path("m.xml")) == f"next: {MORE_SAMPLES}"
    assert needs_work(two)


def test_more_samples_are_an_option_if_another_option_says_how_many(report: Report) -> None:
    few = replace(judged(report, 41.0, samples=20), check=on_samples(report, 41.0, 1).check)
    assert next_step(few, TYPED) == f"{AGAIN} --samples 80"
    assert next_step(few, None) == "quantize again with subset_size=80"
    assert next_step(replace(few, samples=18), TYPED) == MORE_SAMPLES  # the data have no more


def test_the_suggested_command_leaves_out_what_it_contradicts(report: Report) -> None:
    typed = TypedCommand((*WORDS, "--no-guard"))
    assert next_step(judged(report, 5.0, guard=False), typed) == f"{AGAIN} --guard knee"


def test_a_report_that_was_written_is_to_be_read(report: Report) -> None:
    said = "open the report: it ranks the layers; leave the first ones float with --ignored"
    assert next_step(judged(report, 5.0), TypedCommand((*WORDS, "--report", "r.html"))) == said
    assert next_step(judged(report, 5.0), TypedCommand((*WORDS, "--report=r.html"))) == said


def test_what_was_ranked_is_left_float_or_the_other_preset_taken(report: Report) -> None:
    ranked = replace(judged(report, 12.0, guard="good"), effects=(effect("a conv", 0.95), effect("other", 0.05)))
    assert next_step(ranked, TYPED) == f"{AGAIN} --ignored 'a conv'"
    assert next_step(ranked, None) == "quantize again with ignored=['a conv']"
    flat = replace(ranked, effects=tuple(effect(str(index), 0.0) for index in range(9)))
    assert next_step(flat, TYPED) == f"{AGAIN} --preset mixed"
    assert next_step(flat, None) == "quantize again with preset='mixed'"


def test_only_outputs_that_are_not_good_need_work(report: Report) -> None:
    assert [needs_work(judged(report, *each)) for each in ((30.0,), (30.0, 15.0), (5.0,), ())] == [
        False,
        True,
        True,
        False,
    ]


def test_detail_without_a_page_is_refused(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", str(model), "--data", "x.npz", "--report-detail", "full"]) == 2
    assert capfd.readouterr().err == "error: --report-detail says what a report holds: add --report FILE.html\n"


def test_warnings_come_before_figures_and_are_pointed_to(report: Report) -> None:
    found = replace(judged(report, 30.0), warnings=("one",))
    assert list(report_lines(found, "o.xml", TYPED))[1:3] == ["next: see the warning below", "warning: one"]
    assert next_step(replace(found, warnings=("one", "two")), TYPED) == "see the warnings below"


WRONG = DataMistake("values lie in 0 to 255", "give the mean", flags=("--mean", "M,M,M"))


@pytest.mark.parametrize("ratio", [30.0, 15.0, 5.0])
def test_data_that_look_wrong_come_before_any_verdict(report: Report, ratio: float) -> None:
    found = replace(judged(report, ratio), data=DataFindings("20 samples", (str(WRONG),), (WRONG,)))
    doubt = "unknown, since the data look wrong: values lie in 0 to 255; with these data: "
    assert verdict_line(found) == doubt + verdict_line(judged(report, ratio))
    assert next_step(found, TYPED) == f"mend the data first: give the mean: {AGAIN} --mean M,M,M"
    assert next_step(found, None) == "mend the data first: give the mean"
    assert needs_work(found)
    values = report_values(found, "m.xml", "o.xml")
    assert values["data_mistakes"] == ["values lie in 0 to 255"]
    assert found.verdict == values["verdict"] == Figures.of(found, 1).verdict == "unknown"


def test_a_metric_within_its_limit_outweighs_data_that_look_wrong(report: Report) -> None:
    found = replace(judged(report, 30.0), data=DataFindings("20 samples", (), (WRONG,)))
    assert next_step(replace(found, accuracy=Result(is_reached=False)), TYPED).startswith("mend the data first: ")
    outweighed = replace(found, accuracy=Result(is_reached=True))
    assert outweighed.verdict == "good"
    assert verdict_line(outweighed) == "within the limits of your metrics ()"


class Result(AccuracyResult):
    def __init__(self, *, is_reached: bool, stopped: str = "", trials: int = 1) -> None:
        object.__setattr__(self, "stopped", stopped)
        object.__setattr__(self, "trials", (None,) * trials)
        object.__setattr__(self, "metrics", ())
        object.__setattr__(self, "reached", is_reached)

    @property
    def is_reached(self) -> bool:
        return bool(self.__dict__["reached"])


def test_a_limit_that_ended_the_search_with_metrics_is_raised_first(report: Report) -> None:
    ended = replace(judged(report, 30.0), accuracy=Result(is_reached=False, stopped="the limit", trials=40))
    assert next_step(ended, None) == "quantize again with config=QuantizationConfig(accuracy={'max_trials': 80})"
    assert next_step(ended, TYPED) == f"{AGAIN} --report out/o.html", "there is no such option"
    timed = judged(report, 30.0, accuracy=AccuracyOptions(seconds=60))
    soon = replace(timed, accuracy=Result(is_reached=False, stopped="the limit", trials=9))
    assert next_step(soon, None) == "quantize again with config=QuantizationConfig(accuracy={'seconds': 120})"
    assert next_step(soon, TYPED) == f"{AGAIN} --metric-seconds 120"
    assert next_step(replace(soon, accuracy=Result(is_reached=False)), TYPED) == f"{AGAIN} --report out/o.html"


def test_a_loss_that_a_metric_has_measured_need_not_be_measured_again(report: Report) -> None:
    fair = judged(report, 15.0)
    (said,) = (each for each in output_lines(fair) if each.startswith("  y0: "))
    assert said.endswith(": fair (a small loss of accuracy is possible; measure it with your own data)")
    (said,) = (
        each for each in output_lines(replace(fair, accuracy=Result(is_reached=True))) if each.startswith("  y0: ")
    )
    assert said.endswith(": fair (what it costs, your metrics say)")


def test_metrics_decide_before_outputs(report: Report) -> None:
    assert next_step(replace(judged(report, 5.0), accuracy=Result(is_reached=True)), TYPED) == "nothing to do"
    worse = replace(judged(report, 30.0), accuracy=Result(is_reached=False))
    assert next_step(worse, TYPED) == f"{AGAIN} --report out/o.html"
    assert verdict_line(worse).startswith("worse than the limits of your metrics")


def test_python_gets_the_words_of_its_own_interface(report: Report) -> None:
    assert next_step(judged(report, 15.0), None) == (
        "measure the loss with a metric of your own (metric=function, docs/accuracy.md); without labels: quantize again with "
        "guard='good'"
    )
    assert next_step(judged(report, 5.0, guard=False), None) == "quantize again with guard='knee'"
    assert next_step(judged(report, 5.0), None).startswith("show the report in a notebook: it ranks the layers;")


def began(ratio: float) -> tuple[GuardStep, ...]:
    return (GuardStep("float: 'a'", True, ratio, 30.0, 1, 2),)


@pytest.mark.parametrize(
    ("options", "found", "named"),
    [
        ({"activations": {"range_estimator": {"max": {"clipping_value": 0.1}}}}, 5.0, "activations.range_estimator"),
        ({"range_estimator": {}}, 5.0, "range_estimator"),
        ({"weights": {"bits": 8}}, 5.0, ""),
        ({}, 5.0, ""),
        ({"range_estimator": {}}, 30.0, ""),
    ],
)
def test_range_estimators_of_the_user_are_suspects_if_outputs_are_poor(
    report: Report, options: dict[str, object], found: float, named: str
) -> None:
    given = QuantizationConfig.checked(**options)
    poor = judged(report, found, **{name: getattr(given, name) for name in options})
    said = f"try it without {named} of your options: with it, the output is poor"
    assert (next_step(poor, TYPED) == said) == bool(named)


def test_range_estimators_are_suspects_if_only_float_layers_made_up_for_them(report: Report) -> None:
    ends = QuantizationConfig.checked(range_estimator={"preset": "quantile"})
    found = judged(report, 30.0, range_estimator=ends.range_estimator)
    said = "try it without range_estimator of your options: with it, the guard began with 0.3 dB"
    assert next_step(replace(found, guard=began(0.3)), TYPED) == said
    assert next_step(replace(found, guard=began(18.0)), TYPED) == "nothing to do"


@pytest.mark.parametrize(("ms", "is_told"), [(9.9, True), (9.0, False)])
def test_a_good_model_that_is_no_faster_has_a_next_step(report: Report, ms: float, *, is_told: bool) -> None:
    one, other = (Latency(each, each, each, each) for each in (10e-3, ms * 1e-3))
    latencies = Latencies(one, other, 30, 2, MODE)
    back = tuple(Reverted(str(number), "Convolution", "", is_layer=number > 0) for number in range(3))
    found = replace(judged(report, 30.0, guard="good"), latencies=latencies, reverted=back)
    slow = "nothing of the speed is left (1.01x) with 2 layers back in float: "
    metric = "let a metric of your own decide (--metric file.py:function)"
    said = f"{slow}{metric}, or {AGAIN} --guard knee" if is_told else "nothing to do"
    assert next_step(found, TYPED) == said
    assert next_step(replace(found, reverted=()), TYPED) == "nothing to do"
    assert next_step(replace(found, layers=found.layers * 100), TYPED) == "nothing to do", "few of many layers"
    python = "quantize again with guard='knee', or with a metric of your own (metric=function)"
    assert next_step(found, None) == (f"{slow}{python}" if is_told else "nothing to do")


def test_many_layers_in_float_are_counted_and_the_first_ones_named(report: Report) -> None:
    back = tuple(
        Reverted(f"l{number}", "Add" if number == 4 else "Convolution", f"why {number}", is_layer=number != 4)
        for number in range(6)
    )
    sums = (FloatSum("l4", "why 4"), FloatSum("other", "another reason"))
    lines = list(report_lines(replace(report, reverted=back, float_sums=sums), "o.xml", TYPED))
    assert [each for each in lines if each.startswith("sum")] == ["sum in float: Add 'other': another reason"]
    assert [each for each in lines if each.startswith("reverted")] == [
        *(f"reverted to float: Convolution 'l{number}': why {number}" for number in range(3)),
        "reverted to float: 3 more (2 Convolution, 1 Add; 2 of them layers): alone, each causes less; together, "
        "they were needed",
    ]
    assert not any(each.startswith("reverted") for each in report_lines(report, "o.xml", TYPED))


def test_sums_in_float_are_told_only_if_the_result_is_not_good(report: Report) -> None:
    sums = (FloatSum("s", "why"),)
    for ratio, told in ((30.0, []), (15.0, ["sum in float: Add 's': why"])):
        lines = report_lines(replace(judged(report, ratio), float_sums=sums), "o.xml", TYPED)
        assert [each for each in lines if each.startswith("sum")] == told


def test_layers_that_the_execution_graph_does_not_count_are_told_beside_the_others(report: Report) -> None:
    (first, *rest), decision = report.layers, report.layers[0].decision
    recurrent = [replace(first, type="LSTMSequence", decision=replace(decision, int8=each)) for each in (False, True)]
    found = replace(report, layers=(first, *rest, recurrent[0], recurrent[0], recurrent[1]))
    said = "ran in int8: 2 of 2 executed layers (100%)"
    assert said in report_lines(report, "o.xml", TYPED)
    beside = "; besides these: 2 LSTMSequence in float, 1 LSTMSequence in int8"
    assert f"{said}{beside}" in report_lines(found, "o.xml", TYPED)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "not verified: 1 layer in a body with dynamic shapes: the runtime does not show it"),
        (2, "not verified: 2 layers in bodies with dynamic shapes: the runtime does not show them"),
    ],
)
def test_layers_that_the_runtime_does_not_show_are_counted(report: Report, count: int, said: str) -> None:
    assert report.check.execution
    check = replace(report.check, execution=replace(report.check.execution, unseen=count))
    assert said in report_lines(replace(report, check=check), "o.xml", TYPED)


def test_the_check_of_the_device_has_figures_only_if_it_fails(report: Report) -> None:
    assert "the device computes the FakeQuantizes correctly (2 samples)" in report_lines(report, "o.xml", TYPED)
    wrong = Asked("y", 3.0, 30.0, 2, "in all")
    found = replace(report, check=replace(report.check, asked=wrong))
    assert (
        "the device computes the FakeQuantizes wrongly (SQNR 3.0 dB, with FakeQuantizes in float 30.0 dB, at 'y'; 2 samples)"
    ) in report_lines(found, "o.xml", TYPED)


def test_a_layer_that_makes_most_of_the_error_is_named_with_its_gain_and_cost(report: Report) -> None:
    found = replace(report, dominant=Dominant("a conv", "Convolution", 0.62, 4.2, 7.6))
    assert (
        "most of the error: 62% comes from Convolution 'a conv': in float, the outputs gain about 4.2 dB, for about 7.6 % "
        "more time: ignored='a conv'"
    ) in report_lines(found, "o.xml", TYPED)
    assert report_values(found, "m.xml", "o.xml")["dominant_layer"] == {
        "name": "a conv",
        "type": "Convolution",
        "share": 0.62,
        "gain": 4.2,
        "more_time_percent": 7.6,
    }


def test_the_suggested_command_runs_as_it_stands(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix in (".xml", ".bin"):
        (tmp_path / f"my model{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    data = np.random.default_rng(0).normal(size=(40, 3, 8, 8)).astype(np.float32)
    np.savez("d.npz", data)
    command = ["quantize", "my model.xml", "--data", "d.npz", "-o", "o.xml", "--no-guard", "--preset", "performance"]
    monkeypatch.setattr("irquant.passes.analysis.agreement._LEVELS", Levels(floor=20.0, good=90.0))
    assert run(command) == 0
    said = next(line for line in capfd.readouterr().out.splitlines() if line.startswith("next: irquant "))
    again = shlex.split(said.removeprefix("next: irquant "))
    assert again == [*(word for word in command if word != "--no-guard"), "--guard", "knee"]
    assert run(again) == 0


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        ("q m.xml --samples 30 --no-guard", ("--samples", "80"), "irquant q m.xml --no-guard --samples 80"),
        ("q m.xml --samples=30", ("--samples", "80"), "irquant q m.xml --samples 80"),
        ("q m.xml --ignored a", ("--ignored", "b"), "irquant q m.xml --ignored a --ignored b"),
        ("q --samples 30 -- -x.xml", ("--samples", "80"), "irquant q --samples 80 -- -x.xml"),
        ("q m.xml --colour_order bgr", ("--colour-order", "rgb"), "irquant q m.xml --colour-order rgb"),
        ("compare a b --data d", ("--per-layer",), "irquant compare a b --data d --per-layer"),
    ],
)
def test_an_option_of_a_suggested_command_replaces_the_former_one(words: str, more: tuple[str, ...], said: str) -> None:
    assert TypedCommand(words.split()).changed(*more) == said
