"""Small models whose weights can be compressed, built with the runtime's own opsets."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

Array = np.ndarray[Any, np.dtype[Any]]
ROWS, WIDTH = 50, 64


def weights(seed: int, *shape: int) -> Array:
    """Weights of a normal distribution."""
    return (0.1 * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def language_model(*, tied: bool = False, dtype: Any = np.float32, layers: int = 2) -> ov.Model:
    """A table, layers with biases and residual connections, and a classifier: `rows` i64[1,?] -> `logits`."""
    indices = op.parameter([1, -1], np.int64, name="rows")
    indices.output(0).set_names({"rows"})
    table: Any = op.constant(weights(0, ROWS, WIDTH).astype(dtype), name="table")
    table = table if dtype == np.float32 else op.convert(table, "f32")
    tensor: Any = op.gather(table, indices, op.constant(0), name="embedding")
    for index in range(layers):
        matrix = op.constant(weights(2 * index + 1, WIDTH, 4 * WIDTH).astype(dtype), name=f"up{index}_w")
        matrix = matrix if dtype == np.float32 else op.convert(matrix, "f32")
        hidden = op.relu(op.add(op.matmul(tensor, matrix, False, False, name=f"up{index}"), np.float32(0.1)))
        back = op.constant(weights(2 * index + 2, WIDTH, 4 * WIDTH), name=f"down{index}_w")
        tensor = op.add(tensor, op.matmul(hidden, back, False, True, name=f"down{index}"))
    last = table if tied else op.constant(weights(99, ROWS, WIDTH), name="last_w")
    logits = op.matmul(tensor, last, False, True, name="classifier")
    logits.output(0).set_names({"logits"})
    return ov.Model([op.result(logits)], [indices], "language")


def sentences(count: int, seed: int = 1) -> list[Array]:
    """Samples of `language_model`."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, ROWS, (1, 12)) for _ in range(count)]


def of_convolutions() -> ov.Model:
    """A convolution and a product with a stack of matrices, a column and a constant first operand."""
    image = op.parameter([1, 8, 6, 6], np.float32, name="image")
    conv = op.convolution(image, weights(0, 8, 8, 3, 3), *[[1, 1]] * 4, name="conv")
    return ov.Model([op.result(conv)], [image], "convolutions")


def of_odd_products() -> ov.Model:
    """Products whose weights no device keeps: a stack of matrices, a column, a constant first operand."""
    data = op.parameter([2, 5, 16], np.float32, name="data")
    stack = op.matmul(data, weights(0, 2, 16, 16), False, False, name="stack")
    column = op.matmul(stack, weights(1, 16, 1), False, False, name="column")
    first = op.matmul(weights(2, 7, 5), stack, False, False, name="first")
    return ov.Model([op.result(column), op.result(first)], [data], "odd")
