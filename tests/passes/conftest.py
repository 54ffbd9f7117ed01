"""Graphs from models that the tests build with the runtime's own opsets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph, read_model

Array = np.ndarray[Any, np.dtype[Any]]


@pytest.fixture
def graph_of(tmp_path: Path) -> Callable[[ov.Model], Graph]:
    """Writes a model to a file and reads it with our reader."""

    def read(model: ov.Model) -> Graph:
        ov.serialize(model, tmp_path / "model.xml", tmp_path / "model.bin")
        return read_model(tmp_path / "model.xml")

    return read


def run_f32(path: Path, *inputs: Array) -> list[Array]:
    """The outputs of a model on the CPU, in f32."""
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(output) for output in compiled(list(inputs)).values()]


@pytest.fixture
def run() -> Callable[..., list[Array]]:
    """Runs the model of a path in f32."""
    return run_f32


# -------------------------------------------- small networks, one layer of which int8 spoils: what it is called is known

FAULTS = ("outlier channel", "box arithmetic", "saturating activation")
WIDTH, SIDE = 8, 12


def faulty_data(seed: int, count: int = 24) -> list[Array]:
    """Smooth random pictures."""
    rng = np.random.default_rng([seed, 1])
    coarse = rng.normal(size=(count, 1, 3, SIDE // 3, SIDE // 3))
    return list(
        (coarse.repeat(3, 3).repeat(3, 4) + 0.3 * rng.normal(size=(count, 1, 3, SIDE, SIDE))).astype(np.float32)
    )


def faulty_net(fault: str, seed: int) -> tuple[ov.Model, str]:
    """A network with the fault at a layer that the seed draws, and the name of that layer.

    Outlier channel: one channel of a layer is a thousand times as large as the others; the layer behind undoes that.
    Saturating activation: one channel of a layer always saturates, far above all others, and tells nothing.
    Box arithmetic: a last layer adds small offsets to large coordinates.
    """
    rng = np.random.default_rng([seed, 2])
    depth = int(rng.integers(4, 8))
    guilty = int(rng.integers(1, depth))
    x = op.parameter([1, 3, SIDE, SIDE], np.float32, name="x")
    tensor: Any = x
    channel = 0
    for index in range(depth):
        factors, bias = np.ones((2, WIDTH)), np.full(WIDTH, 0.1)
        if index + 1 == guilty and fault != "box arithmetic":
            channel = int(rng.integers(WIDTH))
            factors[0, channel], bias[channel] = (1000.0, 0.1) if fault == "outlier channel" else (1.0, 5000.0)
        if index == guilty and fault != "box arithmetic":
            factors[1, channel] = 1e-3 if fault == "outlier channel" else 1e-4
        weights = _weights(rng, tensor.shape[1]) * factors[0][:, None, None, None]
        weights *= factors[1][None, : weights.shape[1], None, None]
        tensor = op.clamp(_layer(tensor, weights, bias, f"conv{index}"), 0.0, 3000.0)
    if fault == "box arithmetic":
        return ov.Model([op.result(_boxes(tensor, rng))], [x], "boxes"), "decode"
    pooled = op.reduce_mean(tensor, np.array([2, 3]), False)
    logits = op.matmul(pooled, rng.normal(size=(10, WIDTH)).astype(np.float32), False, True, name="fc")
    return ov.Model([op.result(logits)], [x], "net"), f"conv{guilty}"


def _weights(rng: np.random.Generator, inputs: int) -> Array:
    found: Array = rng.normal(size=(WIDTH, inputs, 3, 3)) * np.sqrt(2 / (inputs * 9))
    return found


def _layer(tensor: Any, weights: Array, bias: Array, name: str) -> Any:
    ones = [1, 1]
    conv = op.convolution(tensor, weights.astype(np.float32), ones, ones, ones, ones, name=name)
    return op.add(conv, bias.reshape(1, WIDTH, 1, 1).astype(np.float32))


def _boxes(tensor: Any, rng: np.random.Generator) -> Any:
    """Centres of boxes: the coordinates of the grid's cells, less half of the difference of two small distances."""
    cells = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)))[None] * (640 / SIDE)
    distances = op.convolution(tensor, _weights(rng, WIDTH).astype(np.float32), *[[1, 1]] * 4, name="distances")
    joined = op.concat([op.constant(cells.astype(np.float32)), distances], 1)
    matrix = np.concatenate([np.eye(2), rng.normal(size=(2, WIDTH))], axis=1)[:, :, None, None]
    centres = op.convolution(joined, matrix.astype(np.float32), [1, 1], [0, 0], [0, 0], [1, 1], name="decode")
    return op.subtract(centres, op.constant(cells.astype(np.float32)))


@pytest.fixture
def faulty() -> Callable[[str, int], tuple[ov.Model, str, list[Array]]]:
    """A network with a fault, the name of the layer that has it, and calibration data."""
    return lambda fault, seed: (*faulty_net(fault, seed), faulty_data(seed))
