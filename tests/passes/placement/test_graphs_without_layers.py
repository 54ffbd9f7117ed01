"""Graphs in which nothing wants 8 bits are passed over: the plan is the one of an analysis of all graphs."""

import pytest

from irquant.passes.placement import placement
from irquant.passes.placement.placement import plan_placement
from irquant.passes.runtime.convert import from_runtime
from irquant.targets import load_target
from tests.networks.drawing import Drawn, draw, draw_recipe


@pytest.mark.parametrize("first", [0, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_plan_is_that_of_all_graphs(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    target = load_target("cpu")
    models = [drawn.model for seed in range(first, first + 40) if (drawn := _drawn(seed))]
    graphs = [from_runtime(model) for model in models]
    own = placement._wants_ints  # pyright: ignore[reportPrivateUsage]
    assert any(not own(each, target) for graph in graphs for each in graph.walk())
    found = [plan_placement(graph, target) for graph in graphs]
    monkeypatch.setattr(placement, "_wants_ints", lambda *_: True)
    for graph, plan in zip(graphs, found, strict=True):
        wanted = plan_placement(graph, target)
        assert (plan.sites, plan.decisions, plan.names) == (wanted.sites, wanted.decisions, wanted.names)
        assert (plan.moved, plan.tied, plan.kept) == (wanted.moved, wanted.tied, wanted.kept)


def _drawn(seed: int) -> Drawn | None:
    try:
        return draw(draw_recipe(seed))
    except (RuntimeError, TypeError, AttributeError):  # the runtime does not build it
        return None
