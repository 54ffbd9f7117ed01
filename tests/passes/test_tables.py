"""Tables that others read besides the layers that look rows up in them: a quantized model is no larger than the float."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes import QuantizationConfig, quantize
from irquant.tools.terminal.console import times_smaller

RNG = np.random.default_rng(0)
ROWS, COLUMNS = 100, 16


def model(reader: str) -> ov.Model:
    """An embedding whose table has another reader, and a layer."""
    table = op.constant(RNG.normal(size=(ROWS, COLUMNS)).astype(np.float32))
    ids = op.parameter([1, 4], np.int64, name="ids")
    weights = op.constant((RNG.normal(size=(COLUMNS, COLUMNS)) / 4).astype(np.float32))
    y = op.matmul(op.gather(table, ids, op.constant(0)), weights, False, True)
    if reader == "size":
        count = op.gather(op.shape_of(table), op.constant(0), op.constant(0))
        y = op.divide(y, op.convert(count, "f32"))
    elif reader == "rows":
        y = op.multiply(y, op.slice(table, [0], [4], [1], [0]))
    elif reader == "layer":
        y = op.matmul(y, table, False, True)
    return ov.Model([y], [ids])


@pytest.mark.parametrize(("reader", "is_quantized"), [("none", True), ("size", True), ("rows", False), ("layer", True)])
def test_no_table_is_stored_twice(reader: str, is_quantized: bool) -> None:
    reports: list[Any] = []
    samples = [RNG.integers(0, ROWS, (1, 4)) for _ in range(4)]
    found = quantize(model(reader), samples, config=QuantizationConfig(guard=False), report=reports.append)
    tables = [each for each in found.get_ordered_ops() if list(each.output(0).shape) == [ROWS, COLUMNS]]
    kinds = {str(each.get_element_type()) for each in tables if each.get_type_name() == "Constant"}
    assert kinds == ({"<Type: 'int8_t'>"} if is_quantized else {"<Type: 'float32'>"})
    assert reports[0].bytes_after < reports[0].bytes_before


@pytest.mark.parametrize(("before", "after", "said"), [(400, 100, "4.0x smaller"), (100, 120, "1.2x larger")])
def test_sizes_are_told_as_they_are(before: int, after: int, said: str) -> None:
    assert times_smaller(before, after) == said
