"""Which data look wrong, and that good data cause no warning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.ir.spelling import spelt_with_flags
from irquant.passes.analysis.data_findings import DataFindings, expected_inputs, find_about_data
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.data_look import DataLook, fed_line
from irquant.passes.runtime.samples import Sample, checked_feed, model_inputs

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)
PIXELS = [RNG.integers(0, 256, (1, 3, 8, 8)).astype(np.float32) for _ in range(40)]
NORMALIZED = [(each - 127) / 64 for each in PIXELS]
WITHOUT = ", nothing in the model normalizes them, and its first convolution is made for smaller ones"
NORMALIZE = "normalize the samples with the mean and scale of its training"
EQUAL = "all 40 samples are equal: check how they are read"


def model(steps: str = "", kind: str = "f32", size: float = 0.2, normalized: Sequence[int] = ()) -> Graph:
    """An image model whose first convolution has weights of this size, behind arithmetic with constants.

    Args:
        steps: The arithmetic.
        kind: The element type of the images.
        size: The size of the weights.
        normalized: The axes that are normalized behind the convolution and its bias.
    """
    image = op.parameter([1, 3, 8, 8], {"f32": np.float32, "u8": np.uint8}[kind], name="image")
    image.output(0).set_names({"image"})
    value: Any = image if kind == "f32" else op.convert(image, "f32")
    for step in steps.split():
        number = np.full((1, 3, 1, 1), float(step[1:]), np.float32)
        value = {"-": op.subtract, "/": op.divide, "*": op.multiply}[step[0]](value, number)
    weights = (RNG.normal(size=(8, 3, 3, 3)) * size).astype(np.float32)
    hidden = op.convolution(value, weights, [1, 1], [1, 1], [1, 1], [1, 1])
    if normalized:
        biased = op.add(hidden, RNG.normal(size=(1, 8, 1, 1)).astype(np.float32))
        hidden = op.mvn(biased, np.array(normalized), True, 1e-5, "inside_sqrt")
    hidden = op.relu(hidden)
    return from_runtime(ov.Model([op.result(op.reduce_mean(hidden, np.array([2, 3])))], [image], "m"))


def findings(graph: Graph, samples: list[Array], *, gives_images: bool = False) -> DataFindings:
    look, inputs = DataLook(), model_inputs(graph)
    for each in samples:
        look.add(checked_feed(Sample("s", each), inputs))
    fed = fed_line(look, samples, inputs)
    return find_about_data(expected_inputs(graph), look, samples, fed, gives_images=gives_images)


def test_the_line_says_what_is_fed() -> None:
    found = findings(model(), NORMALIZED)
    assert found.line == "40 samples; 'image' f32[1,3,8,8] -1.984 to 2"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("graph", "samples", "said"),
    [
        (model(), PIXELS, f"input 'image' f32[1,3,8,8]: values lie in 0 to 255{WITHOUT}: {NORMALIZE}"),
        (  # a layer normalization takes a scale away, but no mean
            model(normalized=(1, 2, 3)),
            PIXELS,
            f"input 'image' f32[1,3,8,8]: values lie in 0 to 255{WITHOUT}: {NORMALIZE}",
        ),
        (
            model("-127 /64"),
            NORMALIZED,
            "input 'image' f32[1,3,8,8]: values lie in -1.984 to 2, but the model itself normalizes pixels (by 127): "
            "give pixels of 0 to 255",
        ),
        (
            model("*0.00392"),
            [each / 255 for each in PIXELS],
            "input 'image' f32[1,3,8,8]: values lie in 0 to 1, but the model itself normalizes pixels (by 255.1): give "
            "pixels of 0 to 255",
        ),
        (model(), [NORMALIZED[0]] * 40, EQUAL),
        (
            model(),
            NORMALIZED[:30] + NORMALIZED[:10],
            "10 of 40 samples are copies of others: give different ones",
        ),
        (
            model(),
            [np.full((1, 3, 8, 8), index / 40, np.float32) for index in range(40)],
            "40 of 40 samples hold one value only: check how they are read",
        ),
        (
            model(),
            NORMALIZED[:15],
            "only 15 samples: ranges and check depend on each of them; give 100 to 300 typical ones",
        ),
    ],
)
def test_what_looks_wrong_is_told_with_its_remedy(graph: Graph, samples: list[Array], said: str) -> None:
    assert findings(graph, samples).warnings == (said,)


@pytest.mark.parametrize(
    ("samples", "found"),
    [
        (PIXELS, [f"input 'image' f32[1,3,8,8]: values lie in 0 to 255{WITHOUT}"]),
        ([NORMALIZED[0]] * 40, ["all 40 samples are equal"]),
        (NORMALIZED[:30] + NORMALIZED[:10], []),
        (NORMALIZED[:15], []),
    ],
)
def test_a_wrong_preparation_is_a_mistake_and_a_poor_choice_of_samples_is_none(
    samples: list[Array], found: list[str]
) -> None:
    assert [each.found for each in findings(model(), samples).mistakes] == found


def test_only_samples_that_options_prepare_get_options_as_a_remedy() -> None:
    class Images(list[Array]):
        description, doubts = "PNG files", ()

    with spelt_with_flags():
        assert [each.flags for each in findings(model(), PIXELS).mistakes] == [()]
        (mistake,) = findings(model(), Images(PIXELS)).mistakes
    assert mistake.flags == ("--mean", "M,M,M", "--scale", "S,S,S")
    assert mistake.remedy == "give the mean and scale of its training (--mean, --scale)"


class Files(list[Array]):
    """Arrays from files of these names."""

    def __init__(self, *names: str) -> None:
        super().__init__(NORMALIZED)
        self.sample_files = tuple(map(Path, names))


class ImageFiles(Files):
    description, doubts = "PNG files", ()


def test_several_files_are_counted_and_named() -> None:
    line = "40 samples; 'image' f32[1,3,8,8] -1.984 to 2"
    assert findings(model(), Files("d/a.npz")).line == line
    assert findings(model(), Files("d/a.npz", "d/b.npz")).line == f"{line}; from 2 files: a.npz, b.npz"
    four = Files(*(f"d/{each}.npz" for each in "abcd"))
    assert findings(model(), four).line == f"{line}; from 4 files: a.npz, b.npz, c.npz, ..."


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            Files("d/calib.npz", "d/eval.npz"),
            "1 of 2 files look like data to check with (d/eval.npz, beside d/calib.npz): give only those to calibrate with",
        ),
        (
            ImageFiles("d/train/1.png", "d/val/2.png", "d/val/3.png"),
            "2 of 3 files look like data to check with (val/2.png, beside train/1.png): give only those to calibrate with",
        ),
        (ImageFiles("d/train_01.png", "d/test_01.png"), ""),
        (Files("val/a.npz", "val/train_set.npz"), "1 of 2 files look like data to check with (val/a.npz, beside "),
        (Files("d/evaluator.npz", "d/trainer.npz"), ""),
        (Files("d/val_1.npz", "d/val_2.npz"), ""),
    ],
)
def test_data_to_check_with_among_those_to_calibrate_with_are_told(files: Files, said: str) -> None:
    warnings = findings(model(), files).warnings
    assert len(warnings) == bool(said)
    assert not said or warnings[0].startswith(said)


def test_zeros_are_equal_and_constant() -> None:
    assert findings(model(), [np.zeros((1, 3, 8, 8), np.float32)] * 40).warnings == (
        EQUAL,
        "40 of 40 samples hold one value only: check how they are read",
    )


@pytest.mark.parametrize(
    ("graph", "samples"),
    [
        (model("-127 /64"), PIXELS),
        (model("/255"), PIXELS),
        (model(kind="u8"), [each.astype(np.uint8) for each in PIXELS]),
        (model(size=0.002), PIXELS),  # the normalization is in the weights
        (model(normalized=(2, 3)), PIXELS),  # in each channel behind the convolution, as in style transfer
        (model("-0.5 /0.25"), [each / 255 for each in PIXELS]),
        (model(), [each / 255 for each in PIXELS]),
        (model(), [each - 127 for each in PIXELS]),  # a mean without scale
        (model(), NORMALIZED[:39] + NORMALIZED[:1]),
        (model(), NORMALIZED[:16]),
    ],
)
def test_good_data_cause_no_warning(graph: Graph, samples: list[Array]) -> None:
    assert findings(graph, samples).warnings == ()


def test_models_that_make_images_take_pixels() -> None:
    assert findings(model(), PIXELS, gives_images=True).warnings == ()


def test_without_data_there_is_nothing_to_say() -> None:
    assert findings(model(), []) == DataFindings()
