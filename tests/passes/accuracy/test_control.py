"""The user's own metrics: what is returned to float for them, and what is not."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import UserError
from irquant.passes import QuantizationConfig, Report, quantize
from irquant.passes.accuracy.control import AccuracyResult
from irquant.passes.accuracy.metrics import Metric, MetricError
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.options.config_error import ConfigError
from irquant.passes.reporting.python_warnings import AccuracyWarning

Array = np.ndarray[Any, np.dtype[Any]]
Predict = Callable[[Any], dict[str, Array]]
RNG = np.random.default_rng(0)
DATA = [RNG.normal(size=(1, 8, 12, 12)).astype(np.float32) for _ in range(40)]
BARE = QuantizationConfig(guard=False, align=False)


def model(*names: str) -> ov.Model:
    """A chain of convolutions and ReLUs; what a "bad..." one reads has one channel a thousand times as large."""
    rng = np.random.default_rng(1)
    image = op.parameter([1, 8, 12, 12], np.float32, name="image")
    image.output(0).set_names({"image"})
    tensor, ones = image, [1, 1]
    for name, following in zip(names, [*names[1:], ""], strict=True):
        weights = rng.normal(size=(8, 8, 3, 3)).astype(np.float32) / 6
        weights[:, 0] /= 1000 if name.startswith("bad") else 1
        weights[0] *= 1000 if following.startswith("bad") else 1
        conv = op.convolution(tensor, weights, ones, ones, ones, ones, name=name)
        tensor = op.relu(conv) if following else conv
    tensor.output(0).set_names({"out"})
    return ov.Model([op.result(tensor)], [image], "chain")


class Closeness:
    """1 - error power / signal power, to what the first model gave: 1 for the float model."""

    def __init__(self) -> None:
        self.wanted: list[Array] = []
        self.values: list[float] = []

    def __call__(self, predict: Predict) -> float:
        found = [predict({"image": each})["out"] for each in DATA[:6]]
        self.wanted = self.wanted or found
        error = sum(float(np.square(a - b).sum()) for a, b in zip(found, self.wanted, strict=True))
        self.values.append(1 - error / sum(float(np.square(each).sum()) for each in self.wanted))
        return self.values[-1]


def controlled(given: ov.Model, metric: Any, config: QuantizationConfig = BARE, **options: Any) -> AccuracyResult:
    reports: list[Report] = []
    quantize(given, DATA, metric=metric, config=config, report=reports.append, **options)
    assert reports[0].accuracy is not None
    return reports[0].accuracy


def names(found: AccuracyResult) -> list[str]:
    return [each.name for each in found.reverted_to_float]


def test_a_model_that_is_good_enough_stays_as_it_is() -> None:
    found = controlled(model("a", "b"), Closeness(), max_drop=0.1)
    assert (len(found.trials), names(found), found.is_reached, found.stopped) == (1, [], True, "")
    given = model("a", "b")
    plain, kept = (quantize(given, DATA, config=BARE, metric=each) for each in (None, Closeness()))
    assert [each.get_friendly_name() for each in plain.get_ordered_ops()] == [
        each.get_friendly_name() for each in kept.get_ordered_ops()
    ]


def test_the_layer_that_spoils_the_metric_is_found_and_it_alone_returns_to_float() -> None:
    found = controlled(model("a", "b", "c", "bad", "d", "e", "f"), Closeness(), max_drop=0.01)
    assert found.is_reached
    assert names(found) == ["bad"]
    assert (found.best.int8, found.best.layers) == (6, 7)
    assert found.trials[0].excess > 0.01
    assert found.best == max(found.trials, key=lambda each: (each.is_within, each.int8))


@pytest.mark.slow
def test_two_layers_that_spoil_it_are_found_both() -> None:
    found = controlled(model("a", "bad 1", "c", "d", "bad 2", "e"), Closeness(), max_drop=0.01)
    assert found.is_reached
    assert set(names(found)) == {"bad 1", "bad 2"}


def test_a_given_value_of_the_float_model_is_measured_once_a_model_misses_it() -> None:
    with pytest.raises(MetricError, match=r"^metric c: the float model itself gives 0.95: baseline, 1, does not fit"):
        controlled(model("a", "bad"), Metric("c", Values(0.9, 0.95), 0.01, baseline=1.0))
    found = controlled(model("a", "bad", "c"), Metric("c", Values(1.0), 0.01, baseline=1.0))
    assert (found.is_reached, found.confirmed) == (True, {})
    found = controlled(model("a", "bad", "c"), Metric("c", Values(0.9, 0.995), 0.01, baseline=1.0))
    assert (found.is_reached, found.confirmed, found.baselines) == (True, {"c": 0.995}, {"c": 1.0})


class Values:
    """Gives some numbers in turn, and then the last one."""

    def __init__(self, *values: float) -> None:
        self.values = [*values]

    def __call__(self, predict: Predict) -> float:
        predict(DATA[0])
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]


def test_what_costs_no_int8_is_tried_first() -> None:
    found = controlled(model("a", "bad", "c"), Closeness(), max_drop=0.01)
    assert [each.what for each in found.trials[:4]] == [
        "as the options say",
        "ranges of activations up to the mean of the samples' extremes",
        "asymmetric ranges of activations up to the mean of the samples' extremes",
        "ranges of activations up to the extremes of all samples",
    ]
    assert {each.int8 for each in found.trials[:4]} == {3}


@pytest.mark.slow
def test_every_metric_is_kept() -> None:
    def never_poor(predict: Predict) -> float:
        return 5.0

    def half(predict: Predict) -> float:
        return closeness(predict) / 2

    closeness = Closeness()
    lax, strict = Metric("lax", Closeness(), 10.0), Metric("strict", half, 0.005)
    found = controlled(model("a", "bad", "c"), [never_poor, lax, strict])
    assert found.is_reached
    assert names(found) == ["bad"]
    assert set(found.best.values) == {"never_poor", "lax", "strict"}
    assert controlled(model("a", "bad", "c"), [never_poor, lax]).trials[0].is_within


def test_a_relative_drop_is_a_share_of_the_float_models_value() -> None:
    closeness = Closeness()
    found = controlled(model("a", "b"), lambda predict: 1000 * closeness(predict), max_drop=0.1, drop_type="relative")
    assert len(found.trials) == 1
    assert found.best.values["<lambda>"] < 1000 - 0.1


def test_a_relative_drop_from_zero_has_no_meaning() -> None:
    with pytest.raises(
        MetricError, match=r"^metric nothing: is 0 for the float model, so that a relative drop is undefined: "
    ):
        controlled(model("a"), Metric("nothing", lambda _: 0, 0.1, "relative"))


def test_rounding_of_the_drop_itself_is_no_drop() -> None:
    metric = Metric("m", lambda _: 0, 0.01)
    assert 0.99 - 0.98 > 0.01
    assert metric.excess(0.99, 0.98) == 0
    assert metric.excess(0.99, 0.9799) > 0
    assert Metric("m", lambda _: 0, 0.0).excess(0.5, 0.5) == 0


def test_better_than_the_float_model_is_fine() -> None:
    values = iter([0.5, 0.9])
    assert controlled(model("a"), lambda _: next(values)).is_reached


def test_a_drop_that_cannot_be_kept_is_told_and_the_best_model_is_the_result() -> None:
    closeness = Closeness()

    def doubtful(predict: Predict) -> float:
        return closeness(predict) - (0.5 if len(closeness.values) > 1 else 0)

    with pytest.warns(AccuracyWarning, match="^the metrics lose more than they may: with 3 operations left float the"):
        found = controlled(model("a", "bad", "c"), doubtful, max_drop=0.01)
    assert not found.is_reached
    assert found.best.excess == min(each.excess for each in found.trials)
    assert found.best.int8 == 0


def test_no_more_models_are_measured_than_may_be() -> None:
    closeness = Closeness()
    config = BARE.overruled(accuracy={"max_trials": 2})
    with pytest.warns(AccuracyWarning, match="the limit of 2 models was reached"):
        found = controlled(model("a", "bad", "c"), closeness, config, max_drop=0.0)
    assert (len(found.trials), len(closeness.values)) == (2, 3)


def test_no_model_is_begun_when_the_time_is_over() -> None:
    config = BARE.overruled(accuracy={"seconds": 1e-9})
    with pytest.warns(AccuracyWarning, match="the limit of 1e-09 seconds was reached after 1 model$"):
        found = controlled(model("a", "bad", "c"), Closeness(), config, max_drop=0.0)
    assert len(found.trials) == 1


def test_no_more_layers_return_to_float_than_may() -> None:
    config = BARE.overruled(accuracy={"max_layers": 1})
    with pytest.warns(AccuracyWarning, match="with 1 operations left float the drop is still too large"):
        found = controlled(model("a", "bad 1", "c", "bad 2", "e"), Closeness(), config, max_drop=0.001)
    assert min(each.int8 for each in found.trials) == 4


def test_without_samples_to_rank_by_that_is_said() -> None:
    with pytest.warns(AccuracyWarning, match="there are no held-out samples to rank layers with"):
        quantize(model("a", "bad"), DATA[:4], metric=Closeness(), max_drop=0.0, config=BARE)


@pytest.mark.slow
def test_mixed_is_tried_against_the_preset_only_if_that_is_wanted() -> None:
    tried: list[bool] = []
    for try_mixed in (False, True):
        options = AccuracyOptions(max_drop=0.01, try_mixed=try_mixed)
        config = QuantizationConfig(guard=False, align=False, preset="performance", accuracy=options)
        found = controlled(model("a", "bad", "c"), Closeness(), config)
        tried.append(any("mixed" in each.what for each in found.trials))
    assert tried == [False, True]


def test_a_metric_may_run_the_model_on_its_own_outputs() -> None:
    def steps(predict: Predict) -> float:
        state = DATA[0]
        for _ in range(3):
            state = predict({"image": state})["out"]
        return float(np.tanh(np.abs(state).mean()))

    assert controlled(model("a", "b"), steps, max_drop=1.0).is_reached


def test_what_predict_gives_stays_when_it_is_called_again() -> None:
    def same(predict: Predict) -> float:
        first = predict(DATA[0])["out"]
        before = first.copy()
        predict(DATA[1])
        return float(np.array_equal(first, before))

    assert controlled(model("a"), same, max_drop=0).baselines == {"same": 1.0}


# ------------------------------------------------------------------------------------------------ functions that fail
def failing(predict: Predict) -> float:
    predict(DATA[0])
    return {"top1": 1.0}["top5"]


def test_what_a_metric_function_raises_is_told_with_its_line() -> None:
    line = failing.__code__.co_firstlineno + 2
    with pytest.raises(MetricError) as caught:
        controlled(model("a"), failing)
    assert str(caught.value) == f"metric failing: raised KeyError: 'top5' ({__file__}:{line}), after 1 prediction"
    assert isinstance(caught.value.__cause__, KeyError)


def test_outputs_come_by_name_and_by_index() -> None:
    def same(predict: Predict) -> float:
        found: Any = predict(DATA[0])
        return float(found[0] is found["out"] is found[-1])

    assert controlled(model("a"), same, max_drop=0).baselines == {"same": 1.0}


@pytest.mark.parametrize("wanted", ["probabilities", 1])
def test_an_output_that_is_not_there_is_answered_with_those_that_are(wanted: object) -> None:
    def lost(predict: Predict) -> float:
        found: Any = predict(DATA[0])
        return float(found[wanted].mean())

    with pytest.raises(MetricError) as caught:
        controlled(model("a"), lost)
    said = f"raised KeyError: no output {wanted!r}; the outputs are 'out', in this order, or an index ({__file__}:"
    assert str(caught.value).startswith(f"metric lost: {said}")


@pytest.mark.parametrize("detail", [None, [1.0, 0.0]])
def test_of_a_number_and_values_for_each_sample_the_number_counts(detail: object) -> None:
    assert controlled(model("a"), lambda _: (0.5, detail), max_drop=0).baselines == {"<lambda>": 0.5}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((0.5, 0.25), "gave tuple, expected one number; higher is better"),
        (float("nan"), "gave nan, expected a finite number: is there a division by zero?"),
        (np.float32("inf"), "gave inf, expected a finite number: is there a division by zero?"),
        (None, "gave NoneType, expected one number; higher is better"),
        ("0.5", "gave str, expected one number; higher is better"),
        (True, "gave bool, expected one number; higher is better"),
        ([0.5], "gave list, expected one number; higher is better"),
        (np.zeros(2), "gave ndarray, expected one number; higher is better"),
        (1j, "gave complex, expected one number; higher is better"),
    ],
)
def test_what_is_no_number_is_told(value: object, said: str) -> None:
    with pytest.raises(MetricError) as caught:
        controlled(model("a"), Metric("m", lambda _: value))
    assert str(caught.value) == f"metric m: {said}"


@pytest.mark.slow
@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.int64(3), np.array(0.25)])
def test_any_number_will_do(value: object) -> None:
    assert controlled(model("a"), lambda _: value).is_reached


def test_a_sample_that_does_not_fit_is_named() -> None:
    def wrong(predict: Predict) -> float:
        predict(DATA[0])
        predict({"imag": DATA[0]})
        return 1.0

    with pytest.raises(
        Exception, match=r"^metric wrong: sample 1: the model has no input 'imag'; did you mean 'image'\?"
    ):
        controlled(model("a"), wrong)


def test_a_failing_metric_costs_no_calibration() -> None:
    pulled: list[int] = []

    def samples() -> Any:
        for index, each in enumerate(DATA):
            pulled.append(index)
            yield each

    with pytest.raises(MetricError):
        quantize(model("a"), samples(), metric=failing)
    assert pulled == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_drop": 0.1}, "max_drop, drop_type and resume are about a metric, and there is none: give metric"),
        ({"metric": len, "max_drop": -0.1}, "accuracy.max_drop is -0.1; should be greater than or equal to 0"),
        ({"metric": len, "max_drop": float("nan")}, "accuracy.max_drop is nan; should be a finite number"),
        (
            {"metric": len, "drop_type": "relativ"},
            "accuracy.drop_type is 'relativ'; did you mean 'relative'? there are: absolute, relative",
        ),
        ({"metric": 3}, "metric is int, expected a function of `predict` that gives a number"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        quantize(model("a"), DATA, **options)
    assert str(caught.value) == said


def test_metrics_that_are_called_alike_are_numbered() -> None:
    metrics: list[Any] = [lambda _: 1, Metric("<lambda> 2", lambda _: 2), lambda _: 3, lambda _: 4]
    found = controlled(model("a"), metrics)
    assert found.baselines == {"<lambda>": 1, "<lambda> 2": 2, "<lambda> 3": 3, "<lambda> 4": 4}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_drop": float("nan")}, "metric m: max_drop is nan, expected a number from 0 on"),
        ({"max_drop": float("inf")}, "metric m: max_drop is inf, expected a number from 0 on"),
        ({"max_drop": -5}, "metric m: max_drop is -5, expected a number from 0 on"),
        ({"max_drop": "0.1"}, "metric m: max_drop is '0.1', expected a number from 0 on"),
        ({"drop_type": "relativ"}, "metric m: drop_type is 'relativ', expected one of: absolute, relative"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(MetricError) as caught:
        Metric("m", lambda _: 1, **options)
    assert str(caught.value) == said


def test_a_metric_that_ends_the_program_has_failed() -> None:
    def leaving(predict: Predict) -> float:
        raise SystemExit(0)

    line = leaving.__code__.co_firstlineno + 1
    with pytest.raises(MetricError) as caught:
        controlled(model("a"), leaving)
    assert str(caught.value) == f"metric leaving: raised SystemExit: 0 ({__file__}:{line}), after 0 predictions"


# -------------------------------------------------------------------------------------------------------- resumption
def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    runs: list[AccuracyResult] = []
    counts: list[int] = []
    given = model("a", "bad", "c")
    for _ in range(2):
        closeness = Closeness()
        runs.append(controlled(given, closeness, max_drop=0.01, resume=tmp_path / "t"))
        counts.append(len(closeness.values))
    assert counts[1] == 0 < counts[0] == len(runs[0].trials) + 1
    assert [(each.what, each.values, each.int8) for each in runs[0].trials] == [
        (each.what, each.values, each.int8) for each in runs[1].trials
    ]


def test_another_drop_uses_what_is_known(tmp_path: Path) -> None:
    first, second = Closeness(), Closeness()
    given = model("a", "bad", "c")
    controlled(given, first, max_drop=0.01, resume=tmp_path / "t")
    controlled(given, second, max_drop=0.02, resume=tmp_path / "t")
    assert (len(first.values) > 2, second.values) == (True, [])


def test_another_model_or_other_data_are_measured_anew(tmp_path: Path) -> None:
    counts: list[int] = []
    first, second = model("a"), model("b")
    for given, data in ((first, DATA), (second, DATA), (first, DATA[::-1])):
        closeness = Closeness()
        reports: list[Report] = []
        quantize(given, data, metric=closeness, max_drop=1, config=BARE, resume=tmp_path / "t", report=reports.append)
        counts.append(len(closeness.values))
        foreign = f"{tmp_path / 't'}: none of its measurements are of this model and these metrics"
        assert (foreign in reports[0].warnings) == (len(counts) == 2)
    assert counts == [2, 2, 1]  # of other data, the float model is the same


def made_with(number: float) -> Callable[[Predict], float]:
    def metric(predict: Predict) -> float:
        return number

    return metric


def constant(number: float, predict: Predict) -> float:
    return number


class Constant:
    def __init__(self, number: float) -> None:
        self.number = number

    def __call__(self, predict: Predict) -> float:
        return self.number

    def method(self, predict: Predict) -> float:
        return self.number


def one_or_two(number: float) -> Callable[[Predict], float]:
    return (lambda predict: 1.0) if number == 1 else (lambda predict: 2.0)


def with_default(number: float) -> Callable[[Predict], float]:
    def metric(predict: Predict, value: float = number) -> float:
        return value

    return metric


@pytest.mark.parametrize(
    "made",
    [
        made_with,
        pytest.param(with_default, marks=pytest.mark.slow),
        Constant,
        pytest.param(lambda number: Constant(number).method, marks=pytest.mark.slow),
        pytest.param(lambda number: partial(constant, number), marks=pytest.mark.slow),
        pytest.param(lambda number: Metric("m", made_with(number)), marks=pytest.mark.slow),
        pytest.param(lambda number: Metric("m", partial(constant, number)), marks=pytest.mark.slow),
        lambda number: Metric("m", lambda predict, array: float(array[0]), arguments=(np.array([number]),)),
        one_or_two,
    ],
)
def test_what_was_measured_by_another_metric_of_the_same_name_does_not_count(made: Any, tmp_path: Path) -> None:
    given, found = model("a"), list[float]()
    for number in (1.0, 2.0, 1.0):
        run = controlled(given, made(number), resume=tmp_path / "t")
        found += [*run.baselines.values(), *run.best.values.values()]
    assert found == [1.0, 1.0, 2.0, 2.0, 1.0, 1.0]
    assert len((tmp_path / "t").read_text().splitlines()) == 4


@pytest.mark.parametrize("place", ["out.xml", "out.bin", "folder/../out.xml", "statistics.npz"])
def test_what_was_measured_is_not_kept_in_a_result(place: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    ov.save_model(model("a"), tmp_path / "m.xml", compress_to_fp16=False)
    files = sorted(tmp_path.iterdir())
    with pytest.raises(UserError) as caught:
        quantize(
            tmp_path / "m.xml",
            DATA,
            output=tmp_path / "out.xml",
            save_statistics=tmp_path / "statistics.npz",
            metric=len,
            resume=tmp_path / place,
        )
    assert str(caught.value).startswith(f"{tmp_path / place}: ")
    assert str(caught.value).endswith(" and the measurements would both be written there; give one another path")
    assert sorted(tmp_path.iterdir()) == files


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line.replace('"int8": 0', '"int8": 1e999'),
        pytest.param(lambda line: line.replace('"layers": 0', '"layers": NaN'), marks=pytest.mark.slow),
        lambda line: line.replace("1.0", "NaN"),
        pytest.param(lambda line: line.replace("1.0", "-Infinity"), marks=pytest.mark.slow),
        pytest.param(lambda line: line.replace("1.0", "1" + "0" * 400), marks=pytest.mark.slow),
        lambda line: line.replace("1.0", "[" * 100000),
        pytest.param(lambda line: line.replace('"values"', '"value"'), marks=pytest.mark.slow),
        lambda line: "[" * 100000,
    ],
)
def test_a_line_that_is_no_measurement_is_measured_again(damage: Callable[[str], str], tmp_path: Path) -> None:
    given, reports = model("a"), list[Report]()
    controlled(given, made_with(1.0), resume=tmp_path / "t")
    float_model, int8_model = (tmp_path / "t").read_text().splitlines()
    assert damage(float_model) != float_model
    (tmp_path / "t").write_text(f"{int8_model}\n{damage(float_model)}\n")
    quantize(given, DATA, metric=made_with(1.0), config=BARE, resume=tmp_path / "t", report=reports.append)
    said = f"{tmp_path / 't'}: line 2 is damaged and was skipped: that model is measured again"
    assert said in reports[0].warnings
    assert reports[0].accuracy is not None
    assert reports[0].accuracy.baselines == {"metric": 1.0}
    assert (tmp_path / "t").read_text().splitlines()[-1] == float_model


def without_source() -> Any:
    found: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("def typed_in(predict):\n    return 1.0\n", "<input>", "exec"), found)
    return found["typed_in"]


def reading(lines: Any) -> Callable[[Predict], float]:
    return lambda predict: float(next(lines, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "because"),
    [
        (without_source(), "there is no file with the source of __main__:typed_in"),
        (reading(each for each in [1.0]), "the content of a generator is unknown"),
    ],
)
def test_a_metric_that_cannot_be_told_from_others_is_not_resumed(function: Any, because: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        controlled(model("a"), Metric("m", function), resume=tmp_path / "t")
    assert str(caught.value) == (
        f"metric m: resume cannot identify it: {because}; leave out resume, or from Python give "
        "Metric(..., identity=...), a text that changes with its code and data"
    )
    assert not (tmp_path / "t").exists()
    assert controlled(model("a"), Metric("m", function)).is_reached
    assert controlled(model("a"), Metric("m", function, identity="1"), resume=tmp_path / "t").is_reached


# ------------------------------------------------------------------------------------ metrics of the published tool
def data_loader(order: str = "data first") -> Any:
    return DataLoader(order)


class DataLoader:
    """Items as the published tool's own loaders give them."""

    def __init__(self, order: str) -> None:
        self.order = order

    def __len__(self) -> int:
        return len(DATA)

    def __getitem__(self, index: int) -> object:
        if self.order == "annotation first":
            return (index, index % 8), DATA[index]
        return (DATA[index], index % 8, {}) if self.order == "with meta data" else (DATA[index], index % 8)


class Strongest:
    """How often the annotated channel is the strongest, in the style of the published examples."""

    direction = "higher-better"

    def __init__(self) -> None:
        self.matches: list[float] = []

    @property
    def avg_value(self) -> dict[str, float]:
        return {"strongest": float(np.ravel(self.matches).mean())}

    def update(self, output: list[Array], target: list[int]) -> None:
        if len(output) > 1:
            raise ValueError("one output")
        self.matches.append(float(np.abs(output[0]).mean(axis=(2, 3)).argmax(axis=1)[0] == target[0]))

    def reset(self) -> None:
        self.matches = []

    def get_attributes(self) -> dict[str, dict[str, str]]:
        return {"strongest": {"direction": self.direction, "type": "accuracy"}}


@pytest.mark.slow
@pytest.mark.parametrize("order", ["data first", "annotation first", "with meta data"])
def test_a_metric_object_of_the_published_tool_is_measured_on_its_data(order: str) -> None:
    metric, reports = Strongest(), list[Report]()
    quantize(model("a", "b"), data_loader(order), metric=metric, max_drop=0.5, config=BARE, report=reports.append)
    assert len(metric.matches) == len(DATA)
    assert reports[0].accuracy is not None
    assert reports[0].accuracy.baselines == {"Strongest": pytest.approx(5 / 40, abs=0.11)}


def test_a_published_metric_on_another_data_set_is_measured_anew(tmp_path: Path) -> None:
    class Relabelled(DataLoader):
        def __getitem__(self, index: int) -> object:
            return DATA[index], np.array(3)

    metric, given, lines = Strongest(), model("a"), list[int]()
    data_sets: list[Any] = [data_loader(), data_loader(), Relabelled("data first")]
    for data in data_sets:
        quantize(given, data, metric=metric, max_drop=1, config=BARE, resume=tmp_path / "t", report=lambda _: None)
        lines.append(len((tmp_path / "t").read_text().splitlines()))
    assert lines == [2, 2, 4]


def test_of_a_published_metric_lower_may_be_better() -> None:
    class Error(Strongest):
        direction = "lower-better"

    reports: list[Report] = []
    quantize(model("a"), data_loader(), metric=Error(), max_drop=1, config=BARE, report=reports.append)
    assert reports[0].accuracy is not None
    assert reports[0].accuracy.baselines["Error"] <= 0


def test_a_published_metric_without_a_data_set_is_refused() -> None:
    said = (
        r"^metric Strongest needs data with a length and an index whose items are \(data, annotation\), not generator; "
    )
    with pytest.raises(ConfigError, match=said):
        quantize(model("a"), (each for each in DATA), metric=Strongest())
    with pytest.raises(MetricError, match=r"^metric Strongest: item 0 of the data is no \(data, annotation\)$"):
        quantize(model("a"), DATA, metric=Strongest())


def test_a_published_metric_of_several_values_is_refused() -> None:
    class Two(Strongest):
        @property
        def avg_value(self) -> dict[str, float]:
            return {"top1": 1.0, "top5": 1.0}

    with pytest.raises(MetricError, match=r"^metric Two: gave 2 values \(top1, top5\), expected one$"):
        quantize(model("a"), data_loader(), metric=Two())
