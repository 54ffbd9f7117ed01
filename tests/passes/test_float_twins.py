"""Readers of floats beside readers of 8-bit codes: of one constant, no more is stored than they need."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes import Config, quantize_graph
from irquant.passes.report import Report
from irquant.passes.runtime import from_runtime, to_runtime
from irquant.targets import load_target

ROWS, WIDTH = 64, 16
RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(ROWS, WIDTH)).astype(np.float32)
MATRIX = RNG.normal(size=(WIDTH, WIDTH)).astype(np.float32)


def network(others: str) -> ov.Model:
    """Rows of a table through a layer, and others that read the table, too."""
    ids = op.parameter([1, 4], np.int64, name="ids")
    table = op.constant(TABLE, name="table")
    y: Any = op.matmul(op.gather(table, ids, op.constant(0)), MATRIX, False, True, name="layer")
    results = {
        "nobody": lambda: [],
        "its shape": lambda: [op.shape_of(table)],
        "a product": lambda: [op.matmul(y, table, False, True, name="head")],
        "a slice": lambda: [op.multiply(y, op.slice(table, *[op.constant(np.array([each])) for each in (0, 1, 1)]))],
        "all of it": lambda: [op.add(op.reduce_mean(y, np.array([0, 1]), False), table, name="sum")],
        "what is as large": lambda: [op.multiply(op.reduce_mean(y, np.array([0, 1]), False), op.tanh(table))],
        "a product and all of it": lambda: [
            op.matmul(y, table, False, True, name="head"),
            op.add(op.reduce_mean(y, np.array([0, 1]), False), table, name="sum"),
        ],
    }[others]()
    return ov.Model([op.result(each) for each in (y, *results)], [ids], "net")


def quantized(others: str) -> tuple[Graph, Report]:
    data = [np.random.default_rng(seed).integers(0, ROWS, (1, 4)) for seed in range(4)]
    return quantize_graph(from_runtime(network(others)), data, load_target("cpu"), Config.checked(guard=False))


def floats(graph: Graph) -> int:
    """The largest constant of floats."""
    return max(node.elements for node in graph.nodes("Const") if node.output().element_type.is_float)


def codes(graph: Graph) -> list[tuple[int, ...]]:
    return sorted(node.output().shape for node in graph.nodes("Const") if node.output().element_type.name == "i8")


@pytest.mark.parametrize(
    ("others", "largest", "stored"),
    [
        ("nobody", ROWS, [MATRIX.shape, TABLE.shape]),
        ("its shape", ROWS, [MATRIX.shape, TABLE.shape]),
        ("a product", ROWS, [MATRIX.shape, TABLE.shape]),
        ("a slice", ROWS, [MATRIX.shape, TABLE.shape]),
        ("all of it", TABLE.size, [MATRIX.shape]),  # 8 bits would be stored besides
        ("what is as large", TABLE.size, [MATRIX.shape]),
        ("a product and all of it", TABLE.size, [MATRIX.shape, TABLE.shape]),  # for the product's sake
    ],
)
def test_floats_stay_as_far_as_somebody_reads_them(others: str, largest: int, stored: list[tuple[int, ...]]) -> None:
    graph, report = quantized(others)
    assert (floats(graph), codes(graph)) == (largest, stored)
    assert report.check.execution is not None
    assert report.check.execution.int8 == report.check.execution.total
    said = [each for each in report.warnings if "stored twice" in each]
    if others == "a product and all of it":
        (warning,) = said
        assert warning.startswith("Const 'table' (id ")
        assert "is stored twice: in 8 bits, and in floats for Gather '" in warning
        assert ", Add 'sum' (id " in warning
    else:
        assert said == []


@pytest.mark.parametrize("others", ["a slice", "all of it", "what is as large"])
def test_who_reads_floats_reads_what_they_were(others: str) -> None:
    model, feed = network(others), np.arange(4)[None]
    graph, _ = quantized(others)
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    before, after = (ov.Core().compile_model(each, "CPU", config)(feed) for each in (model, to_runtime(graph)))
    y, mean = after[0], after[0].mean(axis=(0, 1))
    expected = {"a slice": y * TABLE[:1], "all of it": mean + TABLE, "what is as large": mean * np.tanh(TABLE)}[others]
    np.testing.assert_allclose(after[1], expected, rtol=1e-5, atol=1e-5)
    assert before[1].shape == after[1].shape
