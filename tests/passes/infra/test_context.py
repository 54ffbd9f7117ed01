"""What a run is given stays as it was given; what its passes leave is fresh for other options."""

from dataclasses import FrozenInstanceError, dataclass, fields
from typing import ClassVar

import pytest

from irquant.ir import Graph, from_text
from irquant.passes import Context, Pass, PassManager, QuantizationConfig
from irquant.passes.analysis.bias_cross_validation import Correction
from irquant.passes.infra.base import PipelineError, RunState
from irquant.passes.infra.calibration import MOST_PROBES, Calibration
from irquant.passes.infra.execution import Check
from irquant.passes.infra.run_inputs import RunInputs
from irquant.passes.placement.plan import Plan
from irquant.passes.runtime.samples import Sample, ValidationSample
from irquant.passes.statistics.request import Statistics
from irquant.targets import load_target

MIXED = QuantizationConfig(preset="mixed")


@dataclass(frozen=True)
class Overrules(Pass):
    name: ClassVar[str] = "overrules"

    def run(self, graph: Graph, context: Context) -> int:
        context.config = MIXED  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
        return 0


def graph() -> Graph:
    return from_text("x: f32[1] = Parameter()\ny: f32[1] = ReLU(x)\nr = Result(y)\n")


def samples(count: int) -> list[ValidationSample]:
    return [ValidationSample(Sample(str(index), None), {}, []) for index in range(count)]


def used() -> Context:
    """A context in which passes left something of each kind."""
    context, node = Context(load_target("cpu"), expected=7, model_fingerprint="m"), graph().node("y")
    context.take_over(Calibration(Statistics(samples=3), held_out=samples(2), data_fingerprint="d"))
    context.statistics = Statistics(samples=9)
    context.halves, context.decomposed = {((), 1)}, {((), 2)}
    context.wanted, context.plan, context.check = frozenset(), Plan(names={node: "y"}), Check(failure="none")
    context.aligned.add(node)
    context.warnings.append("something")
    context.corrections[node] = Correction(1.0, 1.0, 1.0)
    return context


@pytest.mark.parametrize("name", [each.name for each in fields(RunInputs)])
def test_what_a_run_is_given_cannot_be_written(name: str) -> None:
    with pytest.raises(FrozenInstanceError) as caught:
        setattr(Context(load_target("cpu")), name, None)
    assert str(caught.value) == f"cannot assign to field '{name}'"


def test_a_pass_that_writes_it_is_told_so() -> None:
    context = Context(load_target("cpu"))
    with pytest.raises(PipelineError) as caught:
        PassManager([Overrules()]).run(graph(), context)
    said = "pass 'overrules' failed: FrozenInstanceError: cannot assign to field 'config' ("
    assert str(caught.value).startswith(said)
    assert context.config.preset is None


@pytest.mark.parametrize("name", ["held_out", "outputs", "kept"])
def test_what_calibration_left_is_written_as_a_whole_only(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(Context(load_target("cpu")), name, [])


def test_other_options_get_the_same_inputs_but_for_them() -> None:
    context = used()
    again = context.again(MIXED, {((), 4): "why"})
    others = [each.name for each in fields(RunInputs) if each.name not in ("config", "reverted_to_float")]
    assert all(getattr(again, name) is getattr(context, name) for name in others)
    assert (again.config, again.reverted_to_float) == (MIXED, {((), 4): "why"})


def test_other_options_start_from_what_was_measured() -> None:
    context = used()
    again = context.again(MIXED, {})
    assert again.calibration is context.calibration
    assert again.statistics is context.calibration.statistics
    assert (again.halves, again.decomposed) == (context.halves, context.decomposed)


def test_nothing_else_of_a_run_is_left_for_other_options() -> None:
    again, fresh = used().again(MIXED, {}), Context(load_target("cpu"))
    carried = {"calibration", "statistics", "halves", "decomposed"}
    for name in {each.name for each in fields(RunState)} - carried:
        assert getattr(again, name) == getattr(fresh, name), name


def test_a_run_with_other_options_leaves_the_former_as_it_was() -> None:
    context = used()
    again = context.again(MIXED, {})
    again.halves.clear()
    again.warnings.append("another")
    again.statistics = Statistics()
    assert (context.halves, context.warnings, context.statistics.samples) == ({((), 1)}, ["something"], 9)


def test_two_contexts_share_nothing() -> None:
    first, second = Context(load_target("cpu")), Context(load_target("cpu"))
    first.warnings.append("something")
    assert not second.warnings


def test_other_statistics_are_those_of_another_context() -> None:
    context = used()
    other = context.knowing(Statistics(samples=1))
    assert (other.statistics.samples, context.statistics.samples, other.plan) == (1, 9, context.plan)


def test_the_device_is_asked_on_held_out_samples_first() -> None:
    found = Calibration(held_out=samples(2), first=samples(20))
    assert len(found.probes) == MOST_PROBES
    assert list(found.probes[:2]) == list(found.held_out)


def test_the_first_samples_are_compared_only_where_none_is_held_out() -> None:
    held_out, first = samples(1), samples(3)
    assert Calibration(held_out=held_out, first=first).compared is held_out
    assert Calibration(first=first).compared is first
    assert not Calibration().compared
