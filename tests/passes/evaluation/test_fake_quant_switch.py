"""Which operations are rounded, where a FakeQuantize was moved past operations that read a tensor twice."""

from irquant.ir import Graph, from_text
from irquant.passes import Context
from irquant.passes.evaluation.fake_quant_switch import AttachGates, rounded_operations
from irquant.passes.placement.plan import Plan, Site
from irquant.targets import load_target

_DOUBLINGS = 60


def doublings() -> tuple[Graph, Plan]:
    """A FakeQuantize in front of 60 operations that read a tensor twice, which it was moved past, and a ReLU."""
    steps = "\n".join(f"y{k}: f32[1,8] = Maximum(y{k - 1}, y{k - 1})" for k in range(1, _DOUBLINGS + 1))
    graph = from_text(f"""
        y0: f32[1,8] = Parameter()
        {steps}
        relu: f32[1,8] = ReLU(y{_DOUBLINGS})
        r = Result(relu)
    """)
    source = graph.node("y0").output()
    site = Site("fq", source, tuple(source.consumers), load_target("cpu").specs["a8"])
    moved = {graph.node(f"y{k}"): tuple(graph.node(f"y{k}").inputs) for k in range(1, _DOUBLINGS + 1)}
    return graph, Plan((site,), moved=moved)


def test_operations_behind_those_that_are_moved_past_are_found_with_one_visit_each() -> None:
    graph, plan = doublings()
    assert rounded_operations(graph, plan) == [graph.node("relu")]


def test_a_shape_is_not_rounded() -> None:
    graph = from_text("""
        x: f32[1,8] = Parameter()
        relu: f32[1,8] = ReLU(x)
        sizes: i64[2] = ShapeOf(x)
        r = Result(relu)
        s = Result(sizes)
    """)
    source = graph.node("x").output()
    plan = Plan((Site("fq", source, tuple(source.consumers), load_target("cpu").specs["a8"]),))
    assert rounded_operations(graph, plan) == [graph.node("relu")]


def test_operations_that_are_moved_past_are_copied_once_each() -> None:
    graph, plan = doublings()
    AttachGates.of(rounded_operations(graph, plan), plan).run(graph, Context(load_target("cpu")))
    assert len(list(graph.nodes("Maximum"))) == 2 * _DOUBLINGS


def test_other_rounded_operations_compute_in_float() -> None:
    graph = from_text("""
        x: f32[1,8] = Parameter()
        low: f32[] = Parameter()
        high: f32[] = Parameter()
        fq: f32[1,8] = FakeQuantize(x, low, high, low, high) levels="256" auto_broadcast="numpy"
        first: f32[1,8] = ReLU(fq)
        second: f32[1,8] = Sigmoid(fq)
        r = Result(first)
        s = Result(second)
    """)
    fq, first, second = (graph.node(name) for name in ("fq", "first", "second"))
    site = Site("fq", graph.node("x").output(), tuple(fq.output().consumers), load_target("cpu").specs["a8"])
    pass_ = AttachGates.of([first], Plan((site,)), floats=[second])
    assert pass_.run(graph, Context(load_target("cpu"))) == 1
    assert [second.source().node.name, first.source().node.name] == ["x", "fq"]
    assert [node.name for node in graph.nodes("Sigmoid")] == ["second"]
