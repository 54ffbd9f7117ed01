"""What was computed before is not computed again for the same numbers, and anew for others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from irquant.ir import Graph, Node, from_text
from irquant.passes import Context, QuantizationConfig
from irquant.passes.accuracy.requantize import CalibratedModel
from irquant.passes.analysis import known_numbers
from irquant.passes.analysis.known_numbers import KnownNumbers
from irquant.passes.analysis.ranges import Range
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.infra.manager import PassManager
from irquant.passes.jobs.pipelines import default_quantization
from irquant.passes.transforms import compress_weights, correct_biases_fast
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
MODEL = """graph 11
x: f32[1,3,8,8]<"x"> = Parameter()
w: f32[4,3,1,1] = Const() {values}
y: f32[1,4,8,8]<"y"> = Convolution(x, w) strides="1,1" pads_begin="0,0" pads_end="0,0" dilations="1,1" auto_pad="explicit"
r = Result(y)
"""


@dataclass
class Counted:
    """A function of numbers that counts its calls."""

    calls: int = 0

    def __call__(self, values: Array | Node | Range, factor: int = 1, *, shift: int = 0) -> Array:
        self.calls += 1
        numbers = values.array if isinstance(values, Node) else values
        return np.asarray(numbers.low if isinstance(numbers, Range) else numbers) * factor + shift

    __hash__ = object.__hash__


def test_equal_arrays_are_computed_once() -> None:
    known, double, values = KnownNumbers(), Counted(), np.arange(3)
    first = known.once(double, values, 2)
    assert first.tolist() == [0, 2, 4]
    assert known.once(double, values.copy(), 2) is first
    assert double.calls == 1


@pytest.mark.parametrize(
    "other",
    [
        {"values": np.array([0, 1, 3])},
        {"values": np.arange(3, dtype=np.int32)},
        {"values": np.arange(3).reshape(3, 1)},
        {"factor": 3},
        {"shift": 1},
        {"values": Range(np.arange(3.0), np.arange(3.0))},
    ],
)
def test_other_numbers_types_shapes_and_options_are_computed_anew(other: dict[str, Any]) -> None:
    known, counted = KnownNumbers(), Counted()
    given: dict[str, Any] = {"values": np.arange(3), "factor": 2, "shift": 0}
    for each in (given, {**given, **other}, given, {**given, **other}):
        named = dict(each)
        found = known.once(counted, named.pop("values"), named.pop("factor"), **named)
        assert found.tolist() == Counted()(**each).tolist()
    assert counted.calls == 2


def test_ranges_with_one_other_end_are_computed_anew() -> None:
    known, counted, low = KnownNumbers(), Counted(), np.zeros(2)
    for high in (1.0, 2.0, 1.0):
        known.once(counted, Range(low, np.full(2, high)))
    assert counted.calls == 2


def constant_of(graph: Graph) -> Node:
    return next(graph.nodes("Const"))


def test_a_constant_stands_for_its_value_in_all_copies_of_a_graph() -> None:
    graph = from_text("c: f32[2] = Const() [1.0, 2.0]\nr = Result(c)\n")
    known, counted = KnownNumbers(), Counted()
    known.once(counted, constant_of(graph))
    assert known.once(counted, constant_of(graph.copy())).tolist() == [1, 2]
    assert counted.calls == 1
    twin = graph.copy()
    constant_of(twin).set_array(np.array([1.0, 3.0], np.float32))
    assert known.once(counted, constant_of(twin)).tolist() == [1, 3]
    assert known.once(counted, constant_of(graph)).tolist() == [1, 2]
    assert counted.calls == 2


def test_no_more_is_kept_of_one_function_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_numbers, "_MOST_BYTES", 100)
    known, counted, other = KnownNumbers(), Counted(), Counted()
    large = np.zeros(10)
    for _ in range(2):
        known.once(counted, large)
    assert counted.calls == 1
    for _ in range(2):
        known.once(counted, large + 1)
        known.once(other, large)
    assert (counted.calls, other.calls) == (3, 1)


def test_a_second_model_of_a_calibration_rounds_no_weights_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(module: Any, name: str) -> None:
        real = getattr(module, name)

        def called(*given: Any, **named: Any) -> Any:
            calls.append(name)
            return real(*given, **named)

        monkeypatch.setattr(module, name, called)

    values = ", ".join(str(each) for each in np.random.default_rng(1).normal(size=12).round(3))
    graph = from_text(MODEL.format(values=f"[{values}]"))
    counted(compress_weights, "codes")
    counted(correct_biases_fast, "mean_output")
    data = [np.random.default_rng(seed).normal(size=(1, 3, 8, 8)).astype(np.float32) for seed in range(12)]
    config = QuantizationConfig()
    context = Context(load_target("cpu"), config, data)
    calibrated = CalibratedModel(lambda wanted: default_quantization(Calibrate(), wanted), context)
    PassManager(calibrated.pipeline(config), [calibrated]).run(graph, context)
    first, before = {node.name: node.digest for node in graph.nodes("Const")}, list(calls)
    assert sorted({*before}) == ["codes", "mean_output"]
    again, _ = calibrated.rounded(config, {})
    assert calls == before
    assert {node.name: node.digest for node in again.nodes("Const")} == first
