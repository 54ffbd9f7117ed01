"""Chains of convolutions, perhaps with one that int8 spoils, and pictures for them."""

import math
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.ir import Array

WIDTH, SIDE = 16, 24


def network(seed: int, *, is_spoilt: bool) -> tuple[ov.Model, str]:
    """A chain of convolutions, and the name of the one that int8 spoils, if one is to be spoilt.

    All channels of its input lie far above zero, and its weights sum to zero, so that only small differences count.
    """
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(8, 14))
    guilty = int(rng.integers(2, depth)) if is_spoilt else -1
    x = op.parameter([1, 3, SIDE, SIDE], np.float32, name="x")
    tensor: Any = x.output(0)
    for index in range(depth):
        if index == guilty:
            tensor = op.add(tensor, np.float32(2000))
        tensor = _layer(tensor, rng, f"conv{index}", is_guilty=index == guilty)
    wide = op.relu(
        op.convolution(tensor, _weights(rng, 4 * WIDTH, WIDTH, 7), [1, 1], [3, 3], [3, 3], [1, 1], name="wide")
    )
    pooled = op.max_pool(wide, [8, 8], [1, 1], [0, 0], [0, 0], [8, 8]).output(0)
    flat = op.reshape(pooled, np.array([1, -1]), False)
    logits = op.matmul(flat, rng.normal(size=(10, 36 * WIDTH)).astype(np.float32), False, True, name="fc")
    return ov.Model([op.result(logits)], [x], "net"), f"conv{guilty}"


def _layer(tensor: Any, rng: np.random.Generator, name: str, *, is_guilty: bool) -> Any:
    is_depthwise = bool(not is_guilty and tensor.shape[1] == WIDTH and rng.random() < 0.3)
    inputs = tensor.shape[1]
    size = 1 if is_guilty else 3
    weights = _weights(rng, WIDTH, 1 if is_depthwise else inputs, size)
    if is_guilty:
        weights -= weights.mean(axis=1, keepdims=True)
    pads = [size // 2, size // 2]
    if is_depthwise:
        y = op.group_convolution(tensor, weights[:, None], [1, 1], pads, pads, [1, 1], name=name)
    else:
        y = op.convolution(tensor, weights, [1, 1], pads, pads, [1, 1], name=name)
    bias = (0.3 * rng.normal(size=(1, WIDTH, 1, 1))).astype(np.float32)
    return op.multiply(op.swish(op.add(y, bias)), np.float32(1.3)).output(0)


def _weights(rng: np.random.Generator, outputs: int, inputs: int, size: int) -> Array:
    scale = math.sqrt(2 / (size * size * inputs))
    return np.asarray(rng.normal(size=(outputs, inputs, size, size)) * scale, np.float32)


def pictures(seed: int, count: int = 40) -> list[Array]:
    rng = np.random.default_rng([seed, 1])
    coarse = rng.normal(size=(count, 1, 3, SIDE // 3, SIDE // 3)).repeat(3, 3).repeat(3, 4)
    return list((coarse + 0.3 * rng.normal(size=coarse.shape)).astype(np.float32))
