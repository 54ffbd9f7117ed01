"""Small networks that take images, with weights drawn at random: one of each family of the recipes."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from tests.passes.detectors import Weights, attention

SIDE, CLASSES, LETTERS = 64, 10, 24


def named(tensor: Any, name: str) -> Any:
    """The tensor, under a name that users see."""
    tensor.output(0).set_names({name})
    return tensor


def image(*shape: int) -> Any:
    return named(op.parameter(list(shape), np.float32, name="image"), "image")


def classifier() -> ov.Model:
    """`image` f32[1,3,64,64] -> `logits` f32[1,10]."""
    x, weights = image(1, 3, SIDE, SIDE), Weights(0)
    y: Any = x
    for channels in (16, 32, 48):
        y = op.relu(weights.conv(y, channels, stride=2))
        y = op.relu(op.add(y, weights.conv(op.relu(weights.conv(y, channels)), channels)))
    pooled = op.reduce_mean(y, np.array([2, 3]), False)
    logits = op.matmul(pooled, weights.of(CLASSES, 48, gain=4), False, True)
    return ov.Model([op.result(named(logits, "logits"))], [x], "classifier")


def segmenter() -> ov.Model:
    """A small U-Net: `image` f32[1,3,64,64] -> `logits` f32[1,4,64,64]."""
    x, weights = image(1, 3, SIDE, SIDE), Weights(1)
    fine = op.relu(weights.conv(x, 16))
    coarse = op.relu(weights.conv(op.relu(weights.conv(fine, 32, stride=2)), 32))
    up = op.interpolate(coarse, np.array([2.0, 2.0], np.float32), "nearest", "scales", axes=np.array([2, 3]))
    joined = op.relu(weights.conv(op.concat([fine, up], 1), 16))
    return ov.Model([op.result(named(weights.conv(joined, 4, 1, gain=3), "logits"))], [x], "segmenter")


def reader() -> ov.Model:
    """Reads lines of text: `image` f32[1,3,32,?] -> `letters` f32[1,?,24], behind a softmax."""
    x, weights = image(1, 3, 32, -1), Weights(2)
    y: Any = x
    for channels, stride in ((16, [2, 2]), (32, [2, 2]), (48, [2, 1])):
        kernel = weights.of(channels, int(y.get_output_partial_shape(0)[1].get_length()), 3, 3)
        y = op.relu(op.convolution(y, kernel, stride, [1, 1], [1, 1], [1, 1]))
    columns = op.transpose(op.reduce_mean(y, np.array([2]), False), np.array([0, 2, 1]))
    mixed = op.add(columns, attention(weights, columns, columns, columns, 48))
    letters = op.softmax(weights.linear(mixed, LETTERS, gain=6), 2)
    return ov.Model([op.result(named(letters, "letters"))], [x], "reader")


def enlarger() -> ov.Model:
    """Twice the size: `image` f32[1,3,32,32] from 0 to 1 -> `larger` f32[1,3,64,64]."""
    x, weights = image(1, 3, 32, 32), Weights(3)
    y: Any = op.relu(weights.conv(x, 24))
    for _ in range(2):
        y = op.add(y, weights.conv(op.relu(weights.conv(y, 24)), 24, gain=0.3))
    detail = op.depth_to_space(weights.conv(y, 12, gain=0.05), "blocks_first", 2)
    base = op.interpolate(x, np.array([2.0, 2.0], np.float32), "linear_onnx", "scales", axes=np.array([2, 3]))
    return ov.Model([op.result(named(op.add(base, detail), "larger"))], [x], "enlarger")
