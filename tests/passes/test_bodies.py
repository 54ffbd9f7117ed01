"""Bodies of If, Loop and TensorIterator are quantized as the model around them: measured, planned, run in int8."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import read_model
from irquant.passes import Context, QuantizationConfig, Report, quantize
from irquant.passes.accuracy import device
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.explain import explain
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.statistics.request import Reduction, request
from irquant.targets import load_target

RNG = np.random.default_rng(2)
Array = np.ndarray[Any, np.dtype[Any]]


def layers(x: Any, count: int = 2, name: str = "conv") -> Any:
    """Convolutions in a row; the first of them reads `x`."""
    for number in range(count):
        weights = RNG.normal(scale=0.1, size=(8, 8, 3, 3)).astype(np.float32)
        x = op.relu(op.convolution(x, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=f"{name}_{number}"))
    return x


def if_model(*, dynamic: bool = False, batch: int = 1) -> ov.Model:
    """Two convolutions where the condition holds, one where it does not."""
    shape = [batch, 8, -1, -1] if dynamic else [batch, 8, 12, 12]
    x, flag = op.parameter(shape, np.float32, name="x"), op.parameter([], np.bool_, name="flag")
    x.output(0).set_names({"x"})
    flag.output(0).set_names({"flag"})
    branch = op.if_op(flag)
    branch.set_friendly_name("branch")
    for setter, count, name in ((branch.set_then_body, 2, "then"), (branch.set_else_body, 1, "else")):
        inner = op.parameter(shape, np.float32)
        setter(ov.Model([op.result(layers(inner, count, name))], [inner]))
    bodies = [branch.get_function(index) for index in (0, 1)]
    branch.set_input(x.output(0), *(body.get_parameters()[0] for body in bodies))
    out = branch.set_output(*(body.get_results()[0] for body in bodies))
    return ov.Model([op.result(layers(out, 1, "after"))], [x, flag], "branches")


def tensor_iterator_model() -> ov.Model:
    """The layers for each of five pictures."""
    x, inner = op.parameter([5, 8, 12, 12], np.float32, name="x"), op.parameter([1, 8, 12, 12], np.float32)
    body = ov.Model([op.result(layers(inner))], [inner])
    each = op.tensor_iterator()
    each.set_friendly_name("each")
    each.set_body(body)
    each.set_sliced_input(inner, x.output(0), 0, 1, 1, -1, 0)
    return ov.Model([op.result(each.get_concatenated_slices(body.outputs[0], 0, 1, 1, -1, 0))], [x])


def loop_model() -> ov.Model:
    """A state that the layers change, as often as an input says."""
    x, times = op.parameter([1, 8, 12, 12], np.float32, name="x"), op.parameter([], np.int32, name="times")
    x.output(0).set_names({"x"})
    times.output(0).set_names({"times"})
    state = op.parameter([1, 8, 12, 12], np.float32)
    grown = layers(state)
    body = ov.Model([op.result(grown), op.result(op.constant([True]))], [state])
    loop = op.loop(times, op.constant([True]))
    loop.set_friendly_name("again")
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(state, x.output(0), grown.output(0))
    return ov.Model([op.result(loop.get_iter_value(grown.output(0), -1))], [x, times])


def nested_model(*, loop_outside: bool) -> ov.Model:
    """A TensorIterator in an If, or in a Loop."""
    x, inner = op.parameter([5, 8, 12, 12], np.float32, name="x"), op.parameter([5, 8, 12, 12], np.float32)
    picture = op.parameter([1, 8, 12, 12], np.float32)
    body = ov.Model([op.result(layers(picture))], [picture])
    each = op.tensor_iterator()
    each.set_friendly_name("inner")
    each.set_body(body)
    each.set_sliced_input(picture, inner.output(0), 0, 1, 1, -1, 0)
    joined = each.get_concatenated_slices(body.outputs[0], 0, 1, 1, -1, 0)
    if loop_outside:
        outer: Any = op.loop(op.constant(2), op.constant([True]))
        outer.set_friendly_name("outer")
        outer_body = ov.Model([op.result(joined), op.result(op.constant([True]))], [inner])
        outer.set_function(outer_body)
        outer.set_special_body_ports([-1, 1])
        outer.set_merged_input(inner, x.output(0), joined)
        return ov.Model([op.result(outer.get_iter_value(joined, -1))], [x])
    outer_body = ov.Model([op.result(joined)], [inner])
    flag = op.parameter([], np.bool_, name="flag")
    outer = op.if_op(flag)
    outer.set_friendly_name("outer")
    outer.set_then_body(outer_body)
    other = op.parameter([5, 8, 12, 12], np.float32)
    outer.set_else_body(ov.Model([op.result(op.relu(other))], [other]))
    outer.set_input(x.output(0), inner, other)
    out = outer.set_output(outer.get_function(0).get_results()[0], outer.get_function(1).get_results()[0])
    return ov.Model([op.result(out)], [x, flag])


def pictures(count: int, *shape: int) -> list[Array]:
    return [RNG.normal(size=shape or (1, 8, 12, 12)).astype(np.float32) for _ in range(count)]


def quantized(model: ov.Model, data: Any) -> tuple[ov.Model, Report]:
    reports: list[Report] = []
    result = quantize(model, data, report=reports.append)
    return result, reports[0]


CASES = {
    "if": (if_model(), [[picture, np.array(k % 3 > 0)] for k, picture in enumerate(pictures(40))], 4),
    "tensor_iterator": (tensor_iterator_model(), pictures(20, 5, 8, 12, 12), 2),
    "loop": (loop_model(), [[picture, np.array(1 + k % 3, np.int32)] for k, picture in enumerate(pictures(40))], 2),
    "loop_in_if": (
        nested_model(loop_outside=False),
        [[picture, np.array(k % 2 == 0)] for k, picture in enumerate(pictures(40, 5, 8, 12, 12))],
        2,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bodies_run_in_int8_and_stay_accurate(case: str) -> None:
    model, data, count = CASES[case]
    _, report = quantized(model, data)
    assert [layer.decision.int8 for layer in report.layers] == [True] * count
    execution = report.check.execution
    assert execution is not None
    assert (execution.int8, execution.total, execution.unseen, execution.fallen) == (count, count, 0, ())
    assert report.check.margin > 15


def test_statistics_come_out_of_bodies_as_they_are() -> None:
    """Each branch sees its own samples only."""
    graph = from_runtime(if_model())
    body = graph.node("branch").bodies["then_body"]
    tensor = next(node for node in body.nodes("Parameter")).output()
    wanted = {each: request(tensor, each, axis) for each, axis in ((Reduction.MAX, None), (Reduction.MEAN, 1))}
    data = [[picture, np.array(k % 3 == 0)] for k, picture in enumerate(pictures(8))]
    context = Context(load_target("cpu"), QuantizationConfig(samples=300), data)
    context.wanted = frozenset(wanted.values())
    Calibrate().run(graph, context)
    seen = [picture for picture, flag in data if flag]
    assert context.statistics[wanted[Reduction.MAX]].tolist() == [[each.max()] for each in seen]
    means = context.statistics[wanted[Reduction.MEAN]]
    np.testing.assert_allclose(means, [each.mean(axis=(0, 2, 3)) for each in seen], rtol=1e-4, atol=1e-6)


def test_the_iterations_of_a_loop_are_one_observation() -> None:
    graph = from_runtime(tensor_iterator_model())
    tensor = next(node for node in graph.node("each").bodies["body"].nodes("Parameter")).output()
    low, mean = request(tensor, Reduction.MIN), request(tensor, Reduction.MEAN)
    data = pictures(3, 5, 8, 12, 12)
    context = Context(load_target("cpu"), QuantizationConfig(samples=300), data)
    context.wanted = frozenset({low, mean})
    Calibrate().run(graph, context)
    assert context.statistics[low].tolist() == [[each.min()] for each in data]
    np.testing.assert_allclose(context.statistics[mean], [[each.mean()] for each in data], rtol=1e-3, atol=1e-6)


def test_a_branch_that_no_sample_reaches_stays_float() -> None:
    data = [[picture, np.array(True)] for picture in pictures(12)]
    result, report = quantized(if_model(), data)
    reasons = {layer.name: layer.decision.reason for layer in report.layers if not layer.decision.int8}
    assert reasons == {"branch|else_0": "no sample of the calibration data reached it"}
    for flag in (True, False):
        outputs = [ov.compile_model(each, "CPU")([data[0][0], np.array(flag)])[0] for each in (if_model(), result)]
        assert outputs[0].shape == outputs[1].shape


def test_bodies_of_dynamic_shapes_cannot_be_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "own_precision", lambda: "f32")  # in bf16, the plugin computes them wrongly
    data = [[picture, np.array(k % 3 > 0)] for k, picture in enumerate(pictures(20))]
    _, report = quantized(if_model(dynamic=True), data)
    assert report.check.execution is not None
    assert report.check.execution.unseen == 3
    assert report.check.margin > 15


def test_a_loop_in_a_loop_stays_float_with_the_reason() -> None:
    graph = from_runtime(nested_model(loop_outside=True))
    (first, _) = explain(graph, load_target("cpu"), QuantizationConfig()).layers
    assert (first.name, first.int8) == ("outer|inner|conv_0", False)
    reason = "it is in a body of TensorIterator 'inner', a loop within a loop, out of which no statistics can be led"
    assert first.reason == reason


@pytest.mark.parametrize(
    ("target", "ignored", "reason"),
    [
        ("npu", (), "it is in a body of If 'branch', and target 'npu' leaves those as they are"),
        ("cpu", ("branch",), "you ignore 'branch'"),
        ("cpu", ("branch|then_*",), "you ignore 'branch|then_*'"),
    ],
)
def test_bodies_are_left_alone_where_target_or_user_say_so(target: str, ignored: tuple[str, ...], reason: str) -> None:
    config = QuantizationConfig.checked(ignored={"scope": list(ignored)})
    plan = explain(from_runtime(if_model()), load_target(target), config)
    assert not plan.warnings
    assert {layer.reason for layer in plan.layers if layer.name.startswith("branch|then")} == {reason}


def test_quantized_bodies_survive_the_file(tmp_path: Any) -> None:
    ov.serialize(if_model(), tmp_path / "m.xml", tmp_path / "m.bin")
    data = [[picture, np.array(k % 3 > 0)] for k, picture in enumerate(pictures(20))]
    path = quantize(tmp_path / "m.xml", data)
    body = read_model(path).node("branch").bodies["then_body"]
    kinds = [node.output().element_type.name for node in body.nodes("Const") if "quantized" in node.name]
    assert kinds == ["i8", "i8"]


@pytest.mark.parametrize("dynamic", [True, False])
def test_quantiles_that_cannot_be_had_out_of_a_body_are_extremes(dynamic: bool) -> None:
    sizes = (1, 8, 12, 12)
    data = [{"x": RNG.normal(size=sizes).astype(np.float32), "flag": np.array(number % 2 == 0)} for number in range(4)]
    reports: list[Report] = []
    config = QuantizationConfig.checked(range_estimator={"preset": "quantile"}, guard=False)
    quantize(if_model(dynamic=dynamic), data, config=config, report=reports.append)
    told = [each for each in reports[0].warnings if each.startswith("range_estimator: ")]
    assert bool(told) == dynamic


def test_channels_of_which_no_quantiles_can_be_had_are_aligned_by_their_extremes() -> None:
    """In a body that takes any batch, with an extent for which quantiles are taken elsewhere."""
    data = [{"x": RNG.normal(size=(1, 8, 12, 12)).astype(np.float32), "flag": np.array(True)} for _ in range(4)]
    reports: list[Report] = []
    config = QuantizationConfig.checked(align_across=True, guard=False)
    quantize(if_model(batch=-1), data, config=config, report=reports.append)
    assert reports[0].results["align-activation-channels"].changes == 1
