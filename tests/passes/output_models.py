"""Small models for tests of outputs."""

import numpy as np
import openvino as ov
import openvino.opset13 as op


def image(channels: int = 3, side: int = 8) -> ov.Node:
    return op.parameter([1, channels, side, side], np.float32, name="image")


def convolved(x: ov.Node, channels: int = 3, stride: int = 1) -> ov.Node:
    kernel = np.ones((channels, x.shape[1], 3, 3), np.float32)
    return op.convolution(x, kernel, [stride, stride], [1, 1], [1, 1], [1, 1])


def logits(x: ov.Node, count: int = 10) -> ov.Node:
    pooled = op.reduce_mean(convolved(x), np.array([2, 3]), False)
    return op.matmul(pooled, np.ones((count, 3), np.float32), False, True)


def linear(x: ov.Node, columns: int) -> ov.Node:
    return op.matmul(x, np.ones((columns, x.shape[-1]), np.float32), False, True)
