"""When a model is compared with what its FakeQuantizes mean, and whose fault it is if the guard fails."""

from collections.abc import Sequence
from typing import Any

import pytest

from irquant.ir import IRError
from irquant.passes import InternalError, QuantizationConfig, Report
from irquant.passes.accuracy import device
from irquant.passes.accuracy.guard import GuardResult, guard
from irquant.passes.accuracy.requantize import Attempt, CalibratedModel
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.runtime.loaded import Loaded
from irquant.passes.runtime.modes import OWN_PRECISION
from irquant.passes.runtime.samples import ValidationSample
from irquant.targets import load_target
from tests.passes.accuracy.spoilt_networks import network, pictures

WRONG = f"{device.OTHERWISE}, {device.IN_OWN_PRECISION.format('bf16')}"


def quantized(seed: int, *, is_spoilt: bool = True, **options: object) -> Report:
    model, _ = network(seed, is_spoilt=is_spoilt)
    config = QuantizationConfig.checked(**options)
    return quantize_graph(from_runtime(model), pictures(seed, count=12), load_target("cpu"), config)[1]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a run does: checks of the device, as far as they go, and the guard."""
    found, ask = list[str](), device.ask

    def asked(*given: Any, **options: Any) -> device.Answer:
        answer = ask(*given, **options)
        found.append("look" if answer.is_put_off else "check")
        return answer

    def guarded(*given: Any) -> Any:
        found.append("guard")
        return guard(*given)

    monkeypatch.setattr(device, "ask", asked)
    monkeypatch.setattr("irquant.passes.jobs.quantize_graph.guard", guarded)
    return found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"seed": 4}, ["look", "guard", "check"]),
        ({"seed": 4, "guard": False}, ["check"]),
        ({"seed": 12, "is_spoilt": False}, ["check", "guard"]),
        ({"seed": 3}, ["check", "guard", "check"]),
    ],
    ids=["fair", "no guard", "good", "poor"],
)
def test_a_model_that_the_guard_will_change_is_checked_once(
    events: list[str], given: dict[str, Any], expected: list[str]
) -> None:
    report = quantized(**given)
    assert events == expected
    assert report.check.asked
    assert report.check.asked.samples > 0


def test_the_guard_begins_again_if_an_error_that_it_saw_was_no_rounding(
    events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "own_precision", lambda: "bf16")
    run = device.run_with

    def run_with(config: dict[str, str], model: Loaded, samples: Sequence[ValidationSample]) -> device.Run:
        found, failure = run(config, model, samples)
        names = [node.get_friendly_name() for node in model.model.get_ops() if node.get_type_name() == "FakeQuantize"]
        is_wrong = config == OWN_PRECISION and any(name.startswith("conv0/") for name in names)
        return ([[-9 * each for each in outputs] for outputs in found] if is_wrong else found), failure

    monkeypatch.setattr(device, "run_with", run_with)
    report = quantized(4)
    assert events[:3] == ["look", "guard", "check"]
    assert events.count("guard") == 2
    assert events[-1] == "check"
    reasons = {layer.name: layer.decision.reason for layer in report.layers if not layer.decision.int8}
    assert reasons["conv0"] == WRONG
    assert sum("'conv0' is left float" in each for each in report.warnings) == 1


def test_what_the_guard_does_wrong_to_a_graph_is_no_mistake_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(first: Attempt, _: CalibratedModel) -> GuardResult:
        node = next(first.graph.nodes("Convolution"))
        raise AssertionError(node.source(9))

    monkeypatch.setattr("irquant.passes.jobs.quantize_graph.guard", failing)
    with pytest.raises(InternalError, match=r"irquant failed at Convolution .*: no input 9") as caught:
        quantized(4)
    assert isinstance(caught.value.__cause__, IRError)
    assert caught.value.layer
