"""What follows from what, what is measured then, how observations are put together, where they are kept."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from irquant.ir import Graph, from_text
from irquant.passes import Context, QuantizationConfig
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.statistics.aggregators import AGGREGATORS, Aggregator, aggregated
from irquant.passes.statistics.batch import batched_tensors
from irquant.passes.statistics.column_store import ColumnStore
from irquant.passes.statistics.derivations import Derivations
from irquant.passes.statistics.request import Reduction, Request, request, to_measure
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
NET = """
    x: f32[1,4,8,8] = Parameter()
    relu: f32[1,4,8,8] = ReLU(x)
    clamp: f32[1,4,8,8] = Clamp(relu) min="0.25" max="1.5"
    pool: (f32[1,4,4,4], i64[1,4,4,4]) = MaxPool.opset8(clamp) {pool}
    order: i64[4] = Const() [0, 2, 3, 1]
    turned: f32[1,4,4,4] = Transpose(pool, order)
    flat: i64[2] = Const() [1, 64]
    row: f32[1,64] = Reshape(turned, flat) special_zero="false"
    end: f32[1,64] = Sqrt(row)
    r = Result(end)
"""
POOL = (
    'strides="2, 2" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0" kernel="2, 2" rounding_type="floor" '
    'auto_pad="explicit" index_element_type="i64" axis="0"'
)


def net(pool: str = POOL) -> Graph:
    return from_text(NET.format(pool=pool))


def wanted_of(graph: Graph, *names: str) -> set[Request]:
    """Each "tensor reduction" or "tensor reduction axis"."""
    found: set[Request] = set()
    for name in names:
        tensor, reduction, *axis = name.split()
        found.add(request(graph.node(tensor).output(), Reduction(reduction), int(axis[0]) if axis else None))
    return found


def measured(graph: Graph, *names: str) -> set[str]:
    requests = to_measure(wanted_of(graph, *names), Derivations(graph, batched_tensors(graph)))
    axes = {each: "" if each.channel_axis is None else f" {each.channel_axis}" for each in requests}
    return {f"{each.tensor(graph).node.name} {each.reduction}{axes[each]}" for each in requests}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (["x min", "x min"], ["x min"]),
        (["x abs_max"], ["x min", "x max"]),  # costs no more, and the runtime need not take magnitudes
        (["x abs_max", "x max"], ["x min", "x max"]),
        (["x min", "x min 1"], ["x min 1"]),
        (["x mean", "x mean 1", "x max"], ["x mean 1", "x max"]),
        (["x abs_max", "x min 1", "x max 1"], ["x min 1", "x max 1"]),
        (["row max", "row mean"], ["pool max", "pool mean"]),  # moving values about changes none
        (["turned mean 3"], ["pool mean 1"]),
        (["row mean 1"], ["row mean 1"]),  # the channels are other ones
        (["relu max"], ["relu max"]),  # x may be fused away: it is not tapped for this
        (["relu max", "x max"], ["x max"]),
        (["clamp max", "clamp min", "x max", "x min"], ["x max", "x min"]),
        (["clamp max", "x min"], ["clamp max", "x min"]),
        (["clamp mean", "x mean"], ["clamp mean", "x mean"]),  # the mean behind a ReLU is anybody's guess
        (["pool max", "clamp max"], ["clamp max"]),
        (["pool min", "clamp min"], ["pool min", "clamp min"]),
        (["pool max 2", "clamp max 2"], ["pool max 2", "clamp max 2"]),
        (["row max", "x max", "x mean 1"], ["x max", "x mean 1"]),  # through all of them
        (["x shape", "relu shape"], ["x shape", "relu shape"]),
    ],
)
def test_what_follows_is_not_measured(wanted: list[str], expected: list[str]) -> None:
    assert measured(net(), *wanted) == set(expected)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('strides="2, 2"', 'strides="3, 2"'),
        ('dilations="1, 1"', 'dilations="2, 1"'),
        ('pads_begin="0, 0"', 'pads_begin="1, 0"'),  # the last row is left out then
    ],
)
def test_a_pooling_that_leaves_values_out_answers_nothing(old: str, new: str) -> None:
    graph = net(POOL.replace(old, new))
    assert measured(graph, "pool max", "clamp max") == {"pool max", "clamp max"}


def test_answers_are_those_of_a_measurement() -> None:
    graph = net()
    names = ["x min 1", "x max 1", "x mean 1", "relu min", "clamp max", "clamp min", "row max", "x abs_max", "x mean"]
    requests = wanted_of(graph, *names)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(1, 4, 8, 8)).astype(np.float32) for _ in range(5)]

    def run(wanted: set[Request]) -> Any:
        context = Context(load_target("cpu"), QuantizationConfig(), data)
        context.wanted = frozenset(wanted)
        Calibrate().run(graph, context)
        return context.statistics

    together = run(requests)
    for each in requests:
        np.testing.assert_allclose(together[each], run({each})[each], rtol=1e-6, err_msg=str(each))


# ------------------------------------------------------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("line", "is_batched"),
    [
        ("y: f32[?,4,8] = ReLU(x)", True),
        ("y: f32[?,4,8] = Add(x, c)", True),
        ("y: f32[?,4,8] = Add(x, whole)", False),  # a constant that differs along axis 0
        ("y: f32[?,4,8] = Add(x, x)", True),
        ("y: f32[?,32] = Reshape(x, flat)", True),
        ("y: f32[?,8] = Reshape(x, other)", False),
        ("y: f32[?,32] = Reshape(x, zero) special_zero=\"true\"", True),
        ("y: f32[?,8,4] = Transpose(x, keeps)", True),
        ("y: f32[4,?,8] = Transpose(x, turns)", False),
        ("y: f32[?,8] = ReduceMax(x, one) keep_dims=\"false\"", True),
        ("y: f32[4,8] = ReduceMax(x, nought) keep_dims=\"false\"", False),
        ("y: f32[?,4,8] = SoftMax(x) axis=\"1\"", True),
        ("y: f32[?,4,8] = SoftMax(x) axis=\"0\"", False),
        ("y: f32[?,8,8] = Concat(x, x) axis=\"1\"", True),
        ("y: f32[?,4,8] = Concat(x, x) axis=\"0\"", False),
        ("y: f32[?,4,2] = MatMul(x, w)", True),
        ("y: f32[?,4,4] = MatMul(x, x) transpose_b=\"true\"", True),
        ("y: f32[1,?,4,2] = MatMul(x, deep)", False),  # one more axis in front of the batch
        ("y: f32[1,?,4,8] = Multiply(x, ones)", False),
        ("y: f32[?,4,8] = Unknown(x)", False),
    ],
)  # fmt: skip
def test_the_batch_is_followed_where_axis_0_stays(line: str, *, is_batched: bool) -> None:
    graph = from_text(f"""
        x: f32[?,4,8] = Parameter()
        c: f32[4,8] = Const() [{", ".join(["0.5"] * 32)}]
        whole: f32[2,1,1] = Const() [1.0, 2.0]
        w: f32[8,2] = Const() [{", ".join(["0.5"] * 16)}]
        deep: f32[1,1,8,2] = Const() [{", ".join(["0.5"] * 16)}]
        ones: f32[1,1,1,1] = Const() [1.0]
        flat: i64[2] = Const() [-1, 32]
        other: i64[2] = Const() [-1, 8]
        zero: i64[2] = Const() [0, -1]
        keeps: i64[3] = Const() [0, 2, 1]
        turns: i64[3] = Const() [1, 0, 2]
        one: i64[1] = Const() [1]
        nought: i64[1] = Const() [0]
        {line}
        r = Result(y)
    """)
    assert (graph.node("y").output() in batched_tensors(graph)) == is_batched


def test_samples_of_one_have_no_batch() -> None:
    assert not batched_tensors(net())


# --------------------------------------------------------------------------------------------------------- aggregators


def slow(column: list[float], aggregator: Aggregator) -> float:
    """By the published words."""
    ordered = np.array(column, np.float64)
    inside = [each for each in column if np.quantile(column, 0.01) <= each <= np.quantile(column, 0.99)] or column
    match aggregator:
        case "mean":
            return float(ordered.mean())
        case "max":
            return max(column)
        case "min":
            return min(column)
        case "median":
            return float(np.median(ordered))
        case "mean_no_outliers":
            return float(np.mean(inside))
        case "median_no_outliers":
            return float(np.median(inside))
        case "hl_estimator":
            pairs = [column[i] + column[j] for i in range(len(column)) for j in range(i)]
            return float(np.median(pairs) / 2) if pairs else column[0]


@pytest.mark.parametrize("aggregator", AGGREGATORS)
@settings(max_examples=30)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.integers(1, 3)),
        elements=st.floats(-100, 100, width=32, allow_subnormal=False),
    )
)
def test_aggregators_follow_their_formulas(aggregator: Aggregator, numbers: Any) -> None:
    expected = [slow([float(each) for each in column], aggregator) for column in numbers.T]
    np.testing.assert_allclose(aggregated(numbers, aggregator), expected, rtol=1e-5, atol=1e-5)


# --------------------------------------------------------------------------------------------------------------- spool


@settings(max_examples=30)
@given(st.integers(1, 7), st.lists(st.integers(0, 90), max_size=5), st.data())
def test_a_spool_gives_back_its_columns(width: int, counts: list[int], data: st.DataObject) -> None:
    table, rng = ColumnStore(width), np.random.default_rng(0)
    parts = [rng.normal(size=(count, width)).astype(np.float32) for count in counts]
    for part in parts:
        table.append(part)
    whole = np.concatenate([np.empty((0, width), np.float32), *parts])
    start = data.draw(st.integers(0, width - 1))
    stop = data.draw(st.integers(start + 1, width))
    assert len(table) == len(whole)
    np.testing.assert_array_equal(table.columns(start, stop), whole[:, start:stop])


def test_threads_may_read_a_spool_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    table, whole = ColumnStore(400), np.random.default_rng(0).normal(size=(640, 400)).astype(np.float32)
    table.append(whole)
    file = table._file
    seek = file.seek

    def slow(*place: int) -> int:
        found = seek(*place)
        time.sleep(1e-4)  # lets another thread run
        return found

    monkeypatch.setattr(file, "seek", slow)
    pieces = [(start, start + 8) for start in range(0, 400, 8)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(lambda piece: table.columns(*piece), pieces))
    for (start, stop), each in zip(pieces, found, strict=True):
        np.testing.assert_array_equal(each, whole[:, start:stop])


def test_a_spool_needs_no_memory_for_its_rows() -> None:
    import tracemalloc

    def rows() -> Iterator[Array]:
        return (np.full((1, 20_000), k, np.float32) for k in range(2_000))  # 160 MB

    tracemalloc.start()
    table = ColumnStore(20_000)
    for row in rows():
        table.append(row)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6
    assert table.columns(7, 8).ravel().tolist() == list(range(2_000))
