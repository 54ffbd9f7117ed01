"""The analytic mean output of a layer, against the runtime.

For data that are constant in each channel the formula is exact whatever the padding, so the runtime must agree to
rounding. And the correction must do what it is for: leave no mean error.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, read_model, write_model
from irquant.ir.ops import WEIGHTED_TYPES, weight_axes
from irquant.passes import Context, PassManager, QuantizationConfig, default_quantization
from irquant.passes.analysis.coverage import kernel_sizes, needs_sizes, output_sizes, tap_coverage
from irquant.passes.transforms.correct_biases_fast import CorrectBiasesFast, mean_output
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
Make = Callable[[Any, Array], Any]


def convolution(stride: int, begin: int, end: int, dilation: int, pad: str = "explicit") -> Make:
    return lambda x, w: op.convolution(x, w, [stride, 1], [begin, 0], [end, 1], [dilation, 1], pad)


def grouped(stride: int, begin: int, end: int, dilation: int, pad: str = "explicit") -> Make:
    return lambda x, w: op.group_convolution(x, w, [stride] * 2, [begin, 1], [end, 0], [dilation] * 2, pad)


def transposed(stride: int, begin: int, end: int, extra: int = 0) -> Make:
    return lambda x, w: op.convolution_backprop_data(
        x, w, [stride] * 2, pads_begin=[begin, 0], pads_end=[end, 1], dilations=[1, 1], output_padding=[extra, 0]
    )


def transposed_grouped(x: Any, w: Array) -> Any:
    return op.group_convolution_backprop_data(x, w, [2, 2], pads_begin=[1, 1], pads_end=[1, 1], dilations=[1, 1])


CASES: dict[str, tuple[Make, tuple[int, ...]]] = {
    "plain": (convolution(1, 0, 0, 1), (5, 4, 3, 3)),
    "padded": (convolution(1, 1, 1, 1), (5, 4, 3, 3)),
    "padded on one side": (convolution(1, 2, 0, 1), (5, 4, 3, 3)),
    "strided": (convolution(2, 1, 1, 1), (5, 4, 3, 3)),
    "dilated": (convolution(1, 2, 2, 2), (5, 4, 3, 3)),
    "even kernel": (convolution(3, 1, 0, 1), (5, 4, 2, 4)),
    "same_upper": (convolution(2, 0, 0, 1, "same_upper"), (5, 4, 4, 3)),
    "same_lower": (convolution(2, 0, 0, 1, "same_lower"), (5, 4, 4, 3)),
    "valid": (convolution(2, 1, 1, 1, "valid"), (5, 4, 3, 3)),
    "grouped": (grouped(1, 1, 1, 1), (2, 3, 2, 3, 3)),
    "depthwise": (grouped(2, 1, 1, 1), (4, 1, 1, 3, 3)),
    "depthwise with two outputs a channel": (grouped(1, 2, 0, 2), (4, 2, 1, 3, 3)),
    "transposed": (transposed(2, 0, 0), (4, 5, 3, 3)),
    "transposed and padded": (transposed(2, 1, 1), (4, 5, 4, 4)),
    "transposed with more output": (transposed(2, 1, 1, 1), (4, 5, 3, 3)),
    "transposed and grouped": (transposed_grouped, (2, 2, 3, 3, 3)),
}


TRANSPOSED = "transposed and padded"


def layer_graph(make: Make, weights: Array, folder: Path, shape: tuple[int, ...] = (1, 4, 7, 9)) -> Graph:
    x = op.parameter(list(shape), np.float32, name="x")
    ov.serialize(ov.Model([op.result(make(x, weights))], [x]), folder / "layer.xml", folder / "layer.bin")
    return read_model(folder / "layer.xml")


@pytest.mark.parametrize("case", CASES)
def test_the_mean_output_is_exact_for_data_of_constant_channels(case: str, tmp_path: Path) -> None:
    make, shape = CASES[case]
    rng = np.random.default_rng(len(case))
    weights, means = rng.normal(size=shape).astype(np.float32), rng.normal(size=4)
    graph = layer_graph(make, weights, tmp_path)
    node = next(graph.nodes(*WEIGHTED_TYPES))
    kernel = kernel_sizes(node, weights)
    coverage = tap_coverage(node, kernel, node.source().shape[2:], node.output().shape[2:])
    found = mean_output(weight_axes(node), weights, means[np.newaxis], coverage)[0]
    data = np.broadcast_to(means.reshape(1, 4, 1, 1), (1, 4, 7, 9)).astype(np.float32)
    ran = ov.Core().compile_model(tmp_path / "layer.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(data)[0]
    np.testing.assert_allclose(found, ran.mean(axis=(0, 2, 3), dtype=np.float64), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [name for name in CASES if "transposed" not in name])
def test_the_size_of_a_convolutions_output_follows_from_that_of_its_input(case: str, tmp_path: Path) -> None:
    make, shape = CASES[case]
    node = next(layer_graph(make, np.ones(shape, np.float32), tmp_path).nodes(*WEIGHTED_TYPES))
    kernel = kernel_sizes(node, np.ones(shape))
    assert output_sizes(node, kernel, node.source().shape[2:]) == list(node.output().shape[2:])


def test_only_padding_and_transposition_make_sizes_matter(tmp_path: Path) -> None:
    needs = {}
    for case, (make, shape) in CASES.items():
        needs[case] = needs_sizes(next(layer_graph(make, np.ones(shape, np.float32), tmp_path).nodes(*WEIGHTED_TYPES)))
    assert {case for case, needed in needs.items() if not needed} == {"valid"}  # the others all pad one end by 1


@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (False, True), (True, True)])
def test_the_mean_output_of_a_matrix_product_is_exact(tmp_path: Path, *, transpose_a: bool, transpose_b: bool) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 4) if transpose_b else (4, 6)).astype(np.float32)
    data = rng.normal(size=(2, 4, 3) if transpose_a else (2, 3, 4)).astype(np.float32)
    graph = layer_graph(lambda x, w: op.matmul(x, w, transpose_a, transpose_b), weights, tmp_path, data.shape)
    node = next(graph.nodes("MatMul"))
    means = data.mean(axis=(0, 2) if transpose_a else (0, 1), dtype=np.float64)
    ran = ov.Core().compile_model(tmp_path / "layer.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(data)[0]
    found = mean_output(weight_axes(node), weights, means[np.newaxis], np.ones(()))[0]
    np.testing.assert_allclose(found, ran.mean(axis=(0, 1), dtype=np.float64), rtol=1e-4, atol=1e-5)


def quantize_layer(
    make: Make, weights: Array, folder: Path, data: list[Array], shape: tuple[int, ...], *, correct: bool
) -> Path:
    graph = layer_graph(make, weights, folder, shape)
    passes = [each for each in default_quantization() if correct or not isinstance(each, CorrectBiasesFast)]
    context = Context(load_target("cpu"), QuantizationConfig(), samples=data)
    PassManager(passes).run(graph, context)
    path = folder / ("corrected.xml" if correct else "plain.xml")
    write_model(graph, path, compact=True)
    return path


@pytest.mark.parametrize(
    ("case", "shape"),
    [
        *((case, (1, 4, 7, 9)) for case in ("padded", "depthwise", TRANSPOSED)),
        ("same_upper", (-1, 4, -1, -1)),
        *(
            pytest.param(case, (-1, 4, -1, -1), marks=pytest.mark.slow)
            for case in ("plain", "padded", "strided", "depthwise", TRANSPOSED)
        ),
        *(pytest.param(case, (1, 4, 7, 9), marks=pytest.mark.slow) for case in ("plain", "strided", "same_upper")),
    ],
)
@pytest.mark.better
def test_correction_leaves_little_of_the_mean_error(
    case: str, shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FakeQuantize computed in float, coarse weights, so that the mean error of rounding them is all there is."""
    monkeypatch.setattr("irquant.passes.calibration.sample_order.is_held_out", lambda _: False)
    make, size = CASES[case]
    rng = np.random.default_rng(1)
    weights = (rng.normal(size=size) * np.where(rng.random(size) < 0.2, 1, 0.01)).astype(np.float32)
    sizes = [(7, 9), (11, 6)] if -1 in shape else [(7, 9)]
    data = [(rng.random((1, 4, *sizes[k % len(sizes)])) + 1).astype(np.float32) for k in range(8)]
    config = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": "NO"}
    float_path = tmp_path / "layer.xml"

    def mean_error(path: Path) -> float:
        both = [ov.Core().compile_model(each, "CPU", config) for each in (float_path, path)]
        errors = [(both[1](sample)[0] - both[0](sample)[0]).mean(axis=(0, 2, 3), dtype=np.float64) for sample in data]
        return float(np.abs(np.mean(errors, axis=0)).max())

    plain = mean_error(quantize_layer(make, weights, tmp_path, data, shape, correct=False))
    corrected = mean_error(quantize_layer(make, weights, tmp_path, data, shape, correct=True))
    assert corrected < 0.25 * plain
