"""Distributions as readers see them: what counts is the energy of the weights, and no channel is left out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from irquant.ir import Graph, from_text
from irquant.passes import QuantizationConfig
from irquant.passes.analysis.expected_error import Distribution
from irquant.passes.analysis.known_numbers import KnownNumbers
from irquant.passes.placement.distributions import distribution, sample_request
from irquant.passes.placement.plan import Site
from irquant.passes.statistics.request import Numbers, Reduction, Request, Statistics, request
from irquant.passes.statistics.sampling import sampled_channels, sampled_count
from irquant.targets import Granularity, QuantSpec

RNG = np.random.default_rng(8)
CONV = 'strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" auto_pad="explicit"'
BACKPROP = f'{CONV} output_padding="0, 0"'


def site_of(
    graph: Graph,
    name: str = "x",
    readers: list[tuple[str, int]] | None = None,
    granularity: Granularity = Granularity.PER_TENSOR,
) -> Site:
    tensor = graph.node(name).output()
    ports = [graph.node(each).input(port) for each, port in readers] if readers else tensor.consumers
    return Site(f"{name}/fq", tensor, tuple(ports), QuantSpec(bits=8, granularity=granularity))


def default(**options: Any) -> QuantizationConfig:
    return QuantizationConfig.checked(**options)


def told(site: Site, numbers: Numbers, extremes: Mapping[Reduction, list[float]] | None = None) -> Distribution:
    """The distribution, of these numbers."""
    wanted = sample_request(site, default())
    assert wanted is not None
    ends = {request(site.source, each): np.array([found], np.float32).T for each, found in (extremes or {}).items()}
    return distribution(site, wanted, Statistics({wanted: numbers, **ends}), list(ends), KnownNumbers())


def weight_of_channels(site: Site, channels: int) -> list[float]:
    """What an error in each channel counts, told by values that name their channel."""
    wanted = sample_request(site, default())
    assert wanted is not None
    axis = 1 if wanted.channel_axis is None else wanted.channel_axis
    places = sampled_channels(site.source.shape, axis, sampled_count(site.source.shape, axis, batched=True))
    found = told(site, places.astype(np.float32)[np.newaxis])
    weights = [found.weights[found.values == channel] for channel in range(channels)]
    assert all(len(set(each.tolist())) == 1 for each in weights)
    return [float(each[0]) for each in weights]


def energies(array: np.ndarray, axes: int | tuple[int, ...]) -> list[float]:
    """Squares summed over all other axes, 1 on average."""
    kept = (axes,) if isinstance(axes, int) else axes
    found = (
        np.square(array.astype(np.float64)).sum(tuple(each for each in range(array.ndim) if each not in kept)).ravel()
    )
    return [float(each) for each in found / found.mean()]


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def const(name: str, array: np.ndarray) -> str:
    sizes, values = ",".join(map(str, array.shape)), ", ".join(map(str, array.ravel().tolist()))
    return f"{name}: f32[{sizes}] = Const() [{values}]"


def layer(data: str, array: np.ndarray, result: str, of: str) -> Graph:
    return from_text(f"""
        x: f32[{data}] = Parameter()
        {const("w", array)}
        y: f32[{result}] = {of}
        r = Result(y)
    """)


# ----------------------------------------------------------------------------------------------------------- energies


def product(*, a: bool = False, b: bool = False) -> str:
    return f'MatMul(x, w) transpose_a="{str(a).lower()}" transpose_b="{str(b).lower()}"'


#: Data, weights, result, operation; the axes of the weights that number the channels of the data.
LAYERS: dict[str, tuple[str, tuple[int, ...], str, str, int | tuple[int, ...]]] = {
    "Convolution": ("1,4,5,5", (6, 4, 3, 3), "1,6,3,3", f"Convolution(x, w) {CONV}", 1),
    "GroupConvolution": ("1,4,5,5", (2, 3, 2, 3, 3), "1,6,3,3", f"GroupConvolution(x, w) {CONV}", (0, 2)),
    "depthwise": ("1,4,5,5", (4, 1, 1, 3, 3), "1,4,3,3", f"GroupConvolution(x, w) {CONV}", 0),
    "transposed": ("1,4,5,5", (4, 6, 3, 3), "1,6,7,7", f"ConvolutionBackpropData(x, w) {BACKPROP}", 0),
    "transposed, groups": ("1,4,5,5", (2, 2, 3, 3, 3), "1,6,7,7", f"GroupConvolutionBackpropData(x, w) {BACKPROP}", (0, 1)),
    "MatMul": ("1,5,4", (4, 6), "1,5,6", product(), 0),
    "MatMul, transposed weights": ("1,5,4", (6, 4), "1,5,6", product(b=True), 1),
    "MatMul, transposed data": ("1,4,5", (4, 6), "1,5,6", product(a=True), 0),
    "MatMul, both transposed": ("1,4,5", (6, 4), "1,5,6", product(a=True, b=True), 1),
    "MatMul, as many rows as columns": ("1,4,4", (4, 6), "1,4,6", product(a=True), 0),
    "MatMul, one matrix a head": ("1,3,5,4", (3, 4, 6), "1,3,5,6", product(), 1),
}  # fmt: skip


@pytest.mark.parametrize("case", LAYERS)
def test_an_error_counts_as_the_weights_that_read_it(case: str) -> None:
    data, shape, result, of, axes = LAYERS[case]
    array = weights(*shape)
    site = site_of(layer(data, array, result, of))
    assert weight_of_channels(site, 4) == pytest.approx(energies(array, axes), rel=1e-5)


def test_the_channels_of_transposed_data_lie_along_the_axis_before_the_last() -> None:
    data, shape, result, of, _ = LAYERS["MatMul, as many rows as columns"]
    wanted = sample_request(site_of(layer(data, weights(*shape), result, of)), default())
    assert wanted is not None
    assert wanted.channel_axis == 1


def two(second: str) -> Graph:
    return from_text(f"""
        x: f32[1,2,3,3] = Parameter()
        {const("w", np.array([3, 1], np.float32).reshape(1, 2, 1, 1))}
        {const("v", np.array([1, 1], np.float32).reshape(1, 2, 1, 1) * 100)}
        y: f32[1,1,3,3] = Convolution(x, w) {CONV}
        z: {second}
        r = Result(y)
        s = Result(z)
    """)


def test_of_two_readers_each_counts_as_much_as_the_other() -> None:
    site = site_of(two(f"f32[1,1,3,3] = Convolution(x, v) {CONV}"))
    assert weight_of_channels(site, 2) == pytest.approx([(1.8 + 1) / 2, (0.2 + 1) / 2])


@pytest.mark.parametrize("second", ["f32[1,2,3,3] = ReLU(x)", "f32[1,2,3,3] = Add(x, x)"])
def test_with_a_reader_without_weights_all_channels_count_alike(second: str) -> None:
    assert weight_of_channels(site_of(two(second)), 2) == [1, 1]


def test_who_only_asks_for_the_size_is_no_reader() -> None:
    graph = from_text(f"""
        x: f32[1,5,4] = Parameter()
        {const("w", weights(4, 6))}
        y: f32[1,5,6] = {product()}
        z: i64[3] = ShapeOf.opset3(x) output_type="i64"
        r = Result(y)
        s = Result(z)
    """)
    site = site_of(graph)
    assert asked(site).channel_axis == 2
    assert weight_of_channels(site, 4) == pytest.approx(energies(weights(4, 6), 0), rel=1e-5)


def test_only_readers_of_what_is_quantized_count() -> None:
    graph = two("f32[1,2,3,3] = ReLU(x)")
    assert weight_of_channels(site_of(graph, readers=[("y", 0)]), 2) == pytest.approx([1.8, 0.2])


def test_weights_are_looked_for_in_front_of_their_fake_quantize() -> None:
    graph = from_text(f"""
        x: f32[1,2,3,3] = Parameter()
        {const("w", np.array([3, 1], np.float32).reshape(1, 2, 1, 1))}
        fq: f32[1,2,1,1] = FakeQuantize(w) levels="255"
        y: f32[1,1,3,3] = Convolution(x, fq) {CONV}
        r = Result(y)
    """)
    assert weight_of_channels(site_of(graph), 2) == pytest.approx([1.8, 0.2])


def test_weights_that_are_no_constants_tell_nothing() -> None:
    graph = from_text("""
        x: f32[1,5,2] = Parameter()
        z: f32[1,2,3] = Parameter()
        y: f32[1,5,3] = MatMul(x, z) transpose_a="false" transpose_b="false"
        r = Result(y)
    """)
    assert weight_of_channels(site_of(graph), 2) == [1, 1]


def test_data_that_come_as_second_operand_count_alike() -> None:
    graph = layer("1,4,4", weights(4, 4), "1,4,4", 'MatMul(w, x) transpose_a="false" transpose_b="false"')
    assert weight_of_channels(site_of(graph), 4) == [1] * 4


def test_weights_that_are_all_zero_tell_nothing() -> None:
    graph = layer("1,5,4", np.zeros((4, 6), np.float32), "1,5,6", product())
    assert weight_of_channels(site_of(graph), 4) == [1] * 4


def test_where_readers_number_channels_along_different_axes_all_count_alike() -> None:
    graph = from_text(f"""
        x: f32[1,4,5,6] = Parameter()
        {const("w", weights(2, 4, 1, 1))}
        {const("v", weights(6, 3))}
        y: f32[1,2,5,6] = Convolution(x, w) {CONV}
        z: f32[1,4,5,3] = MatMul(x, v) transpose_a="false" transpose_b="false"
        r = Result(y)
        s = Result(z)
    """)
    assert weight_of_channels(site_of(graph), 4) == [1] * 4


# ------------------------------------------------------------------------------------------------------ what is asked


def plain() -> Graph:
    return layer("1,5,4", weights(4, 6), "1,5,6", product())


@pytest.mark.parametrize(
    ("shape", "axis"),
    [("1,5,4", 2), ("?,5,4", 2), ("1,?,4", 2), ("1,5,?", None), ("4", None), ("?,4", 1)],
)
def test_the_axis_is_the_one_that_products_sum_over_if_its_size_is_known(shape: str, axis: int | None) -> None:
    graph = layer(shape, weights(4, 6), ",".join([*shape.split(",")[:-1], "6"]), product())
    site = site_of(graph)
    assert sample_request(site, default()) == request(site.source, Reduction.SAMPLE, axis)


@pytest.mark.parametrize(
    "options",
    [
        {"range_estimator": {"preset": "default"}},
        {"range_estimator": {}},
        {"activations": {"range_estimator": {"preset": "quantile"}}},
        {"activations": {"range_estimator": {"max": {"aggregator": "median"}}}},
        {"activations": {"range_estimator": {}}},
    ],
    ids=str,
)
def test_nothing_is_asked_where_the_user_names_an_estimator(options: dict[str, Any]) -> None:
    assert sample_request(site_of(plain()), default(**options)) is None


@pytest.mark.parametrize(
    "options", [{}, {"preset": "mixed"}, {"weights": {"range_estimator": {"preset": "quantile"}}}], ids=str
)
def test_elements_are_asked_for_whatever_else_the_user_wants(options: dict[str, Any]) -> None:
    assert sample_request(site_of(plain()), default(**options)) is not None


def test_nothing_is_asked_of_constants() -> None:
    assert sample_request(site_of(plain(), "w"), default()) is None


def test_nothing_is_asked_where_each_channel_has_its_own_range() -> None:
    assert sample_request(site_of(plain(), granularity=Granularity.PER_CHANNEL), default()) is None


def test_nothing_is_asked_of_single_numbers() -> None:
    graph = from_text("x: f32[] = Parameter()\ny: f32[] = ReLU(x)\nr = Result(y)\n")
    assert sample_request(site_of(graph), default()) is None


# -------------------------------------------------------------------------------------------------- numbers, extremes


def test_all_elements_of_a_small_tensor_count_once() -> None:
    numbers = RNG.normal(size=(7, 20)).astype(np.float32)
    ends = {Reduction.MIN: [-9.0], Reduction.MAX: [9.0]}
    found = told(site_of(plain()), numbers, ends)
    assert found.values.tolist() == np.sort(numbers.ravel()).tolist()


def large(samples: int = 10) -> tuple[Site, Numbers]:
    """512 elements of 16384."""
    graph = layer("1,32,16,32", weights(4, 32, 1, 1), "1,4,16,32", f"Convolution(x, w) {CONV}")
    site = site_of(graph)
    assert sampled_count(site.source.shape, 1, batched=True) == 512
    return site, RNG.uniform(-1, 1, size=(samples, 512)).astype(np.float32)


def test_the_extremes_of_each_observation_count_as_one_element_each() -> None:
    site, numbers = large()
    lowest, highest = [float(-10 - k) for k in range(10)], [float(20 + k) for k in range(10)]
    found = told(site, numbers, {Reduction.MIN: lowest, Reduction.MAX: highest})
    outer = dict(zip(found.values.tolist(), found.weights.tolist(), strict=True))
    assert {value for value in outer if abs(value) > 1} == {*lowest, *highest}
    assert {outer[value] for value in (*lowest, *highest)} == {512 / (32 * 16 * 32)}


def test_without_extremes_the_elements_alone_count() -> None:
    site, numbers = large()
    assert told(site, numbers).values.tolist() == told(site, numbers, {}).values.tolist()
    assert len(told(site, numbers).weights) < numbers.size


@pytest.mark.parametrize(
    ("shape", "count", "elements"),
    [
        ("100,600", 512, 600),  # each row is an observation
        ("100,600", 1024, 60_000),  # all rows together are one
        ("100,300", 600, 30_000),
        ("1,600", 512, 600),
        ("?,600", 1024, 1 << 16),  # nobody knows how many rows
    ],
)
def test_extremes_are_one_element_of_an_observation_whatever_that_is(shape: str, count: int, elements: int) -> None:
    columns = int(shape.split(",")[1])
    graph = layer(shape, weights(columns, 2), f"{shape.split(',')[0]},2", product())
    numbers = RNG.uniform(-1, 1, size=(3, count)).astype(np.float32)
    found = told(site_of(graph), numbers, {Reduction.MAX: [50.0]})
    assert found.weights[found.values == 50].tolist() == [pytest.approx(count / elements)]


@pytest.mark.parametrize("channels", [3, 5, 16, 384, 512])
@pytest.mark.parametrize("samples", [12, 30, 70])
def test_of_very_many_numbers_those_that_are_looked_at_are_of_all_channels(
    channels: int, samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("irquant.passes.placement.distributions._MOST", 4000)
    graph = layer(f"1,500,{channels}", weights(channels, 2), "1,500,2", product())
    site = site_of(graph)
    count = sampled_count(site.source.shape, 2, batched=True)
    places = sampled_channels(site.source.shape, 2, count).astype(np.float32)
    found = told(site, np.broadcast_to(places, (samples, count)))
    assert 800 < len(found.values) <= 4000
    met = np.bincount(found.values.astype(int), minlength=channels)
    assert met.min() >= met.max() / 2
    energy = energies(graph.node("w").array, 0)
    assert found.weights.tolist() == pytest.approx([energy[int(each)] for each in found.values])


def test_extremes_keep_their_share_where_not_all_numbers_are_looked_at() -> None:
    site, numbers = large(400)
    few = told(site, numbers, {Reduction.MAX: [50.0] * 400})
    outer = few.weights[few.values == 50].sum()
    assert outer / few.weights.sum() == pytest.approx(1 / (32 * 16 * 32), rel=0.1)


def asked(site: Site) -> Request:
    wanted = sample_request(site, default())
    assert wanted is not None
    return wanted


def test_an_outlier_in_a_quiet_channel_counts_less_than_in_a_loud_one() -> None:
    graph = layer(
        "1,2,16,16", np.array([[10, 0.1]], np.float32).reshape(1, 2, 1, 1), "1,1,16,16", f"Convolution(x, w) {CONV}"
    )
    site = site_of(graph)
    assert asked(site).channel_axis == 1
    loud, quiet = (RNG.uniform(-1, 1, size=(1, 512)).astype(np.float32) for _ in range(2))
    loud[0, 0], quiet[0, -1] = 50, 50
    assert told(site, loud).weights[-1] == pytest.approx(2 * 100 / 100.01)
    assert told(site, quiet).weights[-1] == pytest.approx(2 * 0.01 / 100.01)
