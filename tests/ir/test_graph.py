"""The editing vocabulary: what it does, and what it refuses."""

import base64
import json
import zlib
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irquant.ir import Graph, IRError, OutPort, element_type, from_text, read_model, to_text, verify, write_model

DIAMOND = """graph 11
x: f32[2]<"x"> = Parameter()
a: f32[2] = ReLU(x)
b: f32[2] = Sigmoid(x)
y: f32[2]<"y"> = Add(a, b) auto_broadcast="numpy"
r = Result(y)
"""


@pytest.fixture
def graph() -> Graph:
    return from_text(DIAMOND)


def test_nodes_come_in_topological_order_and_by_type(graph: Graph) -> None:
    assert [node.name for node in graph.nodes()] == ["x", "a", "b", "y", "r"]
    assert [node.name for node in graph.nodes("ReLU", "Add")] == ["a", "y"]


def test_removal_while_iterating_skips_the_removed(graph: Graph) -> None:
    seen = []
    for node in graph.nodes():
        seen.append(node.name)
        if node.name == "a":
            graph.node("b").replace_with(graph.node("x").output())
    assert seen == ["x", "a", "y", "r"]


def test_sources_and_consumers_are_two_views_of_the_edges(graph: Graph) -> None:
    x, y = graph.node("x"), graph.node("y")
    assert [port.node.name for port in x.output().consumers] == ["a", "b"]
    assert [port.source.node.name for port in y.inputs] == ["a", "b"]
    y.input(1).connect(x.output())
    assert [port.node.name for port in x.output().consumers] == ["a", "b", "y"]
    assert graph.node("b").output().consumers == []


def test_edges_of_a_copy_change_alone(graph: Graph) -> None:
    twin = graph.copy()
    twin.node("y").input(1).connect(twin.node("x").output())
    twin.prune(twin.node("b"))
    assert [port.node.name for port in twin.node("x").output().consumers] == ["a", "y"]
    assert [port.node.name for port in graph.node("x").output().consumers] == ["a", "b"]
    assert [port.source.node.name for port in graph.node("y").inputs] == ["a", "b"]


def test_a_node_that_feeds_others_cannot_be_removed(graph: Graph) -> None:
    with pytest.raises(IRError) as caught:
        graph.remove(graph.node("x"))
    assert str(caught.value) == "cannot remove Parameter 'x' (id 0): it feeds ReLU 'a' (id 1), Sigmoid 'b' (id 2)"
    assert len(graph) == 5


def test_prune_takes_what_feeds_nobody_but_never_an_input(graph: Graph) -> None:
    graph.node("y").replace_with(graph.node("a").output())
    assert [node.name for node in graph.nodes()] == ["x", "a", "r"]
    graph.prune(graph.node("r"))
    assert len(graph) == 3


def test_tensor_names_move_with_the_model_output(graph: Graph) -> None:
    y = graph.node("y")
    after = graph.add("ReLU", "after", [y.output()], [(element_type("f32"), (2,))])
    y.output().redirect(after.output(), only=[graph.node("r").input()])
    assert (y.output().names, after.output().names) == ((), ("y",))


def test_friendly_names_swap_in_v10() -> None:
    graph = from_text(DIAMOND.replace("graph 11", "graph 10").replace('<"y">', ""))
    y = graph.node("y")
    after = graph.add("ReLU", "after", [y.output()], [(element_type("f32"), (2,))])
    y.output().redirect(after.output(), only=[graph.node("r").input()])
    assert (y.name, after.name) == ("y/original", "y")


def test_a_redirect_among_inner_nodes_leaves_names_alone(graph: Graph) -> None:
    x = graph.node("x")
    after = graph.add("ReLU", "after", [x.output()], [(element_type("f32"), (2,))])
    x.output().redirect(after.output(), only=[graph.node("a").input()])
    assert (x.output().names, after.output().names) == (("x",), ())


def test_new_nodes_get_new_ids_and_free_names(graph: Graph) -> None:
    first, second = (graph.add_constant("a", np.zeros(1, np.float32)) for _ in range(2))
    assert (first.name, second.name) == ("a_1", "a_2")
    assert first.id == 5
    graph.remove(second)
    assert graph.unique_name("a_2") == "a_2"


def test_a_copy_is_independent(graph: Graph) -> None:
    before, twin = to_text(graph), graph.copy()
    twin.node("a").set_attribute("k", "v")
    twin.node("y").replace_with(twin.node("a").output())
    assert to_text(graph) == before


def test_handles_of_removed_nodes_say_so(graph: Graph) -> None:
    node = graph.add_constant("c", np.zeros(1, np.float32))
    graph.remove(node)
    with pytest.raises(IRError, match=r"^node 5 is no longer in the graph$"):
        _ = node.type


def test_a_constant_takes_another_value_of_its_kind() -> None:
    graph = from_text("c: f32[2] = Const() [1.0, 2.0]\nx: f32[2] = Parameter()\ny: f32[2] = Add(x, c)\nr = Result(y)\n")
    constant = graph.node("c")
    constant.set_array(np.array([3.0, 4.0], np.float32))
    assert constant.array.tolist() == [3.0, 4.0]
    assert graph.is_edited
    for wrong in (np.zeros(3, np.float32), np.zeros(2, np.float64), np.zeros((2, 1), np.float32)):
        with pytest.raises(IRError, match=r"^Const 'c' \(id 0\) cannot become "):
            constant.set_array(wrong)
    with pytest.raises(IRError, match=r"^ReLU 'y' \(id 1\) is not a Const: it has no value$"):
        from_text("x: f32[2] = Parameter()\ny: f32[2] = ReLU(x)\nr = Result(y)\n").node("y").set_array(
            np.zeros(2, np.float32)
        )


def test_a_tensor_takes_other_sizes_of_as_many_axes() -> None:
    graph = from_text("x: f32[2,3] = Parameter()\ny: f32[2,3] = ReLU(x)\nr = Result(y)\n")
    tensor = graph.node("y").output()
    tensor.set_shape([3, -1])
    assert tensor.shape == (3, -1)
    assert "y: f32[3,?] = ReLU(x)" in to_text(graph.copy())
    with pytest.raises(IRError, match=r"^ReLU 'y' \(id 1\) cannot have 1 axes instead of 2: only sizes can change$"):
        tensor.set_shape([6])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda graph: graph.node("z"), "no node is named 'z'"),
        (lambda graph: graph.node("x").input(), "Parameter 'x' (id 0) has 0 inputs: no input 0"),
        (lambda graph: graph.node("x").output(1), "Parameter 'x' (id 0) has 1 outputs: no output 1"),
        (lambda graph: graph.node("x").array, "Parameter 'x' (id 0) is not a Const: it has no value"),
        (
            lambda graph: graph.node("a").input().connect(from_text(DIAMOND).node("x").output()),
            "Parameter 'x' (id 0) and ReLU 'a' (id 1) are not in the same graph",
        ),
    ],
)
def test_questions_without_an_answer_are_refused(graph: Graph, ask: object, said: str) -> None:
    with pytest.raises(IRError) as caught:
        ask(graph)  # type: ignore[operator]
    assert str(caught.value) == said


def test_a_refused_connection_leaves_the_graph_whole(graph: Graph) -> None:
    with pytest.raises(IRError):
        graph.node("a").input().connect(from_text(DIAMOND).node("x").output())
    verify(graph)
    assert to_text(graph) == DIAMOND


@pytest.mark.parametrize(
    ("value", "spelt"), [(1e-6, "1e-06"), (True, "true"), ([1, 2], "1,2"), (None, "None"), (3, "3")]
)
def test_an_attribute_that_is_no_text_is_refused_with_its_spelling(graph: Graph, value: Any, spelt: str) -> None:
    said = f"attribute 'k' is {value!r}, expected a text, as the file spells it: {spelt!r}"
    with pytest.raises(IRError) as caught:
        graph.node("a").set_attribute("k", value)
    assert str(caught.value) == said
    with pytest.raises(IRError) as caught:
        graph.add("ReLU", "new", [], [(element_type("f32"), (2,))], attributes={"k": value})
    assert str(caught.value) == said
    assert to_text(graph) == DIAMOND


def test_an_attribute_can_be_set_where_there_was_none(graph: Graph) -> None:
    graph.node("a").set_attribute("k", "v")
    assert dict(graph.node("a").attributes) == {"k": "v"}
    assert 'a: f32[2] = ReLU(x) k="v"' in to_text(graph)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda layer: setattr(layer.outputs[0], "id", 0), "Add 'y' (id 3) has two ports with the same id: [0, 1, 0]"),
        (lambda layer: layer.outputs[0].element.set("precision", "FP7"), "unknown port precision 'FP7'; known: "),
    ],
)
def test_what_must_hold_of_every_graph_is_verified(graph: Graph, damage: Callable[[object], None], said: str) -> None:
    damage(graph.node("y")._layer)
    with pytest.raises(IRError) as caught:
        verify(graph)
    assert str(caught.value).startswith(said)


def test_a_cycle_is_no_graph(graph: Graph) -> None:
    graph.node("a").input().connect(graph.node("y").output())
    with pytest.raises(IRError, match=r"^the graph has a cycle: "):
        verify(graph)


# ------------------------------------------------------------------------------------------------------- the text form


def test_the_text_reads_back(graph: Graph) -> None:
    assert to_text(graph) == DIAMOND
    assert to_text(from_text(to_text(graph))) == DIAMOND


names = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\ufffe\uffff"), min_size=1, max_size=8
)
PACKED = {"u1": 3, "u3": 3, "i4": 2, "nf4": 2}


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any operations, connected anyhow, some with bodies; packed constants, shared and odd names, rt_info."""
    graph = Graph()
    outputs: list[OutPort] = []
    for index in range(draw(st.integers(1, 8))):
        name = draw(names)
        if not outputs or draw(st.booleans()):
            dtype = draw(st.sampled_from(["float32", "int64", "bool", "float16", "uint8"]))
            size = draw(st.sampled_from([0, 1, 3, 40]))
            node = graph.add_constant(name, np.random.default_rng(index).normal(size=size).astype(dtype))
        else:
            sources = draw(st.lists(st.sampled_from(outputs), max_size=3))
            shapes = draw(st.lists(st.tuples(st.integers(-1, 4)), max_size=2))
            values = draw(st.dictionaries(st.sampled_from(["k", "a-b"]), names, max_size=2))
            types = [(element_type("f32"), shape) for shape in shapes]
            node = graph.add("Op", name, sources, types, attributes=values, opset="opset5")
        graph.rename(node, name)  # shared names are legal
        outputs += node.outputs
    kind = draw(st.sampled_from(list(PACKED)))
    text = (
        to_text(graph, values=True)
        + packed_line(kind, draw(names))
        + 'packed_result = Result(packed_values) @id="101"\n'
    )
    return from_text(text + (HOLDER if draw(st.booleans()) else ""))


def packed_line(kind: str, note: str) -> str:
    blob = base64.b64encode(zlib.compress(bytes(range(PACKED[kind])))).decode()
    opaque = json.dumps(f"<rt_info><attribute name={quoteattr(note)} version='0' /></rt_info>")
    return f'packed_values: {kind}[3] = Const() @id="100" &{opaque} base64:{blob}\n'


#: A loop whose body holds an If whose branches are constants.
HOLDER = """
loop_node: f32[2] = Loop.opset5(packed_values) @id="102" &"<port_map><output external_port_id='1' internal_layer_id='1' /></port_map>"
body of loop_node {
    if: f32[2] = If.opset8() @id="0"
    then_body of if {
        c: f32[2] = Const() @id="5" [1.0, 2.0]
    }
    else_body of if &"<rt_info />" {
        c: f32[2] = Const() @id="7" [1.0, 2.0]
    }
    out = Result(if) @id="1"
}
last_result = Result(loop_node) @id="103"
"""


@given(graphs())
def test_any_graph_reads_back_from_its_text(graph: Graph) -> None:
    text = to_text(graph, values=True)
    assert to_text(from_text(text), values=True) == text


@given(graphs())
def test_any_graph_reads_back_from_its_files(tmp_path_factory: pytest.TempPathFactory, graph: Graph) -> None:
    folder = tmp_path_factory.mktemp("files")
    write_model(graph, folder / "one.xml")
    again = read_model(folder / "one.xml")
    assert to_text(again, values=True) == to_text(graph, values=True)
    write_model(again, folder / "two.xml")
    assert [(folder / f"two{end}").read_bytes() for end in (".xml", ".bin")] == [
        (folder / f"one{end}").read_bytes() for end in (".xml", ".bin")
    ]


@given(graphs())
def test_a_copy_is_equal(graph: Graph) -> None:
    assert to_text(graph.copy(), values=True) == to_text(graph, values=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x f32[1] = Parameter()", "line 1: expected '=' but found 'f32'"),
        ("x: f31[1] = Parameter()", "line 1: unknown element type 'f31'; known: "),
        ("x: f32[1] = Parameter()\ny: f32[1] = ReLU(z)", "line 2: no line above defines 'z'"),
        (
            "x: f32[1] = Parameter()\nx: f32[1] = Parameter()",
            "line 2: a second node is named 'x'; write name@id in both places",
        ),
        ("c: f32[2] = Const() [1.0]", "line 1: 1 values for the shape [2]"),
        (
            "c: f32[99] = Const() ...",
            "line 1: a constant is abbreviated: write the text with values=True (irquant opt: --values) to read it back",
        ),
        ("x: f32[1] = Parameter() !", "line 1: cannot read '!'"),
        ("x: f32[1] = Parameter()\ny: f32[1] = ReLU(x#1)", "line 2: Parameter 'x' (id 0) has 1 outputs: no output 1"),
        ("x: u4[1] = Const() [1]", "line 1: values of element type u4 are written as base64"),
    ],
)
def test_mistakes_in_a_text_have_their_line(text: str, said: str) -> None:
    with pytest.raises(IRError) as caught:
        from_text(text)
    assert str(caught.value).startswith(said)


def test_a_tensor_knows_whose_place_it_took(graph: Graph) -> None:
    a, y = graph.node("a").output(), graph.node("y").output()
    graph.track_origins()
    kind = (a.element_type, a.shape)
    rounded = graph.add("FakeQuantize", "q", [a], [kind]).output()
    a.redirect(rounded)
    again = graph.add("Abs", "again", [rounded], [kind]).output()
    rounded.redirect(again)
    other = graph.add("Multiply", "scaled", [y, y], [kind]).output()
    y.redirect(other, only=[graph.node("r").input()], is_same=False)
    assert again.origin == rounded.origin == a.origin == (a.node.id, 0)
    assert other.origin == (other.node.id, 0)
    assert graph.copy().node("again").output().origin == a.origin


def test_a_tensor_that_was_there_before_stays_what_it_is(graph: Graph) -> None:
    graph.track_origins()
    graph.node("a").replace_with(graph.node("b").output())
    assert graph.node("b").output().origin == (graph.node("b").id, 0)


def test_tracking_begins_anew(graph: Graph) -> None:
    graph.track_origins()
    a = graph.node("a").output()
    twin = graph.add("ReLU", "twin", [graph.node("x").output()], [(a.element_type, a.shape)]).output()
    a.redirect(twin)
    graph.track_origins()
    assert twin.origin == (twin.node.id, 0)
