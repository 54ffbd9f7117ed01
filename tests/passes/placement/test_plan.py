"""A plan with some layers in float rounds for the others alone."""

from dataclasses import replace

from irquant.ir import Graph, from_text
from irquant.passes.placement.placement import plan_placement
from irquant.passes.placement.plan import Decision, Plan
from irquant.targets import load_target

HEAD = """
    q: f32[1,2,4,8] = Parameter()
    k: f32[1,2,5,8] = Parameter()
    o: i64[4] = Const() [0, 1, 3, 2]
    t: f32[1,2,8,5] = Transpose(k, o)
    s: f32[1,2,4,5] = MatMul(q, t) transpose_a="false" transpose_b="false"
"""
SHARED = """
    u: f32[1,2,4,5] = MatMul(q, t) transpose_a="false" transpose_b="false"
    other = Result(u)
"""
SIZES = """
    n: i64[4] = ShapeOf(k) output_type="i64"
    sizes = Result(n)
"""
TAIL = "    out = Result(s)\n"
WHY = "it is tested"


def planned(text: str) -> tuple[Graph, Plan]:
    graph = from_text(text)
    return graph, plan_placement(graph, load_target("cpu"))


def edges(plan: Plan) -> list[tuple[str, list[str]]]:
    """The tensors that are rounded, by their nodes, and who reads them."""
    return [(site.source.node.name, [port.node.name for port in site.consumers]) for site in plan.sites]


def test_what_only_a_float_layer_reads_is_not_rounded() -> None:
    graph, plan = planned(HEAD + TAIL)
    assert edges(plan) == [("q", ["s"]), ("k", ["t"])]
    assert edges(plan.with_floats({graph.node("s"): WHY})) == []


def test_what_another_layer_reads_is_still_rounded_for_that() -> None:
    graph, plan = planned(HEAD + SHARED + TAIL)
    assert edges(plan) == [("q", ["s", "u"]), ("k", ["t"])]
    assert edges(plan.with_floats({graph.node("s"): WHY})) == [("q", ["u"]), ("k", ["t"])]
    assert edges(plan.with_floats({graph.node(name): WHY for name in "su"})) == []


def test_nothing_is_rounded_for_those_who_ask_for_its_shape() -> None:
    graph, plan = planned(HEAD + SIZES + TAIL)
    assert edges(plan) == [("q", ["s"]), ("k", ["t", "n"])]
    assert edges(plan.with_floats({graph.node("s"): WHY})) == []


def test_who_asks_for_a_shape_goes_on_to_read_what_is_rounded_for_others() -> None:
    graph, plan = planned(HEAD + SHARED + SIZES + TAIL)
    assert edges(plan.with_floats({graph.node("s"): WHY})) == [("q", ["u"]), ("k", ["t", "n"])]


def test_the_decision_has_the_reason_and_those_of_others_stay() -> None:
    graph, plan = planned(HEAD + SHARED + TAIL)
    one, other = graph.node("s"), graph.node("u")
    found = plan.with_floats({one: WHY})
    assert found.decisions == {one: Decision(int8=False, reason=WHY), other: plan.decisions[other]}


def test_an_operation_that_is_no_layer_keeps_the_reason_for_which_it_is_float() -> None:
    graph, plan = planned(HEAD + TAIL)
    layer, moves = (graph.node(name) for name in "st")
    kept = plan.with_floats({moves: "it is first"}).with_floats({layer: WHY})
    assert kept.kept == {moves: "it is first"}
    assert kept.decisions == {layer: Decision(int8=False, reason=WHY)}


def test_without_layers_the_plan_stays() -> None:
    _, plan = planned(HEAD + SHARED + TAIL)
    assert plan.with_floats({}) == plan


def test_sites_are_found_by_edges_that_are_listed_once_a_plan() -> None:
    _, plan = planned(HEAD + TAIL)
    port = next(site for site in plan.sites if not site.is_weights).consumers[0]
    (site,) = plan.feeding(port)
    assert plan._by_edge is plan._by_edge
    moved = replace(plan, sites=tuple(replace(each, name="other") if each == site else each for each in plan.sites))
    assert [each.name for each in moved.feeding(port)] == ["other"], "another plan has edges of its own"
