"""ONNX's own test cases as models for the quantizer: as they are, and bent so that a quantizer meets the operation.

The package `onnx` comes with the cases that every backend has to pass: one operation each (`node`), and small models that
PyTorch exported (`simple`, `pytorch-converted`, `pytorch-operator`). Networks whose weights would have to be downloaded
are left out.
"""

import importlib
import pkgutil
import random
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test.case.node
from onnx.backend.test.loader import load_model_tests

Array = np.ndarray[Any, np.dtype[Any]]
#: Modules of `onnx.backend.test.case.node` with operations whose products the device may compute in int8.
LAYERS = ("attention", "conv", "convtranspose", "deformconv", "einsum", "gemm", "gru", "lstm", "matmul", "rnn")
#: Inputs of floats that say how large the outputs are.
SIZES = ("scales", "roi")
MODEL_KINDS = ("simple", "pytorch-converted", "pytorch-operator")


@dataclass(frozen=True)
class Case:
    """A model and what its authors run it on.

    Attributes:
        name: As ONNX calls it.
        model: It.
        feed: The case's own inputs, by name; of what numpy cannot hold, whatever ONNX gives.
    """

    name: str
    model: onnx.ModelProto
    feed: dict[str, Any]


def node_modules() -> list[str]:
    """The modules with cases of single operations."""
    package = onnx.backend.test.case.node
    return [each.name for each in pkgutil.iter_modules(package.__path__) if not each.name.startswith("_")]


def node_cases(modules: Iterable[str]) -> Iterator[Case]:
    """The cases of single operations. Importing a module makes its cases, which takes most of the time there is."""
    package = onnx.backend.test.case.node
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it divides by zero and overflows on purpose
        for module in modules:
            importlib.import_module(f"{package.__name__}.{module}")
    for each in package._NodeTestCases:
        yield _case(each.name, each.model, each.data_sets[0][0])


def model_cases() -> Iterator[Case]:
    """The small models that come with the package."""
    for kind in MODEL_KINDS:
        for each in load_model_tests(kind=kind):
            folder = Path(str(each.model_dir))
            model = onnx.load(folder / "model.onnx")
            parts = sorted(folder.glob("test_data_set_0/input_*.pb"), key=lambda part: int(part.stem.split("_")[1]))
            values = [_value(value.type, part.read_bytes()) for value, part in zip(_inputs(model), parts, strict=False)]
            yield _case(each.name, model, values)


def baked(case: Case) -> Case | None:
    """The case with all inputs but the first one of floats turned into constants, as weights are in a real model."""
    names = [value.name for value in _inputs(case.model)]
    kept = next((name for name in names if is_float(case.feed.get(name))), None)
    if kept is None or len(names) < 2 or not all(isinstance(case.feed.get(name), np.ndarray) for name in names):
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.ir_version = max(model.ir_version, 4)  # older ones want each constant among the inputs, too
    for value in _inputs(model):
        if value.name != kept:
            model.graph.initializer.append(onnx.numpy_helper.from_array(case.feed[value.name], value.name))
            model.graph.input.remove(value)
    return Case(case.name, model, {kept: case.feed[kept]})


def is_float(value: object) -> bool:
    """Whether a value is an array of floats of 16 bits or more."""
    return isinstance(value, np.ndarray) and value.dtype in (np.float16, np.float32, np.float64)


def samples_of(case: Case, count: int = 6) -> list[dict[str, Array]]:
    """The case's own inputs, and the same with all floats a little larger or smaller; signs and zeros stay."""
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    return [case.feed, *({name: _moved(name, each, rng) for name, each in case.feed.items()} for _ in range(count - 1))]


def drawn_cases(count: int, seed: int) -> list[Case]:
    """Some cases as the seed draws them: a third with layers, a third PyTorch's, a third of anything else."""
    chance = random.Random(seed)
    others = [each for each in node_modules() if each not in LAYERS]
    groups = [[*node_cases(LAYERS)], [*model_cases()], [*node_cases(chance.sample(others, min(count, len(others))))]]
    groups = [groups[0], groups[1], groups[2][len(groups[0]) :]]  # ONNX adds to what it has made before
    return [case for group in groups for case in chance.sample(group, min(-(-count // 3), len(group)))]


def _moved(name: str, value: Any, rng: np.random.Generator) -> Any:
    if not is_float(value) or name in SIZES:
        return value
    return (value * rng.uniform(0.8, 1.2, value.shape)).astype(value.dtype)


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    constants = {each.name for each in model.graph.initializer}
    return [each for each in model.graph.input if each.name not in constants]


def _case(name: str, model: onnx.ModelProto, values: Sequence[object]) -> Case:
    names = [each.name for each in _inputs(model)]
    arrays = [onnx.numpy_helper.to_array(each) if isinstance(each, onnx.TensorProto) else each for each in values]
    return Case(name, model, dict(zip(names, arrays, strict=False)))


def _value(kind: onnx.TypeProto, data: bytes) -> Any:
    """Sequences and optional values stay as ONNX writes them: no runtime that we know takes them as inputs."""
    return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(data)) if kind.HasField("tensor_type") else data
