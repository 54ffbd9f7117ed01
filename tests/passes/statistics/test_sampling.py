"""Sampled elements are those that numpy picks at the stated places, whatever the shape, on the real runtime."""

import math
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import DYNAMIC, Graph, from_text
from irquant.passes import Context, QuantizationConfig
from irquant.passes.calibration.attach_statistics import LARGEST_BATCH
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.statistics.aligned import Aligned, Shift
from irquant.passes.statistics.request import Numbers, Reduction, Request, request
from irquant.passes.statistics.sampling import ELEMENTS, sampled_channels, sampled_count, sampled_places, sampled_sizes
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
Shape = tuple[int, ...]
RNG = np.random.default_rng(3)


# -------------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("shape", "channel_axis", "batched", "expected"),
    [
        ((1, 8, 64, 64), 1, True, {1: 8, 2: 8, 3: 8}),
        ((1, 8, 64, 64), 1, False, {0: 1, 1: 8, 2: 8, 3: 8}),
        ((1, 3, 224, 224), 1, True, {1: 3, 2: 13, 3: 13}),
        ((1, 64, 1, 50), 1, True, {1: 64, 2: 1, 3: 8}),  # what a short axis leaves is for the long one
        ((1, 64, 50, 1), 1, True, {1: 64, 2: 8, 3: 1}),
        ((1, 600, 7, 7), 1, True, {1: 512, 2: 1, 3: 1}),
        ((1, 512, 7, 7), 1, True, {1: 512, 2: 1, 3: 1}),
        ((1, 197, 384), 2, True, {1: 1, 2: 384}),
        ((1, 197, 16), 2, True, {1: 32, 2: 16}),
        ((1, 197, 16), None, True, {1: 32, 2: 16}),
        ((DYNAMIC, 16, DYNAMIC, DYNAMIC), 1, True, {1: 16, 2: 5, 3: 6}),
        ((DYNAMIC, 16), 1, False, {0: 32, 1: 16}),
        ((100, 16), 1, False, {0: 32, 1: 16}),
        ((100, 1024), 1, False, {0: 2, 1: 512}),
        ((100, 1024), 1, True, {1: 512}),
        ((7,), None, False, {0: 7}),
        ((1000,), None, False, {0: 512}),
        ((DYNAMIC,), None, False, {0: 512}),
        ((4, 2, 2, 2, 100), 1, True, {1: 2, 2: 2, 3: 2, 4: 64}),
        ((), None, False, {}),
    ],
)
def test_sizes(shape: Shape, channel_axis: int | None, expected: dict[int, int], *, batched: bool) -> None:
    found = sampled_sizes(shape, channel_axis, batched=batched)
    assert found == expected
    assert list(found) == sorted(found)
    assert sampled_count(shape, channel_axis, batched=batched) == math.prod(expected.values())


@pytest.mark.parametrize("shape", [(9, 700, 9, 9), (9, 9, 9, 9), (2, 513), (300, 40, 1), (DYNAMIC, 600)])
def test_the_count_tells_whether_axis_0_numbers_observations(shape: Shape) -> None:
    axis = 1
    batched, whole = (sampled_count(shape, axis, batched=each) for each in (True, False))
    assert batched <= ELEMENTS
    assert batched < whole <= 2 * ELEMENTS


@pytest.mark.parametrize("shape", [(1, 700, 9, 9), (1, 9, 9)])
def test_of_one_row_it_does_not_matter(shape: Shape) -> None:
    assert len({sampled_count(shape, 1, batched=each) for each in (True, False)}) == 1


def test_places_lie_evenly_and_in_the_middle() -> None:
    assert sampled_places(6, 3).tolist() == [0, 2, 4]
    assert sampled_places(9, 3).tolist() == [1, 4, 7]
    assert sampled_places(4, 4).tolist() == [0, 1, 2, 3]
    assert sampled_places(2, 5).tolist() == [0, 0, 0, 0, 1]  # fewer than wanted: some come repeatedly


def test_channels_repeat_for_each_row_of_axis_0() -> None:
    of_row = sampled_channels((5, 3, 100), 1, 3 * 100)
    assert of_row.tolist() == [0] * 100 + [1] * 100 + [2] * 100
    assert sampled_channels((5, 3, 100), 1, 900).tolist() == of_row.tolist() * 3


def test_channels_along_the_last_axis_alternate() -> None:
    assert sampled_channels((1, 100, 4), 2, 12).tolist() == [0, 1, 2, 3] * 3


# -------------------------------------------------------------------------------------------------- on the real runtime


def picked(tensor: Array, declared: Shape, channel_axis: int | None, *, batched: bool) -> Numbers:
    """The obvious computation: numpy takes the places along one axis after the other."""
    for axis, count in sampled_sizes(declared, channel_axis, batched=batched).items():
        tensor = tensor.take(sampled_places(tensor.shape[axis], count), axis)
    return tensor.astype(np.float32).reshape(len(tensor) if batched else 1, -1)


def calibrated(graph: Graph, wanted: set[Request], data: object) -> Context:
    context = Context(load_target("cpu"), QuantizationConfig(samples=300), samples=data)
    context.wanted = frozenset(wanted)
    assert Calibrate().run(graph, context) == 0
    return context


def measured(
    declared: Shape, shapes: list[Shape], axis: int | None, dtype: Any = np.float32
) -> tuple[Numbers, list[Array]]:
    """The sampled elements of an input, and the samples."""
    x = op.parameter(list(declared), dtype, name="x")
    graph = from_runtime(ov.Model([op.result(op.sin(x))], [x]))
    wanted = request(graph.node("x").output(), Reduction.SAMPLE, axis)
    samples = [RNG.normal(size=shape).astype(dtype) for shape in shapes]
    return calibrated(graph, {wanted}, samples).statistics[wanted], samples


#: What is declared, what the samples have, the axis of the channels; whether each row is an observation.
CASES: list[tuple[Shape, Shape, int | None, bool]] = [
    ((7,), (7,), None, False),
    ((1000,), (1000,), None, False),
    ((-1,), (700,), None, False),
    ((-1,), (3,), None, False),
    ((1, 40), (1, 40), 1, False),
    ((1, 2000), (1, 2000), 1, False),
    ((-1, 2000), (3, 2000), 1, True),
    ((4, 2000), (4, 2000), 1, True),
    ((1, 197, 384), (1, 197, 384), 2, False),
    ((1, -1, 384), (1, 9, 384), 2, False),
    ((2, -1, 384), (2, 1, 384), 2, True),
    ((1, 30, 600), (1, 30, 600), 1, False),
    ((1, 3, 50, 60), (1, 3, 50, 60), 1, False),
    ((-1, 3, 50, 60), (2, 3, 50, 60), 1, True),
    ((1, 16, -1, -1), (1, 16, 9, 31), 1, False),
    ((-1, 16, -1, -1), (2, 16, 2, 3), 1, True),
    ((1, 700, 7, 7), (1, 700, 7, 7), 1, False),
    ((-1, 700, 7, -1), (3, 700, 7, 5), 1, True),
    ((1, 24, 40, 40), (1, 24, 40, 40), 3, False),
    ((1, -1, 40, 40), (1, 24, 40, 40), None, False),
    ((1, 4, 10, 20, 30), (1, 4, 10, 20, 30), 1, False),
    ((-1, 4, 10, 20, 30), (2, 4, 10, 20, 30), 1, True),
    ((1, 4, -1, -1, -1), (1, 4, 10, 20, 30), 1, False),
    ((1, 600, 10, 20, 30), (1, 600, 10, 20, 30), 1, False),
    ((1, 10, 20, 30, 40), (1, 10, 20, 30, 40), 4, False),
]


@pytest.mark.parametrize(("declared", "shape", "axis", "batched"), CASES, ids=str)
def test_numbers_are_elements_at_the_stated_places(
    declared: Shape, shape: Shape, axis: int | None, *, batched: bool
) -> None:
    found, samples = measured(declared, [shape] * 2, axis)
    expected = [picked(each, declared, axis, batched=batched) for each in samples]
    np.testing.assert_array_equal(found, np.concatenate(expected))


def test_halves_come_as_they_are() -> None:
    found, samples = measured((1, 3, 50, 60), [(1, 3, 50, 60)], 1, np.float16)
    np.testing.assert_array_equal(found, picked(samples[0], (1, 3, 50, 60), 1, batched=False))


@pytest.mark.parametrize("declared", [(9, 4, 30, 30), (300, 4), (30, 700), (5, 600, 6), (4, 3, 3, 20, 20)], ids=str)
@pytest.mark.parametrize("is_dynamic", [False, True])
def test_so_they_are_where_axis_0_numbers_no_observations(declared: Shape, *, is_dynamic: bool) -> None:
    """Behind a Reshape that joins axes, an inference is one observation."""
    x = op.parameter([1, *declared], np.float32, name="x")
    y = op.reshape(x, np.array(declared), False)
    graph = from_runtime(ov.Model([op.result(op.sin(y))], [x]))
    tensor = next(graph.nodes("Reshape")).output()
    wanted = request(tensor, Reduction.SAMPLE, 1)
    samples = [RNG.normal(size=(1, *declared)).astype(np.float32) for _ in range(2)]
    found = calibrated(graph, {wanted}, samples).statistics[wanted]
    expected = [picked(each[0], declared, 1, batched=False) for each in samples]
    np.testing.assert_array_equal(found, np.concatenate(expected))


@pytest.mark.parametrize("channels", [513, 768, 1000, 1023, 1024, 1025, 1536, 2560, 3072, 3584, 4096, 4608, 5000])
def test_the_channels_of_wide_tensors_are_those_that_the_runtime_takes(channels: int) -> None:
    """The runtime computes places in f32: at seven channels a place, for one, that is another place than in f64."""
    x = op.parameter([1, 2, channels], np.float32, name="x")
    graph = from_runtime(ov.Model([op.result(op.sin(x))], [x]))
    wanted = request(graph.node("x").output(), Reduction.SAMPLE, 2)
    numbers = np.broadcast_to(np.arange(channels, dtype=np.float32), (1, 2, channels)).copy()
    found = calibrated(graph, {wanted}, [numbers]).statistics[wanted]
    assert found[0].astype(int).tolist() == sampled_channels((1, 2, channels), 2, found.shape[1]).tolist()


def test_more_rows_than_a_batch_may_have_are_one_observation() -> None:
    rows = LARGEST_BATCH + 44
    found, samples = measured((-1, 600), [(rows, 600), (2, 600)], 1)
    of_rows = picked(samples[0], (-1, 600), 1, batched=True)
    expected = of_rows[np.arange(512) * rows // 512, np.arange(512)]
    np.testing.assert_array_equal(found, [expected, *picked(samples[1], (-1, 600), 1, batched=True)])


def test_samples_of_different_sizes_give_the_same_count() -> None:
    declared = (1, 16, -1, -1)
    found, samples = measured(declared, [(1, 16, 3, 3), (1, 16, 80, 70), (1, 16, 1, 9)], 1)
    np.testing.assert_array_equal(found, [picked(each, declared, 1, batched=False)[0] for each in samples])


def test_masks_count_as_zeros() -> None:
    graph = from_text("""
        x: f32[1,4,6] = Parameter()
        low: f32[1,1,6] = Const() [0.0, 0.0, -3.4028235e+38, 0.0, 0.0, -3.4028235e+38]
        y: f32[1,4,6] = Add(x, low)
        z: f32[1,4,6] = SoftMax(y) axis="2"
        r = Result(z)
    """)
    wanted = request(graph.node("y").output(), Reduction.SAMPLE, 2)
    sample = RNG.normal(size=(1, 4, 6)).astype(np.float32)
    found = calibrated(graph, {wanted}, [sample]).statistics[wanted]
    sample[..., [2, 5]] = 0
    np.testing.assert_array_equal(found, sample.reshape(1, -1))


# ---------------------------------------------------------------------------------- tensors that passes changed since


@pytest.mark.parametrize("channels", [5, 700, 3584])
@pytest.mark.parametrize("batched", [False, True])
def test_shifted_and_scaled_elements_are_those_of_the_tensor_as_it_is_now(channels: int, *, batched: bool) -> None:
    shape = (3, channels, 6, 7)
    tensor = RNG.normal(size=shape).astype(np.float32)
    shift, scale = RNG.normal(size=channels), RNG.uniform(0.1, 9, size=channels)
    wanted = Request(4, 0, Reduction.SAMPLE, 1)
    known = {wanted: picked(tensor, shape, 1, batched=batched)}
    found = Aligned(known, {((), 4, 0): Shift(shift, scale, shape)})[wanted]
    moved = (tensor - shift[:, None, None]) / scale[:, None, None]
    np.testing.assert_allclose(found, picked(moved, shape, 1, batched=batched), rtol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("axis", [None, 2])
def test_elements_whose_channel_is_not_known_are_unknown_once_channels_were_scaled(axis: int | None) -> None:
    wanted = Request(4, 0, Reduction.SAMPLE, axis)
    found = Aligned({wanted: np.ones((2, 9), np.float32)}, {((), 4, 0): Shift(np.ones(3), np.ones(3), (1, 3, 3))})
    assert wanted not in found
    with pytest.raises(KeyError):
        found[wanted]


def test_elements_of_other_tensors_stay_as_they_are() -> None:
    wanted = Request(5, 0, Reduction.SAMPLE, 2)
    numbers = np.ones((2, 9), np.float32)
    found = Aligned({wanted: numbers}, {((), 4, 0): Shift(np.ones(3), np.ones(3), (1, 3, 3))})
    assert found[wanted] is numbers
