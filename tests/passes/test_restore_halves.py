"""A model whose constants came in 16 bits becomes what it would be from 32 bits, and no larger than it came."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, read_model, to_text, write_model
from irquant.passes import Config, quantize_graph
from irquant.passes.report import Report
from irquant.targets import load_target

ROWS, WIDTH = 200, 32


def language_model(head: str, kind: str) -> ov.Model:
    """Rows of a table, two layers, and scores of all rows by the same table, or by another one."""
    rng = np.random.default_rng(0)

    def const(*shape: int) -> Any:
        values = (rng.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float16).astype(np.float32)
        return op.convert(op.constant(values, dtype=ov.Type.bf16), "f32") if kind == "bf16" else op.constant(values)

    ids = op.parameter([1, 6], np.int64, name="ids")
    table = const(ROWS, WIDTH)
    y: Any = op.gather(table, ids, op.constant(0))
    for index in range(2):
        y = op.matmul(y, const(WIDTH, WIDTH), False, True, name=f"layer{index}")
        y = op.relu(op.add(y, const(1, 1, WIDTH)))
    matrix = {
        "own": lambda: const(ROWS, WIDTH),
        "tied": lambda: table,
        "tied, transposed": lambda: op.transpose(table, np.array([1, 0])),
    }[head]()
    return ov.Model([op.result(op.matmul(y, matrix, False, head != "tied, transposed", name="head"))], [ids], "net")


def saved(head: str, kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.xml"
    ov.save_model(language_model(head, kind), path, compress_to_fp16=kind == "f16")
    return path


def quantized(path: Path, **options: Any) -> tuple[Graph, Report]:
    data = [np.random.default_rng(seed).integers(0, ROWS, (1, 6)) for seed in range(6)]
    return quantize_graph(read_model(path), data, load_target("cpu"), Config.checked(**options))


@pytest.mark.parametrize("head", ["own", "tied", "tied, transposed"])
@pytest.mark.parametrize("ignored", [[], ["head"]])
def test_f16_becomes_what_f32_does(head: str, ignored: list[str], tmp_path: Path) -> None:
    outputs: list[np.ndarray[Any, Any]] = []
    sizes: list[tuple[int, int]] = []
    for kind in ("f32", "f16"):
        graph, report = quantized(saved(head, kind, tmp_path), ignored={"scope": ignored}, guard=False)
        write_model(graph, tmp_path / "int8.xml", compact=True)
        compiled = ov.Core().compile_model(tmp_path / "int8.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        outputs.append(compiled(np.arange(6)[None])[0])
        sizes.append((report.bytes_before, report.bytes_after))
        assert report.check.execution is not None
        assert report.check.execution.int8 == 3 - len(ignored)
    np.testing.assert_array_equal(*outputs)
    (before, after), (halves_before, halves_after) = sizes
    assert halves_before <= 0.51 * before
    if ignored and head == "own":
        assert halves_after <= after - ROWS * WIDTH * 2  # the head takes two bytes a value instead of four
    assert halves_after <= after < 0.65 * before


@pytest.mark.parametrize("kind", ["f16", "bf16"])
@pytest.mark.parametrize("head", ["own", "tied"])
def test_with_one_layer_in_int8_the_rest_is_as_large_as_it_came(head: str, kind: str, tmp_path: Path) -> None:
    path = saved(head, kind, tmp_path)
    graph, report = quantized(path, ignored={"scope": ["head", "layer1"]}, guard=False, correct_biases="no")
    assert report.bytes_after <= report.bytes_before
    text = to_text(graph)
    assert f"head/weights_compressed: {kind}" not in text  # names stay
    tables = [node for node in graph.nodes("Const") if node.output().element_type.name == kind]
    assert len(tables) >= (1 if head == "tied" else 2)
