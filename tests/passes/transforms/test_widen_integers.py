"""What is made whole in front of a FakeQuantize stays whole on the device."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import from_text
from irquant.passes import Context, QuantizationConfig, Report, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.testing import check_pass
from irquant.passes.transforms.widen_integers import WidenIntegers
from irquant.targets import load_target
from tests.emulation import EMULATED, written_out

F32 = {"INFERENCE_PRECISION_HINT": "f32"}


def picture_network(kind: str, *, is_half: bool) -> ov.Model:
    """A picture of few grey levels is made whole and centred in front of a convolution."""
    rng = np.random.default_rng(0)

    def number(value: float) -> Any:
        return op.convert(op.constant(np.float16(value)), "f32") if is_half else op.constant(np.float32(value))

    x = op.parameter([1, 4, 8, 8], np.float32, name="x")
    whole = op.convert(op.convert(op.multiply(x, number(1.5)), kind), "f32")
    y = op.divide(op.subtract(whole, number(3)), number(2))
    weights = op.constant(rng.normal(size=(8, 4, 3, 3)).astype(np.float32))
    return ov.Model([op.relu(op.convolution(y, weights, [1, 1], [0, 0], [0, 0], [1, 1]))], [x])


@pytest.mark.parametrize("kind", ["u8", *(pytest.param(each, marks=pytest.mark.slow) for each in ("i8", "i16", "i32"))])
@pytest.mark.parametrize("is_half", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["f32", "f16"])
def test_the_device_makes_numbers_whole_in_front_of_int8_layers(kind: str, *, is_half: bool) -> None:
    rng, reports = np.random.default_rng(1), list[Report]()
    samples = [rng.uniform(0, 4, (1, 4, 8, 8)).astype(np.float32) for _ in range(12)]
    model = picture_network(kind, is_half=is_half)
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False), report=reports.append)
    assert [each.decision.int8 for each in reports[0].layers] == [True]
    runs = (model, F32), (quantized, F32), (written_out(quantized), F32 | EMULATED)
    compiled = [ov.compile_model(one, "CPU", how) for one, how in runs]
    floats, made, meant = ([each(sample)[0].copy() for sample in samples] for each in compiled)
    assert (sqnr(floats, made) > 40, sqnr(meant, made) > 60) == (True, True)


GRAPH = """
    x: f32[1,4] = Parameter()
    half: f16[] = Const() [2.0]
    two: f32[] = Convert(half) destination_type="f32"
    low: f32[] = Const() [0.0]
    high: f32[] = Const() [5.0]
    whole: u8[1,4] = Convert(x) destination_type="u8"
    y: f32[1,4] = Convert(whole) destination_type="f32"
    z: f32[1,4] = Multiply(two, y) auto_broadcast="numpy"
    fq: f32[1,4] = FakeQuantize(z, low, high, low, high) levels="256" auto_broadcast="numpy"
    r = Result(fq)
"""


def changed(*lines: str, target: str = "cpu") -> int:
    """How many places the pass changes where lines of the graph are others."""
    graph = {line.split(":")[0]: line for each in (GRAPH.splitlines(), lines) for line in map(str.strip, each)}
    return WidenIntegers().run(from_text("\n".join(graph.values())), Context(load_target(target)))


def test_integers_take_32_bits_on_their_way_to_floats() -> None:
    wide = 'y/wide: i32[1,4] = Convert(whole) destination_type="i32"'
    after = GRAPH.replace("Convert(whole)", "Convert(y/wide)").replace("y: f32", f"{wide}\n    y: f32")
    check_pass(WidenIntegers(), before=GRAPH, after=after)


@pytest.mark.parametrize("kind", ["i8", "u8"])
@pytest.mark.parametrize(
    "step",
    ["Multiply(two, y)", "Subtract(y, two)", "ReLU(y)", 'Convert(y) destination_type="f32"'],
)
def test_steps_that_the_device_merges_lie_in_between(kind: str, step: str) -> None:
    assert changed(f'whole: {kind}[1,4] = Convert(x) destination_type="{kind}"', f"z: f32[1,4] = {step}") == 1


@pytest.mark.parametrize(
    "line",
    [
        'whole: i32[1,4] = Convert(x) destination_type="i32"',
        'whole: i16[1,4] = Convert(x) destination_type="i16"',
        "whole: u8[1,4] = Parameter()",
        "x: i32[1,4] = Parameter()",
        "z: f32[1,4] = Multiply(y, y)",
        "z: f32[1,4] = Sigmoid(y)",
        "fq: f32[1,4] = ReLU(z)",
    ],
)
def test_other_integers_are_left_alone(line: str) -> None:
    assert changed(line) == 0


@pytest.mark.parametrize("kind", ["i16", "u16"])
def test_integers_that_no_kernel_reads_are_widened(kind: str) -> None:
    before = GRAPH.replace("x: f32[1,4] = Parameter()", "")
    before = before.replace('whole: u8[1,4] = Convert(x) destination_type="u8"', f"whole: {kind}[1,4] = Parameter()")
    line = 'y/wide: i32[1,4] = Convert(whole) destination_type="i32"'
    after = before.replace("Convert(whole)", "Convert(y/wide)").replace("y: f32", f"{line}\n    y: f32")
    check_pass(WidenIntegers(), before=before, after=after)


def test_layers_of_sound_in_16_bits_run_in_int8() -> None:
    rng, reports = np.random.default_rng(1), list[Report]()
    sound = op.parameter([1, 1, 64], np.int16, name="sound")
    scaled = op.multiply(op.convert(sound, "f32"), op.constant(np.float32(1 / 32768)))
    weights = op.constant(rng.normal(size=(8, 1, 5)).astype(np.float32))
    model = ov.Model([op.relu(op.convolution(scaled, weights, [1], [0], [0], [1]))], [sound])
    samples = [rng.normal(0, 5000, (1, 1, 64)).astype(np.int16) for _ in range(12)]
    quantize(model, samples, report=reports.append)
    assert [each.decision.int8 for each in reports[0].layers] == [True]


@pytest.mark.parametrize(("target", "count"), [("cpu_spr", 1), ("gpu", 1), ("npu", 0), ("gna", 0)])
def test_the_target_says_whether_they_are_skipped(target: str, count: int) -> None:
    assert changed(target=target) == count


MASK = """
    ids: i64[2,8] = Parameter()
    scores: f32[2,2,8,8] = Parameter()
    pad: i64[] = Const() [0]
    one: f32[] = Const() [1.0]
    big: f32[] = Const() [-1e9]
    axes: i64[2] = Const() [1, 2]
    flag: boolean[2,8] = NotEqual(ids, pad) auto_broadcast="numpy"
    y: f32[2,8] = Convert(flag) destination_type="f32"
    off: f32[2,8] = Subtract(one, y) auto_broadcast="numpy"
    row: f32[2,8] = Multiply(off, big) auto_broadcast="numpy"
    mask: f32[2,1,1,8] = Unsqueeze(row, axes)
    masked: f32[2,2,8,8] = Add(scores, mask) auto_broadcast="numpy"
    r = Result(masked)
"""


def test_flags_of_a_mask_take_32_bits() -> None:
    wide = 'y/wide: i32[2,8] = Convert(flag) destination_type="i32"'
    after = MASK.replace("Convert(flag)", "Convert(y/wide)").replace("y: f32", f"{wide}\n    y: f32")
    check_pass(WidenIntegers(), before=MASK, after=after)


def test_flags_that_are_not_added_to_data_are_left_alone() -> None:
    for masked in ("Multiply(scores, mask)", "Add(one, mask)"):
        graph = MASK.replace("Add(scores, mask)", masked)
        graph = graph.replace("[2,2,8,8] = Add(one", "[2,1,1,8] = Add(one")
        assert WidenIntegers().run(from_text(graph), Context(load_target("cpu"))) == 0


def test_flags_that_are_counted_take_32_bits() -> None:
    """As in the mean of the tokens that a mask keeps; the runtime gave no tokens for the second sentence."""
    rng = np.random.default_rng(0)
    x, ids = op.parameter([2, 16, 16], np.float32, name="x"), op.parameter([2, 16], np.int64, name="ids")
    kept = op.unsqueeze(op.convert(op.not_equal(ids, np.int64(0)), "u8"), np.array([2]))
    weighted = op.multiply(op.convert(kept, "f32"), np.float32(2))
    count = op.reduce_sum(weighted, np.array([1]), True)
    layer = op.matmul(x, rng.normal(size=(16, 16)).astype(np.float32), False, False)
    model = ov.Model([op.result(count), op.result(layer)], [x, ids])
    flags = (np.arange(16) < np.array([[11], [14]])).astype(np.int64)
    samples = [{"x": rng.normal(size=(2, 16, 16)).astype(np.float32), "ids": flags} for _ in range(12)]
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False))
    assert np.ravel(ov.compile_model(quantized, "CPU", F32)(samples[0])[0]).tolist() == [22, 28]


def masked_attention(flags: Callable[[Any], Any]) -> ov.Model:
    """Attention of two heads over two sentences, whose masks are computed from flags."""
    rng, heads, size = np.random.default_rng(0), 2, 8
    x, ids = op.parameter([2, 16, 16], np.float32, name="x"), op.parameter([2, 16], np.int64, name="ids")

    def product(data: Any) -> Any:
        return op.matmul(data, rng.normal(size=(16, 16)).astype(np.float32) / 2, False, False)

    def by_head(data: Any) -> Any:
        return op.transpose(op.reshape(data, np.array([2, 16, heads, size]), False), np.array([0, 2, 1, 3]))

    query, key, value = (by_head(product(x)) for _ in range(3))
    mask = op.unsqueeze(op.multiply(flags(op.not_equal(ids, np.int64(0))), np.float32(1e9)), np.array([1, 2]))
    scores = op.add(op.multiply(op.matmul(query, key, False, True), np.float32(0.35)), mask)
    found = op.transpose(op.matmul(op.softmax(scores, 3), value, False, False), np.array([0, 2, 1, 3]))
    return ov.Model([op.result(product(op.reshape(found, np.array([2, 16, 16]), False)))], [x, ids])


@pytest.mark.parametrize(
    "flags",
    [
        lambda kept: op.subtract(op.convert(kept, "f32"), np.float32(1)),
        pytest.param(
            lambda kept: op.subtract(op.convert(op.convert(kept, "u8"), "f32"), np.float32(1)), marks=pytest.mark.slow
        ),
        pytest.param(
            lambda kept: op.add(op.multiply(op.convert(kept, "f32"), np.float32(0.5)), np.float32(-0.5)),
            marks=pytest.mark.slow,
        ),
    ],
    ids=["flag", "u8", "halved"],
)
def test_scores_beside_a_mask_of_flags_keep_their_values(flags: Callable[[Any], Any]) -> None:
    rng = np.random.default_rng(1)
    kept = np.arange(16) < np.array([[11], [14]])
    samples = [{"x": rng.normal(size=(2, 16, 16)).astype(np.float32), "ids": kept.astype(np.int64)} for _ in range(12)]
    model = masked_attention(flags)
    quantized = quantize(model, samples, config=QuantizationConfig(guard=False))
    runs = (model, F32), (quantized, F32), (written_out(quantized), F32 | EMULATED)
    compiled = [ov.compile_model(one, "CPU", how) for one, how in runs]
    floats, made, meant = ([each(sample)[0].copy() for sample in samples] for each in compiled)
    assert (sqnr(floats, made) > 20, sqnr(meant, made) > 40) == (True, True)
