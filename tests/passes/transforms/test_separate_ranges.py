"""Readers get a FakeQuantize of their own if the range that Concat needs is much wider than theirs."""

from collections.abc import Callable

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Array
from irquant.passes import Context, PassManager, QuantizationConfig, Report, default_quantization, quantize
from irquant.passes.analysis.agreement import sqnr
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.transforms.separate_ranges import SeparateRanges
from irquant.targets import load_target

F32 = {"INFERENCE_PRECISION_HINT": "f32"}
CONFIG = QuantizationConfig(guard=False)


def samples(count: int) -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(1, 16)).astype(np.float32) for _ in range(count)]


def pictures(count: int) -> list[Array]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(1, 8, 16, 16)).astype(np.float32) for _ in range(count)]


def fully_connected(rng: np.random.Generator, data: ov.Node, rows: int, size: int) -> ov.Node:
    return op.matmul(data, (rng.normal(size=(rows, size)) / np.sqrt(size)).astype(np.float32), False, True)


def convolved(rng: np.random.Generator, data: ov.Node, rows: int = 8, gain: float = 1.0) -> ov.Node:
    channels = data.get_output_partial_shape(0)[1].get_length()
    kernel = rng.normal(size=(rows, channels, 1, 1)) * gain / np.sqrt(channels)
    return op.convolution(data, kernel.astype(np.float32), [1, 1], [0, 0], [0, 0], [1, 1])


def interactions(scale: float) -> ov.Model:
    """The products of four vectors with one another, joined with one of the vectors, as recommenders have them.

    Args:
        scale: The factor of the products.
    """
    rng = np.random.default_rng(0)
    x = op.parameter([1, 16], np.float32, name="x")
    dense = fully_connected(rng, x, 16, 16)
    vectors = [dense, *(op.tanh(fully_connected(rng, x, 16, 16)) for _ in range(3))]
    stack = op.concat([op.unsqueeze(each, np.int64(1)) for each in vectors], 1)
    products = op.multiply(op.matmul(stack, stack, False, True), np.float32(scale))
    joined = op.concat([dense, op.reshape(products, [1, 16], special_zero=False)], 1)
    return ov.Model(
        [op.result(op.matmul(stack, stack, False, True)), op.result(fully_connected(rng, joined, 8, 32))], [x]
    )


def beside_a_convolution(gain: float, unit: float = 1.0) -> ov.Model:
    """A tensor that a convolution reads, and that is joined with one that is `gain` times as large."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 8, 16, 16], np.float32, name="x")
    y = op.relu(convolved(rng, x, gain=unit))
    joined = op.concat([y, op.relu(convolved(rng, y, gain=gain))], 1)
    return ov.Model([op.result(convolved(rng, convolved(rng, y))), op.result(convolved(rng, joined))], [x])


def dense_block(growth: float = 1.0) -> ov.Model:
    """Each layer reads all results before it; each is `growth` times as large."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 8, 16, 16], np.float32, name="x")
    parts = [op.relu(convolved(rng, x))]
    for _ in range(4):
        parts.append(op.relu(convolved(rng, op.concat(parts, 1) if len(parts) > 1 else parts[0], gain=growth)))
    return ov.Model([op.result(convolved(rng, op.concat(parts, 1)))], [x])


def inception() -> ov.Model:
    rng = np.random.default_rng(0)
    x = op.parameter([1, 8, 16, 16], np.float32, name="x")
    y = op.relu(convolved(rng, x))
    for _ in range(2):
        pooled = op.max_pool(y, [1, 1], [1, 1], [1, 1], [1, 1], [3, 3]).output(0)
        y = op.concat([op.relu(convolved(rng, y)), op.relu(convolved(rng, op.relu(convolved(rng, y)))), pooled], 1)
    return ov.Model([op.result(convolved(rng, y))], [x])


def split_and_joined() -> ov.Model:
    """The block of YOLO networks: halves, of which one is convolved again and again, are all joined."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 8, 16, 16], np.float32, name="x")
    parts = [*op.split(op.swish(convolved(rng, x, 16)), op.constant(np.int64(1)), 2).outputs()]
    for _ in range(2):
        parts.append(
            op.add(parts[-1], op.swish(convolved(rng, op.swish(convolved(rng, op.relu(parts[-1])))))).output(0)
        )
    return ov.Model([op.result(convolved(rng, op.swish(convolved(rng, op.concat(parts, 1)))))], [x])


def ranges(model: ov.Model) -> dict[str, list[float]]:
    """The rounded activations -> the upper ends of their FakeQuantizes, in ascending order."""
    found: dict[str, list[float]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            tensor, high = node.input_value(0), node.input_value(2).get_node()
            name = f"{tensor.get_node().get_friendly_name()}:{tensor.get_index()}"
            found.setdefault(name, []).append(float(high.data))
    return {name: sorted(ends) for name, ends in found.items()}


def ratios(made: Callable[[], ov.Model], data: list[Array]) -> tuple[list[float], Report]:
    """The dB of each output of a quantized model, and its report."""
    reports: list[Report] = []
    model = made()
    floats = ov.compile_model(model, "CPU", F32)
    compiled = ov.compile_model(quantize(model, data[:16], config=CONFIG, report=reports.append), "CPU", F32)
    both = [[[*each(sample).values()] for sample in data[16:]] for each in (floats, compiled)]
    count = len(model.outputs)
    return [sqnr(*([each[index] for each in run] for run in both)) for index in range(count)], reports[0]


def all_in_int8(report: Report) -> bool:
    return all(layer.decision.int8 and not layer.fallen for layer in report.layers)


def test_products_of_what_is_joined_with_them_keep_a_range_of_their_own() -> None:
    (products, _), report = ratios(lambda: interactions(30), samples(32))
    assert products > 30
    assert all_in_int8(report)
    found = ranges(quantize(interactions(30), samples(16), config=CONFIG, report=lambda _: None))
    (dense,) = (ends for ends in found.values() if len(ends) == 2)
    assert dense[1] > 20 * dense[0]
    assert sum(ends == dense[:1] for ends in found.values()) == 3  # Concat needs one range


@pytest.mark.parametrize("unit", [1.0, 1e-4, 1e-6])
def test_a_layer_beside_a_join_keeps_a_range_of_its_own(unit: float) -> None:
    (beside, _), report = ratios(lambda: beside_a_convolution(100, unit), pictures(32))
    assert beside > 30
    assert all_in_int8(report)


@pytest.mark.parametrize("made", [lambda: interactions(0.3), lambda: beside_a_convolution(3)])
def test_ranges_that_are_alike_stay_one(made: Callable[[], ov.Model]) -> None:
    data = samples(16) if len(made().input(0).shape) == 2 else pictures(16)
    assert all(len(ends) == 1 for ends in ranges(quantize(made(), data, config=CONFIG, report=lambda _: None)).values())


@pytest.mark.parametrize("made", [dense_block, inception, split_and_joined])
def test_blocks_of_convolutions_keep_one_range(made: Callable[[], ov.Model]) -> None:
    assert all(
        len(ends) == 1 for ends in ranges(quantize(made(), pictures(16), config=CONFIG, report=lambda _: None)).values()
    )


def test_no_reader_of_a_block_that_grows_has_a_much_wider_range_than_its_own() -> None:
    """Each step is less than the factor, the whole block far more."""
    found = ranges(quantize(dense_block(5), pictures(16), config=CONFIG, report=lambda _: None))
    first = max(found.values(), key=len)
    assert 2 <= len(first) < 5
    assert first[0] < 8 * 5


def test_zeros_lose_nothing_in_a_wide_range() -> None:
    x = op.parameter([1, 8, 16, 16], np.float32, name="x")
    rng = np.random.default_rng(0)
    zeros = op.relu(op.subtract(op.sigmoid(x), np.float32(1)))
    joined = op.concat([zeros, op.relu(convolved(rng, x))], 1)
    model = ov.Model([op.result(convolved(rng, zeros)), op.result(convolved(rng, joined))], [x])
    assert all(
        len(ends) == 1 for ends in ranges(quantize(model, pictures(16), config=CONFIG, report=lambda _: None)).values()
    )


def test_a_second_run_divides_nothing_more() -> None:
    graph = from_runtime(dense_block(5))
    context = Context(load_target("cpu"), CONFIG, pictures(16))
    passes = default_quantization()
    index = next(index for index, each in enumerate(passes) if isinstance(each, SeparateRanges))
    results = PassManager(passes[: index + 1]).run(graph, context)
    assert results["separate-ranges"].changes > 0
    assert len({site.name for site in context.plan.sites}) == len(context.plan.sites)
    assert SeparateRanges().run(graph, context) == 0
