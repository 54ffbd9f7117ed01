"""Which items of a loader are batches, and which are one sample."""

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import Report, quantize
from irquant.passes.calibration.split_batches import split_batch
from irquant.passes.runtime.samples import ModelInput, Sample

IMAGE = ModelInput("image", frozenset({"image"}), "f32", (1, 3, 2, 2))
IMAGES = ModelInput("image", frozenset({"image"}), "f32", (-1, 3, 2, 2))
IDS = ModelInput("ids", frozenset({"ids"}), "i64", (-1, -1))
MASK = ModelInput("mask", frozenset({"mask"}), "i64", (-1, -1))
SIZE = ModelInput("size", frozenset({"size"}), "f32", (1, 2))
FRAMES = ModelInput("frames", frozenset({"frames"}), "f32", (-1, 1, 8), "TNC")
X = np.arange(48, dtype=np.float32).reshape(4, 3, 2, 2)
TOKENS = np.ones((4, 7), np.int64)


def parts(feed: object, *inputs: ModelInput, labels: tuple[object, ...] = (), size: int | None = None) -> list[Sample]:
    return [*split_batch(Sample("sample 7", feed), inputs, labels, size)]


def test_a_batch_is_split_if_the_model_takes_one_sample() -> None:
    found = parts([X], IMAGE)
    assert [each.label for each in found] == [f"sample 7, row {row}" for row in range(4)]
    for row, each in enumerate(found):
        assert isinstance(each.feed, dict)
        np.testing.assert_array_equal(each.feed["image"], X[row : row + 1])


def test_inputs_without_a_batch_go_with_each_sample() -> None:
    size = np.ones((1, 2), np.float32)
    found = parts({"size": size, "image": X}, IMAGE, SIZE)
    assert len(found) == 4
    assert all(isinstance(each.feed, dict) and each.feed["size"].shape == (1, 2) for each in found)


@pytest.mark.parametrize(
    ("feed", "inputs", "labels", "size"),
    [
        (X, (IMAGES,), (), None),  # surely a batch
        ({"ids": TOKENS, "mask": TOKENS}, (IDS, MASK), (np.zeros(4),), None),
        ({"ids": TOKENS, "mask": TOKENS}, (IDS, MASK), (), 4),
        ({"ids": TOKENS, "mask": TOKENS}, (IDS, MASK), (), 32),  # the last batch of a loader
    ],
)
def test_a_batch_is_split_if_the_model_takes_any_number(
    feed: object, inputs: tuple[ModelInput, ...], labels: tuple[object, ...], size: int | None
) -> None:
    assert len(parts(feed, *inputs, labels=labels, size=size)) == 4


@pytest.mark.parametrize(
    ("feed", "inputs", "labels", "size"),
    [
        (X[:1], (IMAGE,), (), 8),
        (X[0], (IMAGE,), (), 8),
        (X, (ModelInput("image", frozenset(), "f32", (4, 3, 2, 2)),), (), 4),  # the model takes four
        (X, (ModelInput("image", frozenset(), "f32", (2, 3, 2, 2)),), (), 4),  # refused later
        (X[:, :2], (IMAGE,), (), 4),  # refused later
        (np.ones((9, 1, 8)), (FRAMES,), (), 9),  # time
        (TOKENS, (IDS,), (), None),  # maybe one sample of four rows
        (TOKENS, (IDS,), (np.zeros(3),), 3),
        (TOKENS.tolist(), (IDS,), (), 4),
        ({"ids": TOKENS, "mask": TOKENS[:3]}, (IDS, MASK), (), 4),
        ({"image": X, "size": np.ones((1, 3))}, (IMAGE, SIZE), (), 4),
        ({"image": X}, (IMAGE, SIZE), (), 4),
        ((X, X), (IMAGE,), (), 4),
        (None, (IMAGE,), (), 4),
        (X, (ModelInput("image", frozenset(), "f32", None),), (), 4),
    ],
)
def test_other_samples_do_not_change(
    feed: object, inputs: tuple[ModelInput, ...], labels: tuple[object, ...], size: int | None
) -> None:
    (found,) = parts(feed, *inputs, labels=labels, size=size)
    assert found.feed is feed


@pytest.mark.parametrize("size", [2, -1], ids=["of one size", "of any size"])
def test_a_batch_that_is_dynamic_only_at_the_input_stays_whole(size: int) -> None:
    """With dynamic sizes, only those of the data show that a batch of one would not fit."""
    x = op.parameter(ov.PartialShape([-1, 3, size, 2]), np.float32, name="image")
    whole = op.reshape(x, np.array([4, 3, 2, 2]), False)
    joined = op.concat([whole, op.constant(np.ones((4, 1, 2, 2), np.float32))], 1)
    kernel, one, zero = np.ones((4, 4, 1, 1), np.float32), [1, 1], [0, 0]
    model = ov.Model([op.result(op.convolution(joined, kernel, one, zero, zero, one))], [x])
    reports: list[Report] = []
    quantize(model, [X + number for number in range(12)], guard=False, report=reports.append)
    assert reports[0].samples + reports[0].held_out == 12
