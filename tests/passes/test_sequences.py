"""Models with states: samples may be sequences, and without them nothing that reads a state is rounded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from irquant.ir import UserError, from_text
from irquant.passes import (
    Context,
    QuantizationWarning,
    Report,
    compare_models,
    compress,
    compress_model,
    quantize,
    quantize_model,
)
from irquant.passes.accuracy.metrics import Metric
from irquant.passes.calibration.cluster import ClusterError
from irquant.passes.calibration.reading import Reading
from irquant.passes.infra.calibration import Calibration
from irquant.passes.jobs.quantize_once import NothingToQuantizeError
from irquant.passes.options.config import QuantizationConfig
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.runtime.data_look import DataLook
from irquant.passes.runtime.samples import DataError, PreparedSample, Sample
from irquant.passes.runtime.sequences import in_sequence
from irquant.targets import load_target

from .step_networks import SIZE, accumulator, outputs_over, ratio, step_network, steps_for, streaming_convolution

KEPT = "it depends on state '{}', which kept its first value in calibration: give sequences"
SINGLE = (
    "each sample is a single step, and states kept their first values: {} float, and the outputs were compared on "
    "first steps only: give sequences, which are lists of steps: [[step, step, ...], ...] "
    "(docs/recipes/step_by_step.md)"
)
NETWORKS = [step_network, streaming_convolution, accumulator]


def over_steps(model: ov.Model, result: ov.Model) -> float:
    steps = steps_for(model, 100, seed=2)
    return ratio(outputs_over(model, steps), outputs_over(result, steps))


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 10])
@pytest.mark.parametrize("build", NETWORKS)
def test_sequences_calibrate_all_layers_for_all_steps(build: Callable[[], ov.Model], count: int) -> None:
    model, reports = build(), list[Report]()
    sequences = [steps_for(model, 100, seed) for seed in range(count)]
    result = quantize(model, sequences, report=reports.append)
    assert all(each.is_int8 for each in reports[0].layers)
    assert not reports[0].data.mistakes
    assert over_steps(model, result) > 30


@pytest.mark.parametrize("build", NETWORKS)
def test_single_steps_leave_float_what_reads_a_state(build: Callable[[], ov.Model]) -> None:
    model, reports = build(), list[Report]()
    result = quantize(model, steps_for(model, 100, seed=1), report=reports.append)
    first, *others = reports[0].layers
    assert first.is_int8
    (state,) = {each.variable_id for each in (variable.info for variable in model.get_variables())}
    assert {each.decision.reason for each in others} == {KEPT.format(state)}
    assert over_steps(model, result) > 30


def test_the_verdict_on_single_steps_is_not_to_be_trusted() -> None:
    model = step_network()
    with pytest.warns(QuantizationWarning) as caught:
        report = quantize_model(model, steps_for(model, 100, seed=1)).report
    told = SINGLE.format("2 layers behind them stay")
    assert [str(each.message) for each in caught] == [told]
    assert list(map(str, report.data.mistakes)) == [told]
    assert report.verdict == "unknown"


def test_the_line_about_the_data_counts_steps_and_sequences() -> None:
    model, reports = step_network(), list[Report]()
    quantize(model, [steps_for(model, 20, seed) for seed in range(3)], report=reports.append)
    assert reports[0].data.line.startswith("60 steps of 3 sequences; 'x' f32[1,32] ")
    assert (reports[0].samples, reports[0].held_out) == (54, 6)


def test_a_model_whose_layers_all_read_a_state_is_refused_without_sequences() -> None:
    model = from_runtime(step_network())
    added = model.node("from_x").output().consumers[0]
    added.connect(model.node("x").output())
    model.prune(model.node("from_x"))
    told = (
        "nothing to quantize: of 2 of 2 layers the ranges are unknown, the first since it depends on state 'h', which "
        "kept its first value in calibration: give sequences"
    )
    steps = steps_for(step_network(), 20, seed=0)
    with pytest.raises(NothingToQuantizeError) as caught:
        quantize(to_runtime(model), steps)
    assert str(caught.value) == told
    quantize(to_runtime(model), [steps], report=lambda _: None)


def flags(data: Any, model: ov.Model | None = None, **options: Any) -> list[tuple[str, bool, int]]:
    """The label of each step, whether it is held out, and how many steps are in front of it."""
    context = Context(load_target("cpu"), QuantizationConfig(**options), data)
    found = list[tuple[str, bool, int]]()
    for each in Reading.of(from_runtime(model or step_network()), context, DataLook()).all:
        past, count = each.past, 0
        while past:
            past, count = past.past, count + 1
        found.append((each.sample.label, each.is_held_out, count))
    return found


def test_the_last_tenth_of_few_sequences_is_held_out() -> None:
    model = step_network()
    found = flags([steps_for(model, 20, 0), steps_for(model, 5, 1), steps_for(model, 1, 2)])
    assert [label for label, is_held_out, _ in found if is_held_out] == [
        "sample 0, step 18",
        "sample 0, step 19",
        "sample 1, step 4",
    ]
    assert [count for *_, count in found] == [*range(20), *range(5), 0]


def test_of_two_steps_both_are_measured() -> None:
    model, reports = step_network(), list[Report]()
    quantize(model, [steps_for(model, 2, seed) for seed in range(8)], report=reports.append)
    assert (reports[0].samples, reports[0].held_out) == (16, 0)
    assert all(each.is_int8 for each in reports[0].layers)


def test_states_that_advance_in_held_out_samples_only_do_not_count() -> None:
    model, reports = step_network(), list[Report]()
    samples: list[Any] = steps_for(model, 12, 0)
    samples[0], samples[8] = [samples[0]], [samples[8], samples[9]]
    quantize(model, samples, report=reports.append)
    assert reports[0].held_out == 2
    assert sum(each.is_int8 for each in reports[0].layers) == 1


def test_a_few_samples_of_sequences_are_steps_at_even_distances() -> None:
    single = [PreparedSample(Sample(f"{number}", None), {}).with_outputs([]) for number in range(20)]
    steps = [each.with_outputs([]) for each in in_sequence(single)]
    found = [[int(each.sample.label) for each in Calibration(held_out=held).some(4)] for held in (single, steps)]
    assert found == [[0, 1, 2, 3], [2, 7, 12, 17]]


def test_of_many_sequences_whole_ones_are_held_out() -> None:
    model = step_network()
    found = flags([steps_for(model, 3, seed) for seed in range(22)])
    assert {label.split(",")[0] for label, is_held_out, _ in found if is_held_out} == {"sample 8", "sample 21"}
    assert sum(is_held_out for _, is_held_out, _ in found) == 6


@pytest.mark.parametrize("pack", [iter, tuple])
def test_any_iterable_of_sequences_is_read_once(pack: Any) -> None:
    model = step_network()
    found = flags(pack([steps_for(model, 2, seed) for seed in range(3)]))
    assert [label for label, *_ in found] == [f"sample {k}, step {n}" for k in range(3) for n in range(2)]


def test_the_number_of_samples_counts_sequences() -> None:
    model = step_network()
    assert len(flags([steps_for(model, 4, seed) for seed in range(9)], samples=2)) == 8


def test_steps_may_be_lists_in_the_order_of_the_inputs() -> None:
    model = step_network(inputs=2)
    steps = [[each["x"], each["z"]] for each in steps_for(model, 3, seed=0)]
    assert [count for *_, count in flags([steps, steps], model)] == [0, 1, 2, 0, 1, 2]
    assert [count for *_, count in flags(steps, model)] == [0, 0, 0], "a list of arrays is one step"


def test_a_pair_of_data_and_labels_is_no_sequence() -> None:
    (step,) = steps_for(step_network(), 1, seed=0)
    assert flags([(step, {"label": np.array([1])})]) == [("sample 0", False, 0)]


def test_names_that_are_no_inputs_are_told_for_the_step() -> None:
    step = {"xx": np.zeros((1, SIZE), np.float32)}
    with pytest.raises(DataError, match=r"^sample 0, step 0: the model has no input 'xx'; did you mean 'x'\?"):
        flags([[step, step]])


def test_a_step_that_does_not_fit_is_named() -> None:
    steps = steps_for(step_network(), 3, seed=0)
    steps[2] = {"x": np.zeros((1, 5), np.float32)}
    with pytest.raises(DataError, match=r"^sample 0, step 2: input 'x' f32\[1,32\]: got float32\[1, 5\]$"):
        flags([steps])


def test_without_states_a_list_of_dicts_is_no_sequence() -> None:
    graph = from_text("x: f32[1,4] = Parameter()\ny: f32[1,4] = ReLU(x)\nr = Result(y)")
    step = {"x": np.zeros((1, 4), np.float32)}
    reading = Reading.of(graph, Context(load_target("cpu"), samples=[[step, step]]), DataLook())
    assert [each.past for each in reading.all] == [None]


def test_saved_statistics_remember_that_states_advanced(tmp_path: Path) -> None:
    model, reports = step_network(), list[Report]()
    for name, samples in (("sequences", [steps_for(model, 50, 0)]), ("steps", steps_for(model, 50, 0))):
        quantize(model, samples, save_statistics=tmp_path / f"{name}.npz", report=lambda _: None)
        quantize(model, statistics=tmp_path / f"{name}.npz", report=reports.append)
    assert [sum(each.is_int8 for each in report.layers) for report in reports] == [3, 1]
    assert [len(report.data.mistakes) for report in reports] == [0, 1]


def test_saved_statistics_belong_to_the_sequences_and_not_only_to_their_steps(tmp_path: Path) -> None:
    model, steps, saved = step_network(), steps_for(step_network(), 20, 0), tmp_path / "saved.npz"
    quantize(model, [steps], save_statistics=saved, report=lambda _: None)
    quantize(model, [steps], statistics=saved, report=lambda _: None)
    with pytest.raises(UserError, match="measured on other data"):
        quantize(model, [steps[:10], steps[10:]], statistics=saved, report=lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"correct_biases": "sequential"}, {"preset": "mixed", "guard": "good"}])
def test_passes_that_run_the_model_again_run_its_sequences(options: dict[str, Any]) -> None:
    model, reports = accumulator(), list[Report]()
    guard = {"guard": options.pop("guard")} if "guard" in options else {}
    sequences = [steps_for(model, 40, seed) for seed in range(10)]
    result = quantize(model, sequences, config=QuantizationConfig(**options), report=reports.append, **guard)
    assert over_steps(model, result) > 30


def test_a_metric_predicts_the_steps_of_a_sequence() -> None:
    model, seen = step_network(), list[float]()
    steps = steps_for(model, 30, seed=2)
    wanted = outputs_over(model, steps)

    def closeness(predict: Any) -> float:
        found = predict(steps)
        assert len(found) == 30
        seen.append(ratio(wanted, [each["y"] for each in found]))
        single = predict(steps[0])
        assert ratio(wanted[:1], [single["y"]]) > 20, "the states were reset"
        return min(seen[-1], 99.0)

    quantize(model, [steps_for(model, 50, 0)], metric=Metric("closeness", closeness, 80.0), report=lambda _: None)
    assert seen[0] > 90
    assert 30 < seen[1] < 60


def compared(samples: Any, **options: Any) -> Any:
    model = step_network()
    result = quantize(model, [steps_for(model, 100, 0)], report=lambda _: None)
    named = [Sample(f"sample {number}", each) for number, each in enumerate(samples)]
    return compare_models(from_runtime(model), from_runtime(result), named, latency=False, **options)


def test_compare_runs_sequences() -> None:
    found = compared([steps_for(step_network(), 30, seed) for seed in range(2)], per_layer=True)
    assert found.samples == 60
    assert 30 < found.outputs[0].sqnr < 60
    assert not found.warnings


def test_compare_holds_out_the_last_steps_of_few_sequences() -> None:
    assert compared([steps_for(step_network(), 30, seed) for seed in range(2)], held_out=True).samples == 6
    assert compared([steps_for(step_network(), 3, seed) for seed in range(22)], held_out=True).samples == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "steps", "checked"),
    [(2, 2700, [*range(2430, 2686)] * 2), (22, 400, [*range(400), *range(112)])],
)
def test_of_long_sequences_the_first_512_held_out_steps_are_checked(count: int, steps: int, checked: list[int]) -> None:
    sequences = [steps_for(step_network(), steps, seed) for seed in range(count)]
    assert [number for _, is_held_out, number in flags(sequences) if is_held_out] == checked
    assert compared(sequences, held_out=True).samples == len(checked) == 512


def test_compare_warns_of_single_steps() -> None:
    assert compared(steps_for(step_network(), 9, 0)).warnings == (
        "each sample is a single step, and state 'h' has its first value in all of them: give sequences, "
        "which are lists of steps: [[step, step, ...], ...] (docs/recipes/step_by_step.md)",
    )


def test_compressing_runs_sequences_and_warns_of_single_steps() -> None:
    model, steps = step_network(), steps_for(step_network(), 40, seed=0)
    with pytest.warns(QuantizationWarning, match="^each sample is a single step, and state 'h' has its first value "):
        compress(model, steps, weights="int4", group=16, all_layers=True)
    found = compress_model(model, [steps], weights="int4", group=16, all_layers=True)
    assert not any("single step" in each for each in found.report.warnings)
    assert over_steps(model, found.model) > 10


def test_a_cluster_takes_no_sequences() -> None:
    model = step_network()
    pytest.importorskip("distributed")
    with pytest.raises(ClusterError, match=r"^cluster: the steps of a sequence run one after the other: leave it out$"):
        quantize(model, [steps_for(model, 20, 0)], cluster="local")
