"""Graphs from models that the tests build with the runtime's own opsets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
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
