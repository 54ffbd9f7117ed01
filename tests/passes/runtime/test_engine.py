"""What is emulated is what FakeQuantizes mean."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset5 as op5
import openvino.opset6 as op6
import openvino.opset13 as op
import pytest

from irquant.ir import Array
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.engine import Engine
from irquant.passes.runtime.modes import EMULATION, LATENCY, THROUGHPUT
from irquant.passes.runtime.samples import PreparedSample, Sample
from irquant.passes.runtime.sequences import fed_otherwise, in_sequence, with_steps_before
from tests.passes.doubled_by_if import doubled_by_if

RNG = np.random.default_rng(0)


def test_scales_by_channel_behind_a_layer_that_is_read_twice_are_emulated_right() -> None:
    """The slow obvious formula: 256 steps of 0.02 from -2.56 on, behind the scale of each channel."""
    first, second = (RNG.normal(size=(10, 10)).astype(np.float32) for _ in range(2))
    scale = RNG.uniform(0.2, 3, size=(1, 1, 10)).astype(np.float32)
    x = op.parameter([1, 6, 10], np.float32)
    layer = op.add(op.matmul(x, first, False, False), np.ones(10, np.float32))
    limits = [np.float32(-2.56), np.float32(2.54)]
    rounded = op.fake_quantize(op.multiply(layer, scale), *limits, *limits, 256)
    behind = op.matmul(rounded, second, False, False)
    model = ov.Model([op.result(behind), op.result(op.relu(layer))], [x])
    engine = Engine(from_runtime(model), EMULATION)
    data = RNG.normal(size=(1, 6, 10)).astype(np.float32)
    engine.infer({x.get_friendly_name(): data})
    meant = np.round((np.clip((data @ first + 1) * scale, -2.56, 2.54) + 2.56) / 0.02) * 0.02 - 2.56
    np.testing.assert_allclose(engine.results()[0], meant @ second, atol=0.2)  # a tie may fall to the other side


def test_scales_by_channel_behind_a_product_of_rounded_tensors_are_emulated() -> None:
    scale = RNG.uniform(0.2, 3, size=(1, 1, 10)).astype(np.float32)
    limits = [np.float32(-2.56), np.float32(2.54)]
    x, y = op.parameter([1, 6, 6], np.float32), op.parameter([1, 6, 10], np.float32)
    one, other = (op.fake_quantize(each, *limits, *limits, 256) for each in (x, y))
    scaled = op.multiply(op.matmul(one, other, False, False), scale)
    model = ov.Model([op.result(op.fake_quantize(scaled, *limits, *limits, 256))], [x, y])
    engine = Engine(from_runtime(model), EMULATION)
    data = [RNG.normal(size=shape).astype(np.float32) for shape in ((1, 6, 6), (1, 6, 10))]
    engine.infer({each.get_friendly_name(): array for each, array in zip((x, y), data, strict=True)})

    def rounded(values: Array) -> Array:
        return np.round((np.clip(values, -2.56, 2.54) + 2.56) / 0.02) * 0.02 - 2.56

    meant = rounded((rounded(data[0]) @ rounded(data[1])) * scale)
    assert (np.abs(engine.results()[0] - meant) < 0.001).mean() > 0.9  # ties may fall to the other side


SHIFT = RNG.uniform(-1, 1, size=(1, 6, 1, 1)).astype(np.float32)
SHIFTED: dict[str, Callable[[Any], Any]] = {
    "added": lambda y: op.add(y, SHIFT),
    "divided": lambda y: op.divide(y, np.abs(SHIFT) + 1),
    "as a batch norm": lambda y: op5.batch_norm_inference(y, *(np.abs(SHIFT).reshape(6) + 1,) * 4, 0.001),
    "added, then bounded": lambda y: op.clamp(op.add(y, SHIFT), -1, 1),
    "added, then moved": lambda y: op.transpose(op.add(y, SHIFT), np.array([0, 2, 3, 1])),
    "scaled, then shifted by a number": lambda y: op.subtract(op.multiply(y, SHIFT), np.float32(0.3)),
}


@pytest.mark.parametrize("batch", [3, -1])
@pytest.mark.parametrize("is_behind_layer", [False, True])
@pytest.mark.parametrize("shift", SHIFTED)
def test_shifts_by_channel_are_emulated_right(shift: str, batch: int, *, is_behind_layer: bool) -> None:
    """A layer that something else reads, too, leaves them to the FakeQuantize."""
    x = op.parameter([batch, 6, 5, 4], np.float32)
    weights = RNG.normal(size=(6, 6, 1, 1)).astype(np.float32)
    front = op.convolution(x, weights, [1, 1], [0, 0], [0, 0], [1, 1]) if is_behind_layer else x
    _assert_emulated_right(x, SHIFTED[shift](front), op.exp(front), RNG.normal(size=(3, 6, 5, 4)))


@pytest.mark.parametrize("shape", [(3, 6), (3, 5, 6), (3, 6, 6)])
def test_shifts_behind_equal_layers_are_emulated_right(shape: tuple[int, ...]) -> None:
    """Of equal layers the plugin makes one, which is read twice then."""
    x = op.parameter(list(shape), np.float32)
    weights = RNG.normal(size=(6, 6)).astype(np.float32)
    one, other = (op.add(op.matmul(x, weights, False, False), SHIFT.reshape(6) + each) for each in (0, 1))
    _assert_emulated_right(x, one, other, RNG.normal(size=shape))


@pytest.mark.parametrize("batch", [3, -1])
def test_shifts_in_bodies_are_emulated_right(batch: int) -> None:
    data, flag = op.parameter([batch, 6], np.float32), op.parameter([], np.bool_)
    inner = [op.parameter([batch, 6], np.float32) for _ in range(2)]
    limits = [np.float32(-2.56), np.float32(2.54)]
    rounded = op.fake_quantize(op.add(inner[0], SHIFT.reshape(6)), *limits, *limits, 256)
    bodies = [ov.Model([op.result(each)], [x]) for each, x in zip((rounded, inner[1]), inner, strict=True)]
    branch: Any = op.if_op(flag)
    branch.set_then_body(bodies[0])
    branch.set_else_body(bodies[1])
    branch.set_input(data.output(0), *inner)
    model = ov.Model([op.result(branch.set_output(*(each.get_results()[0] for each in bodies)))], [data, flag])
    values = RNG.normal(size=(3, 6)).astype(np.float32)
    feed = {data.get_friendly_name(): values, flag.get_friendly_name(): np.array(True)}
    found = Engine(from_runtime(model), EMULATION).outputs(PreparedSample(Sample("", None), feed))[0]
    meant = np.round((np.clip(values + SHIFT.reshape(6), -2.56, 2.54) + 2.56) / 0.02) * 0.02 - 2.56
    assert np.abs(found - meant).max() < 0.021, "a tie may fall to the other side"


def _assert_emulated_right(x: Any, tensor: Any, other: Any, data: Array) -> None:
    limits = [np.float32(-2.56), np.float32(2.54)]
    rounded = op.fake_quantize(tensor, *limits, *limits, 256)
    item = PreparedSample(Sample("", None), {x.get_friendly_name(): data.astype(np.float32)})
    plain, found = (
        Engine(from_runtime(ov.Model([op.result(each), op.result(other)], [x])), EMULATION).outputs(item)[0]
        for each in (tensor, rounded)
    )
    meant = np.round((np.clip(plain, -2.56, 2.54) + 2.56) / 0.02) * 0.02 - 2.56
    assert np.abs(found - meant).max() < 0.021, "a tie may fall to the other side"


def test_outputs_of_an_if_of_dynamic_sizes_are_right_although_the_plugin_may_lose_them_at_first() -> None:
    """The convolution behind it needs more memory than the If, and gets the memory that the If has just written."""
    x, flag = op.parameter([-1, 8, 6], np.float32), op.parameter([], np.bool_)
    chosen = doubled_by_if(x, flag)
    weights = np.ones((16, 8, 3), np.float32)
    model = ov.Model([op.result(op.convolution(chosen, weights, [1], [1], [1], [1]))], [x, flag])
    engine = Engine(from_runtime(model), LATENCY)
    samples = [RNG.normal(size=(size, 8, 6)).astype(np.float32) for size in (1, 5, 3)]
    feeds = [{x.get_friendly_name(): each, flag.get_friendly_name(): np.array(True)} for each in samples]
    items = [PreparedSample(Sample("a sample", each), each) for each in feeds]
    streamed: list[Array] = []
    Engine(from_runtime(model), THROUGHPUT).run(items, lambda _, found: streamed.append(found[0].copy()))
    assert engine.runs_twice
    cold = Engine(from_runtime(model), LATENCY, is_timed=True)
    lost: list[bool] = []
    for item, data, other in zip(items, samples, streamed, strict=True):
        summed = np.pad(data.sum(axis=1) * 2, ((0, 0), (1, 1)))
        meant = np.repeat((summed[:, :-2] + summed[:, 1:-1] + summed[:, 2:])[:, np.newaxis], 16, axis=1)
        np.testing.assert_allclose(engine.outputs(item)[0], meant, atol=1e-4)
        np.testing.assert_allclose(other, meant, atol=1e-4)
        lost.append(not np.allclose(cold.outputs(item)[0], meant, atol=1e-4))
    assert any(lost), "if this fails, the runtime has mended it, and nothing has to run twice"


def counter() -> ov.Model:
    """Adds what comes in to a sum that it keeps."""
    x = op.parameter([1, 2], np.float32, name="x")
    kept = op6.read_value(op.constant(np.zeros((1, 2), np.float32)), "sum", ov.Type.f32, ov.PartialShape([1, 2]))
    total = op.add(kept, x)
    return ov.Model([op.result(total)], [op6.assign(total, "sum")], [x], "counter")


def sequence(first: int, count: int) -> list[PreparedSample]:
    feeds = [{"x": np.full((1, 2), first + number, np.float32)} for number in range(count)]
    return in_sequence(PreparedSample(Sample(f"step {number}", None), feed) for number, feed in enumerate(feeds))


SUMS = [1, 3, 6, 10, 10, 21, 33]
STEPS = [*sequence(1, 4), *sequence(10, 3)]


@pytest.mark.parametrize("mode", [LATENCY, THROUGHPUT])
def test_states_carry_over_from_step_to_step_and_are_reset_in_front_of_each_sequence(mode: dict[str, str]) -> None:
    engine, found = Engine(from_runtime(counter()), mode), list[float]()
    engine.run(STEPS, lambda _, outputs: found.append(float(outputs[0][0, 0])))
    assert found == SUMS
    assert [float(engine.outputs(each)[0][0, 0]) for each in STEPS] == SUMS


@pytest.mark.parametrize("order", [[3, 2, 1, 0], [2, 2, 6, 3], [0, 1, 5, 2, 3], [6, 1, 3]])
def test_a_step_begins_with_the_same_states_whatever_ran_before(order: list[int]) -> None:
    engine, found = Engine(from_runtime(counter()), LATENCY), list[float]()
    some = [STEPS[number] for number in order]
    engine.run(some, lambda _, outputs: found.append(float(outputs[0][0, 0])))
    assert found == [SUMS[number] for number in order]
    for each, wanted in zip(some, found, strict=True):
        assert float(engine.outputs(each)[0][0, 0]) == wanted
        engine.infer(each.feed)


def test_a_sequence_in_order_runs_each_step_once() -> None:
    engine = Engine(from_runtime(counter()), LATENCY)
    for each in STEPS:
        engine.outputs(each)
    assert engine.mark().inferences == len(STEPS)
    engine.outputs(STEPS[2])
    assert engine.mark().inferences == len(STEPS) + 3


def test_steps_fed_otherwise_have_pasts_that_are_fed_otherwise() -> None:
    engine = Engine(from_runtime(counter()), LATENCY)
    doubled = fed_otherwise(STEPS[2:], lambda feed: {"x": 2 * feed["x"]})
    assert [float(engine.outputs(each)[0][0, 0]) for each in doubled] == [2 * each for each in SUMS[2:]]
    assert doubled[1].past is not None
    assert doubled[1].past.feed is doubled[0].feed


def test_the_steps_before_some_come_in_order_and_once() -> None:
    whole = with_steps_before([STEPS[2], STEPS[3], STEPS[5]])
    assert [id(each.feed) for each in whole] == [id(STEPS[number].feed) for number in (0, 1, 2, 3, 4, 5)]


def test_a_model_that_runs_twice_runs_each_step_twice_and_those_in_front_of_it_once() -> None:
    x, flag = op.parameter([-1, 8, 6], np.float32, name="x"), op.parameter([], np.bool_, name="flag")
    added = op.reduce_sum(doubled_by_if(x, flag), op.constant([0, 1, 2]), False)
    kept = op6.read_value(op.constant(np.zeros((), np.float32)), "sum", ov.Type.f32, ov.PartialShape([]))
    total = op.add(kept, added)
    model = ov.Model([op.result(total)], [op6.assign(total, "sum")], [x, flag], "m")
    feeds = [{"x": np.ones((size, 8, 6), np.float32), "flag": np.array(True)} for size in (1, 2, 3)]
    steps = in_sequence(PreparedSample(Sample("a step", None), each) for each in feeds)
    engine = Engine(from_runtime(model), LATENCY)
    assert engine.runs_twice
    once = float(engine.outputs(steps[0])[0])
    assert engine.mark().inferences == 2
    assert [float(engine.outputs(each)[0]) / once for each in steps] == [1, 3, 6]
    assert engine.mark().inferences == 2 + 2 * 3
    assert float(engine.outputs(steps[1])[0]) / once == 3
    assert engine.mark().inferences == 2 + 2 * 3 + 1 + 2
