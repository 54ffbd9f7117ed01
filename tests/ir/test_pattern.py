"""Patterns find what they are written as, and say of anything else what it is and what was expected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irquant.ir import Graph, IRError, Node, OutPort, from_text
from irquant.ir.pattern import Op, Pattern, any_tensor, chain, const, op

HEAD = """
    x: f32[1,2,4,4] = Parameter()
    y: f32[1,2,4,4] = Parameter()
    w: f32[2,2,1,1] = Const() [1.0, 2.0, 3.0, 4.0]
    b: f32[1,2,1,1] = Const() [0.5, 0.5]
"""
CONV = 'conv: f32[1,2,4,4] = Convolution(x, w) strides="1, 1" dilations="1, 1" pads_begin="0, 0" pads_end="0, 0"'


def graph(*lines: str) -> Graph:
    """A graph of these lines, whose result is the last; `z = ReLU(x)` leaves out its type."""
    spelt = [line if ":" in line.split(" = ")[0] else line.replace(" = ", ": f32[1,2,4,4] = ", 1) for line in lines]
    return from_text("\n".join([HEAD, *spelt, f"r = Result({spelt[-1].split(':')[0]})"]))


def reason(pattern: Pattern[Node], *lines: str) -> str:
    """Why the last line's node is not what a pattern says."""
    node = last(graph(*lines))
    found = pattern.match(node)
    assert not found
    return found.reason


def last(model: Graph) -> Node:
    return model.node("r").source().node


# ------------------------------------------------------------------------------------------------ one operation

X, BIAS = any_tensor(), const()
LAYER = op("Convolution", X, const())
BIASED = op("Add", LAYER.read_once(), BIAS).commutative()


@pytest.mark.parametrize("add", ["Add(conv, b)", "Add(b, conv)"])
def test_the_parts_of_a_match_are_nodes_tensors_and_the_inputs_that_read_them(add: str) -> None:
    model = graph(CONV, f"add = {add}")
    found = BIASED.match(model.node("add"))
    assert found
    assert (found[LAYER], found[BIAS], found[BIASED]) == tuple(map(model.node, ("conv", "b", "add")))
    assert found[X] == model.node("x").output()
    assert found.input(BIAS) == model.node("add").input(int(add.endswith("b)")))
    assert found.input(X) == model.node("conv").input(0)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((CONV, "add = Multiply(conv, b)"), "'add' is Multiply, expected Add"),
        ((CONV, "add = Add(conv, y)"), "'add': input 1 is Parameter 'y', expected Const"),
        ((CONV, "add = Add(y, conv)"), "'add': input 0 is Parameter 'y', expected Const"),
        (("add = Add(x, b)",), "'add': input 0 is Parameter 'x', expected Convolution"),
        (("add = Add(x, y)",), "'add': input 0 is Parameter 'x', expected Convolution or Const"),
        ((CONV, "z = ReLU(conv)", "add = Add(z, b)"), "'add': input 0 is ReLU 'z', expected Convolution"),
        ((CONV.replace("(x, w)", "(x, y)"), "add = Add(conv, b)"), "'conv': input 1 is Parameter 'y', expected Const"),
        (
            (CONV, "z = ReLU(conv)", "s = Abs(z)", "add = Add(conv, b)"),
            "'add': input 0 is Convolution 'conv', expected a single reader, not ReLU 'z' and Add 'add'",
        ),
        (
            (CONV, *(f"z{k} = ReLU(conv)" for k in range(4)), "add = Add(b, conv)"),
            "'add': input 1 is Convolution 'conv', "
            "expected a single reader, not ReLU 'z0' and ReLU 'z1' and ReLU 'z2' and 2 more",
        ),
    ],
)
def test_a_near_miss_names_what_was_found_and_what_was_expected(lines: tuple[str, ...], expected: str) -> None:
    assert reason(BIASED, *lines) == expected


def test_of_several_types_any_will_do() -> None:
    pattern = op(("Add", "Multiply"), X, BIAS)
    assert pattern.match(last(graph("z = Multiply(x, b)")))
    assert reason(pattern, "z = Subtract(x, b)") == "'z' is Subtract, expected Add or Multiply"


def test_operands_that_are_not_written_do_not_matter() -> None:
    assert op("Add").match(last(graph("z = Add(x, y)")))
    assert op("Add", X).match(last(graph("z = Add(x, y)")))


def test_operands_have_an_order_unless_they_are_commutative() -> None:
    assert reason(op("Subtract", X, BIAS), "z = Subtract(b, x)") == "'z': input 1 is Parameter 'x', expected Const"


def test_an_operation_with_fewer_inputs_is_none() -> None:
    assert reason(op("ReLU", X, BIAS), "z = ReLU(x)") == "'z' is ReLU, expected ReLU with 2 inputs"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_only_two_operands_are_commutative(count: int) -> None:
    with pytest.raises(AssertionError, match=r"^two operands have two orders"):
        op("Concat", *(any_tensor() for _ in range(count))).commutative()


def test_a_part_that_is_used_twice_is_one_tensor() -> None:
    square = op("Multiply", X, X)
    assert square.match(last(graph("z = Multiply(x, x)")))
    assert (
        reason(square, "z = Multiply(x, y)")
        == "'z': input 1 is Parameter 'y', expected Parameter 'x' as in another place"
    )


def test_an_operation_that_is_used_twice_is_one_node() -> None:
    inner = op("ReLU", X)
    pattern = op("Add", inner, op("Sigmoid", inner))
    assert pattern.match(last(graph("a = ReLU(x)", "b1 = Sigmoid(a)", "z = Add(a, b1)")))
    found = reason(pattern, "a = ReLU(x)", "c = ReLU(x)", "b1 = Sigmoid(c)", "z = Add(a, b1)")
    assert found == "'b1': input 0 is ReLU 'c', expected ReLU 'a' as in another place"


def test_the_whole_is_read_by_nothing_in_the_pattern() -> None:
    found = BIASED.match(last(graph(CONV, "add = Add(conv, b)")))
    assert found
    with pytest.raises(AssertionError, match=r"^nothing in the pattern reads the whole"):
        found.input(BIASED)


def test_a_result_is_an_operation_like_any_other() -> None:
    model = graph("z = ReLU(x)")
    assert op("Result", op("ReLU")).match(model.node("r"))
    found = op("Result", op("Add")).match(model.node("r"))
    assert not found
    assert found.reason == "'r': input 0 is ReLU 'z', expected Add"


def test_names_in_reasons_are_printable() -> None:
    model = graph("z = ReLU(x)")
    model.rename(model.node("z"), "a\nb")
    found = op("Add").match(last(model))
    assert not found
    assert found.reason == "'a\\nb' is ReLU, expected Add"


# --------------------------------------------------------------------------------------------------- conditions


def test_constants_are_told_apart_by_what_holds_of_them() -> None:
    scalar = const().where(lambda node: node.elements == 1, "a single number")
    pattern = op("Multiply", X, scalar)
    assert pattern.match(last(graph("c: f32[1] = Const() [2.0]", "z = Multiply(x, c)")))
    assert reason(pattern, "z = Multiply(x, b)") == "'z': input 1 is Const 'b', expected a single number"


def test_a_part_is_known_by_its_name_with_a_condition_and_without() -> None:
    plain = const()
    checked = plain.where(lambda node: node.elements == 2, "two numbers")
    found = op("Add", X, checked).match(last(graph("z = Add(x, b)")))
    assert found
    assert found[plain] == found[checked]
    assert found.input(plain) == found.input(checked)


def test_tensors_are_told_apart_too() -> None:
    pattern = op("ReLU", any_tensor().where(lambda tensor: len(tensor.shape) == 3, "a tensor of rank 3"))
    assert reason(pattern, "z = ReLU(x)") == "'z': input 0 is Parameter 'x', expected a tensor of rank 3"


def test_a_condition_of_the_whole_is_told_of_the_whole() -> None:
    pattern = op("Add", X, BIAS).where(lambda node: node.name == "z", "one named z")
    assert pattern.match(last(graph("z = Add(x, b)")))
    assert reason(pattern, "a = Add(x, b)") == "'a' is Add, expected one named z"


def test_a_condition_on_several_parts_sees_all_of_them() -> None:
    one, other = any_tensor(), any_tensor()
    pattern = op("Add", one, other).provided(lambda found: found[one].shape == found[other].shape, "equal shapes")
    assert pattern.match(last(graph("z = Add(x, y)")))
    assert reason(pattern, "z = Add(x, b)") == "'z' is Add, expected equal shapes"


def test_a_condition_that_fails_in_one_order_may_hold_in_the_other() -> None:
    one, other = any_tensor(), any_tensor()
    both = op("Add", one, other).commutative().provided(lambda found: len(found[one].names) == 1, "a name")
    found = both.match(last(graph("n: f32[1,2,4,4]<n> = ReLU(x)", "z = Add(y, n)")))
    assert found
    assert (found[one].node.name, found[other].node.name) == ("n", "y")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ("a = ReLU(x)", "z = Add(a, a)"),
            "'z': input 0 is ReLU 'a', expected a single reader, not Add 'z' and Add 'z'",
        ),
        (
            ("a = ReLU(x)", "s = Abs(a)", "z = Add(a, y)"),
            "'z': input 0 is ReLU 'a', expected a single reader, not Abs 's' and Add 'z'",
        ),
    ],
)
def test_what_others_read_is_told_with_its_readers(lines: tuple[str, ...], expected: str) -> None:
    assert reason(op("Add", op("ReLU").read_once(), X), *lines) == expected


def test_other_outputs_may_have_readers() -> None:
    head = 'axis: i64[] = Const() [1]\ns: (f32[1,1,4,4], f32[1,1,4,4]) = Split(x, axis) num_splits="2"'
    model = from_text(f"{HEAD.splitlines()[1]}\n{head}\nz: f32[1,1,4,4] = ReLU(s#1)\nr = Result(z)\nq = Result(s)\n")
    found = op("ReLU", op("Split").read_once()).match(model.node("z"))
    assert found


# ------------------------------------------------------------------------------------------------- alternatives


def test_the_first_alternative_that_matches_counts() -> None:
    relu = op("ReLU", LAYER)
    pattern = op("Sigmoid", relu | LAYER)
    with_relu = pattern.match(last(graph(CONV, "a = ReLU(conv)", "z = Sigmoid(a)")))
    without = pattern.match(last(graph(CONV, "z = Sigmoid(conv)")))
    assert with_relu
    assert without
    assert [found[LAYER].name for found in (with_relu, without)] == ["conv", "conv"]
    assert (with_relu[relu].name, without.get(relu)) == ("a", None)


def test_a_part_that_is_missing_is_an_error_unless_asked_for_with_get() -> None:
    relu = op("ReLU")
    found = (relu | op("Sigmoid")).match(last(graph("z = Sigmoid(x)")))
    assert found
    with pytest.raises(KeyError):
        found[relu]


def test_an_alternative_stands_for_what_matched() -> None:
    either = op("ReLU") | op("Sigmoid")
    found = op("Add", either, X).match(last(graph("a = Sigmoid(x)", "z = Add(a, y)")))
    assert found
    assert found[either].name == "a"


def test_all_alternatives_are_expected() -> None:
    pattern = op("Sigmoid", op("ReLU") | LAYER | op(("Clamp", "ReLU")))
    expected = "'z': input 0 is Parameter 'x', expected ReLU or Convolution or Clamp or ReLU"
    assert reason(pattern, "z = Sigmoid(x)") == expected


def test_the_alternative_that_came_furthest_is_told_of() -> None:
    pattern = op("ReLU", op("Add", op("Sigmoid", op("Abs")), X)) | op("ReLU", op("Multiply"))
    assert (
        reason(pattern, "a = Sigmoid(y)", "c = Add(a, x)", "z = ReLU(c)")
        == "'a': input 0 is Parameter 'y', expected Abs"
    )


def test_an_operand_is_matched_again_if_a_later_one_needs_it() -> None:
    shared = any_tensor()
    pattern = op("Add", op("Multiply", shared, any_tensor()).commutative(), op("ReLU", shared))
    found = pattern.match(last(graph("a = Multiply(x, y)", "c = ReLU(y)", "z = Add(a, c)")))
    assert found
    assert found[shared].node.name == "y"


# ------------------------------------------------------------------------------------------------------- chains

MOVED = chain(("ReLU", "Abs"), LAYER)


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (("z = Sigmoid(conv)",), ["conv"]),
        (("a = ReLU(conv)", "z = Sigmoid(a)"), ["conv", "a"]),
        (("a = ReLU(conv)", "c = Abs(a)", "d = Abs(c)", "z = Sigmoid(d)"), ["conv", "a", "c", "d"]),
    ],
)
def test_a_chain_stands_for_its_tensors_from_its_start_to_its_end(lines: tuple[str, ...], names: list[str]) -> None:
    found = op("Sigmoid", MOVED).match(last(graph(CONV, *lines)))
    assert found
    assert [tensor.node.name for tensor in found[MOVED]] == names
    assert found[LAYER].name == "conv"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (("z = Sigmoid(x)",), "'z': input 0 is Parameter 'x', expected Convolution"),
        (("a = Tanh(x)", "z = Sigmoid(a)"), "'z': input 0 is Tanh 'a', expected Convolution"),
        (
            (CONV, "a = Tanh(conv)", "c = Abs(a)", "d = ReLU(c)", "z = Sigmoid(d)"),
            "'c': input 0 is Tanh 'a', expected Convolution",
        ),
        (
            (CONV.replace("(x, w)", "(x, y)"), "c = Abs(conv)", "z = Sigmoid(c)"),
            "'conv': input 1 is Parameter 'y', expected Const",
        ),
    ],
)
def test_a_chain_that_starts_elsewhere_is_told_where_it_ends(lines: tuple[str, ...], expected: str) -> None:
    assert reason(op("Sigmoid", MOVED), *lines) == expected


def test_a_chain_may_have_a_greatest_length() -> None:
    lines = (CONV, "a = ReLU(conv)", "c = ReLU(a)", "z = Sigmoid(c)")
    assert op("Sigmoid", chain(("ReLU",), LAYER, longest=2)).match(last(graph(*lines)))
    too_long = op("Sigmoid", chain(("ReLU",), LAYER, longest=1))
    assert reason(too_long, *lines) == "'c': input 0 is ReLU 'a', expected Convolution"


def test_a_chain_goes_by_the_first_input_alone_unless_told_otherwise() -> None:
    lines = (CONV, "a = Add(y, conv)", "z = Sigmoid(a)")
    assert op("Sigmoid", chain(("Add",), LAYER, by_any_input=True)).match(last(graph(*lines)))
    expected = "'a': input 0 is Parameter 'y', expected Convolution"
    assert reason(op("Sigmoid", chain(("Add",), LAYER)), *lines) == expected


def test_a_chain_by_any_input_goes_left_first() -> None:
    lines = ("a = ReLU(x)", "c = ReLU(y)", "d = Add(a, y)", "e = Add(d, c)", "z = Sigmoid(e)")
    relu = op("ReLU")
    found = op("Sigmoid", chain(("Add",), relu, by_any_input=True)).match(last(graph(*lines)))
    assert found
    assert found[relu].name == "a"


FACTOR = chain(("Convert",), const())
PRODUCT = op("Multiply", X, FACTOR)
HALF = "h: f16[2] = Const() [0.5, 2.0]"


def test_a_match_has_the_value_of_a_constant_behind_a_convert_as_its_reader_gets_it() -> None:
    found = PRODUCT.match(last(graph(HALF, 'c: f32[2] = Convert(h) destination_type="f32"', "z = Multiply(x, c)")))
    assert found
    assert (found.value(FACTOR).dtype, found.value(FACTOR).tolist()) == (np.dtype(np.float32), [0.5, 2.0])


def test_a_match_has_the_value_of_a_plain_constant() -> None:
    found = BIASED.match(last(graph(CONV, "add = Add(conv, b)")))
    assert found
    assert found.value(BIAS).tolist() == [[[[0.5]], [[0.5]]]]


def test_a_part_that_is_not_constant_has_no_value() -> None:
    found = BIASED.match(last(graph(CONV, "add = Add(conv, b)")))
    assert found
    message = r"^Parameter 'x' \(id \d+\) has no value: expected a Const, or operations that convert or move one$"
    with pytest.raises(IRError, match=message):
        found.value(X)


def test_a_very_long_chain_is_no_trouble() -> None:
    steps = [f"a{k + 1} = ReLU(a{k})" for k in range(1200)]
    model = graph("a0 = Sigmoid(x)", *steps, "z = Tanh(a1200)")
    assert op("Tanh", chain(("ReLU",), op("Sigmoid"))).match(last(model))


# ----------------------------------------------------------------------------------------------------- forwards


def around(pattern: Pattern[Node], part: Pattern[OutPort], *lines: str, at: str = "conv") -> str:
    """The node that a pattern forwards from a tensor finds, or why it finds none."""
    found = pattern.match_around(part, graph(*lines).node(at).output())
    return found[pattern].name if found else found.reason


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((CONV, "add = Add(conv, b)"), "add"),
        ((CONV, "add = Add(b, conv)"), "add"),
        ((CONV, "z = ReLU(conv)"), "'conv' is read by ReLU 'z', expected Add"),
        ((CONV, "add = Add(conv, y)"), "'add': input 1 is Parameter 'y', expected Const"),
        (
            (CONV, "add = Add(conv, conv)"),
            "'add': input 0 is Convolution 'conv', expected a single reader, not Add 'add' and Add 'add'",
        ),
        (
            (CONV, "z = ReLU(conv)", "s = Abs(z)", "add = Add(conv, b)"),
            "'add': input 0 is Convolution 'conv', expected a single reader, not ReLU 'z' and Add 'add'",
        ),
        ((CONV, "z = ReLU(conv)", "add = Add(z, b)"), "'conv' is read by ReLU 'z', expected Add"),
    ],
)
def test_a_producer_finds_what_reads_it(lines: tuple[str, ...], expected: str) -> None:
    assert around(op("Add", X.read_once(), BIAS).commutative(), X, *lines) == expected


def test_what_nobody_reads_is_told_as_that() -> None:
    model = graph(CONV, "z = ReLU(x)")
    found = op("Add", X, BIAS).match_around(X, model.node("conv").output())
    assert not found
    assert found.reason == "'conv' is read by nobody, expected Add"


def test_forwards_all_readers_are_tried_in_the_order_of_the_file() -> None:
    lines = (CONV, "a = Add(conv, y)", "c = Add(conv, b)", "d = Add(conv, b)", "z = Add(c, d)", "e = Add(a, z)")
    assert around(op("Add", X, BIAS), X, *lines) == "c"


def test_forwards_a_chain_is_followed() -> None:
    product = op("Multiply", chain(("ReLU", "Abs"), X), BIAS).commutative()
    lines = (CONV, "a = ReLU(conv)", "c = Abs(a)")
    assert around(product, X, *lines, "z = Multiply(b, c)") == "z"
    assert around(product, X, *lines, "z = Multiply(y, c)") == "'z': input 0 is Parameter 'y', expected Const"
    assert around(product, X, *lines, "z = Add(y, c)") == "'c' is read by Add 'z', expected Multiply"


def test_forwards_all_alternatives_are_expected() -> None:
    either = op("Add", X, BIAS) | op("Multiply", X, BIAS)
    assert around(either, X, CONV, "z = ReLU(conv)") == "'conv' is read by ReLU 'z', expected Add or Multiply"


def test_forwards_and_back_the_parts_above_are_matched_too() -> None:
    relu, abs_ = op("ReLU"), op("Abs")
    pattern = op("Add", op("Sigmoid", relu), abs_)
    model = graph("a = ReLU(x)", "c = Sigmoid(a)", "d = Abs(y)", "z = Add(c, d)")
    found = pattern.match_around(relu, model.node("a"))
    assert found
    assert (found[pattern].name, found[abs_].name) == ("z", "d")


def test_forwards_another_node_of_the_same_kind_does_not_count() -> None:
    relu = op("ReLU")
    pattern = op("Add", relu, X)
    model = graph("a = ReLU(x)", "c = ReLU(y)", "z = Add(c, a)")
    found = pattern.match_around(relu, model.node("a"))
    assert not found
    assert found.reason == "'z': input 0 is ReLU 'c', expected ReLU 'a' as in another place"


def test_forwards_a_match_without_the_part_does_not_count() -> None:
    relu = op("ReLU")
    pattern = op("Add", X, BIAS) | op("Add", relu, X)
    model = graph("a = ReLU(x)", "z = Add(a, b)")
    found = pattern.match_around(relu, model.node("a"))
    assert found
    assert found[relu].name == "a"
    assert not pattern.match_around(relu, graph("a = ReLU(x)", "z = Add(y, b)", "c = Add(z, a)").node("a"))


def test_a_part_of_another_pattern_is_in_no_match() -> None:
    found = BIASED.match_around(any_tensor(), graph(CONV, "add = Add(conv, b)").node("conv").output())
    assert not found
    assert found.reason == "the pattern has no such part, expected one of its own"


def test_the_whole_may_be_the_part_that_is_known() -> None:
    model = graph(CONV, "add = Add(conv, b)")
    found = BIASED.match_around(BIASED, model.node("add"))
    assert found
    assert found[LAYER].name == "conv"


# ------------------------------------------------------------------------------------------------- random trees

#: Operation types and how many operands each has here.
ARITY = {"ReLU": 1, "Sigmoid": 1, "Abs": 1, "Add": 2, "Multiply": 2, "Select": 3}
Tree = tuple[str, tuple["Tree", ...]]
trees = st.recursive(
    st.just(("Parameter", ())),
    lambda inner: st.sampled_from(sorted(ARITY)).flatmap(
        lambda type_: st.tuples(st.just(type_), st.tuples(*[inner] * ARITY[type_]))
    ),
    max_leaves=8,
)


def written(tree: Tree, lines: list[str]) -> str:
    """The name of the node that a tree becomes, whose line follows those of its operands."""
    type_, operands = tree
    names = [written(operand, lines) for operand in operands]
    lines.append(f"n{len(lines)}: f32[2] = {type_}({', '.join(names)})")
    return f"n{len(lines) - 1}"


def model_of(tree: Tree) -> tuple[Graph, list[str]]:
    lines: list[str] = []
    root = written(tree, lines)
    return from_text("\n".join([*lines, f"r = Result({root})"]) + "\n"), [line.split(":")[0] for line in lines]


def pattern_of(tree: Tree, parts: list[Op]) -> Op:
    """The pattern of a tree; `parts` gets all of it, in the order of the lines of the model."""
    type_, operands = tree
    pattern = op(type_, *[pattern_of(operand, parts) for operand in operands])
    parts.append(pattern)
    return pattern


def retyped(tree: Tree, index: int) -> tuple[Tree, int]:
    """The tree with its `index`th node, operands before operations, of another type; and how many nodes it has."""
    type_, operands = tree
    changed: list[Tree] = []
    count = 0
    for operand in operands:
        other, size = retyped(operand, index - count)
        changed.append(other)
        count += size
    return ("Other" if count == index else type_, tuple(changed)), count + 1


@given(trees)
def test_the_pattern_of_a_tree_finds_each_of_its_nodes(tree: Tree) -> None:
    model, names = model_of(tree)
    parts: list[Op] = []
    found = pattern_of(tree, parts).match(last(model))
    assert found
    assert [found[part].name for part in parts] == names


@given(trees, st.data())
def test_a_tree_with_one_node_of_another_type_is_missed_there(tree: Tree, data: st.DataObject) -> None:
    parts: list[Op] = []
    pattern = pattern_of(tree, parts)
    index = data.draw(st.integers(0, len(parts) - 1))
    model, names = model_of(retyped(tree, index)[0])
    node = model.node(names[index])
    found = pattern.match(last(model))
    assert not found
    reader = node.output().consumers[0]
    place = f"'{reader.node.name}': input {reader.index} is Other '{node.name}'"
    where = place if reader.node.type != "Result" else f"'{node.name}' is Other"
    assert found.reason == f"{where}, expected {parts[index].types[0]}"


@given(trees, st.data())
def test_forwards_any_node_of_a_tree_finds_the_whole(tree: Tree, data: st.DataObject) -> None:
    model, names = model_of(tree)
    parts: list[Op] = []
    pattern = pattern_of(tree, parts)
    index = data.draw(st.integers(0, len(parts) - 1))
    found = pattern.match_around(parts[index], model.node(names[index]))
    assert found
    assert [found[part].name for part in parts] == names
