"""What depends on the first value of a state, and what does not."""

import numpy as np
import openvino as ov
import openvino.opset6 as op6
import openvino.opset13 as op
import pytest
from openvino.op.util import Variable, VariableInfo

from irquant.ir import Graph, from_text
from irquant.passes.analysis.states import behind_first_values, states_with_first_values
from irquant.passes.runtime.convert import from_runtime

HEAD = """
    x: f32[1,2,3] = Parameter()
    c: f32[1,2,3] = Const() [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
"""
READ = 'h: f32[1,2,3] = ReadValue.opset6(c) variable_id="past" variable_type="f32" variable_shape="1,2,3"'


def graph_of(*lines: str) -> Graph:
    results = "".join(f"\n    r{number} = Result({line.split(':')[0]})" for number, line in enumerate(lines))
    return from_text(HEAD + "\n".join(lines) + "\n    rx = Result(x)" + results)


def names_behind(graph: Graph) -> dict[str, str]:
    return {tensor.node.name: state for tensor, state in behind_first_values(graph).items()}


def test_all_that_reads_a_state_or_what_reads_it_is_behind_it() -> None:
    graph = graph_of(READ, 'a: f32[1,2,3] = Add(x, h) auto_broadcast="numpy"', "y: f32[1,2,3] = ReLU(a)")
    assert names_behind(graph) == {"h": "past", "a": "past", "y": "past"}
    assert states_with_first_values(graph) == ["past"]


def test_shapes_and_what_is_beside_a_state_are_not_behind_it() -> None:
    graph = graph_of(READ, 's: i64[3] = ShapeOf.opset3(h) output_type="i64"', "y: f32[1,2,3] = ReLU(x)")
    assert names_behind(graph) == {"h": "past"}


@pytest.mark.parametrize(
    ("first", "held", "is_behind"),
    [
        ([1, 2, 0], [1, 2, -1], False),
        ([1, 2, 4], [1, 2, 4], True),
        ([1, 2, 4], [1, 2, -1], True),
        (None, [1, 2, -1], False),
        (None, [1, 2, 4], True),
    ],
)
def test_a_cache_that_starts_empty_has_no_first_value(
    first: list[int] | None, held: list[int], is_behind: bool
) -> None:
    x = op.parameter([1, 2, 3], np.float32, name="x")
    info = VariableInfo()
    info.data_shape, info.data_type, info.variable_id = ov.PartialShape(held), ov.Type.f32, "past"
    variable = Variable(info)
    start = [] if first is None else [op.constant(np.zeros(first, np.float32))]
    read = op6.read_value(*start, variable)
    whole = op.concat([read, x], 2)
    last = op.slice(whole, op.constant([-4]), op.constant([2**31]), op.constant([1]), op.constant([2]))
    kept = op6.assign(whole if -1 in held else last, variable)
    graph = from_runtime(ov.Model([op.result(op.relu(whole))], [kept], [x], "m"))
    assert bool(behind_first_values(graph)) is is_behind


def test_the_size_of_a_batch_alone_does_not_let_a_state_grow() -> None:
    x = op.parameter([-1, 3], np.float32, name="x")
    batch = op.gather(op.shape_of(x), op.constant([0]), op.constant(0))
    zeros = op.broadcast(op.constant(np.float32(0)), op.concat([batch, op.constant([3])], 0))
    state = op6.read_value(zeros, "past", ov.Type.f32, ov.PartialShape([-1, 3]))
    total = op.add(state, x)
    graph = from_runtime(ov.Model([op.result(total)], [op6.assign(total, "past")], [x], "m"))
    assert states_with_first_values(graph) == ["past"]


def test_a_body_behind_a_state_is_behind_it_as_a_whole() -> None:
    x, flag = op.parameter([1, 3], np.float32, name="x"), op.parameter([], np.bool_, name="flag")
    state = op6.read_value(op.constant(np.zeros((1, 3), np.float32)), "past", ov.Type.f32, ov.PartialShape([1, 3]))
    choice = op.if_op(flag)
    for set_body, function in ((choice.set_then_body, op.relu), (choice.set_else_body, op.abs)):
        inner = op.parameter([1, 3], np.float32)
        set_body(ov.Model([op.result(function(inner))], [inner], "branch"))
    then, other = (choice.get_function(index).get_parameters()[0] for index in range(2))
    choice.set_input(state.output(0), then, other)
    results = [choice.get_function(index).get_results()[0] for index in range(2)]
    chosen = choice.set_output(*results)
    model = ov.Model([op.result(chosen)], [op6.assign(op.add(state, x), "past")], [x, flag], "m")
    found = {tensor.node.type for tensor in behind_first_values(from_runtime(model))}
    assert {"If", "ReLU", "Abs"} <= found


def test_a_state_of_any_batch_to_which_nothing_is_appended_is_no_cache() -> None:
    """As the h0 of an LSTM with several layers: zeros for as many samples as there are."""
    x = op.parameter([-1, 3], np.float32, name="x")
    count = op.gather(op.shape_of(x), op.constant([0]), op.constant(0))
    zeros = op.broadcast(op.constant(np.float32(0)), op.concat([op.constant([2]), count, op.constant([3])], 0))
    read = op6.read_value(zeros, "h", ov.Type.f32, ov.PartialShape([2, -1, 3]))
    new = op.add(op.gather(read, op.constant(0), op.constant(0)), x)
    both = op.concat([op.unsqueeze(new, op.constant([0]))] * 2, 0)
    graph = from_runtime(ov.Model([op.result(new)], [op6.assign(both, "h")], [x], "m"))
    assert states_with_first_values(graph) == ["h"]


def test_a_state_that_is_never_given_another_value_is_a_constant() -> None:
    x = op.parameter([1, 3], np.float32, name="x")
    read = op6.read_value(op.constant(np.ones((1, 3), np.float32)), "bias", ov.Type.f32, ov.PartialShape([1, 3]))
    graph = from_runtime(ov.Model([op.result(op.add(x, read))], [op6.assign(read, "bias")], [x], "m"))
    assert (states_with_first_values(graph), names_behind(graph)) == ([], {})


@pytest.mark.parametrize("is_carried", [True, False])
def test_what_a_loop_carries_on_has_other_values_within_a_step(is_carried: bool) -> None:
    x = op.parameter([1, 5, 3], np.float32, name="x")
    read = op6.read_value(op.constant(np.zeros((1, 1, 3), np.float32)), "h", ov.Type.f32, ov.PartialShape([1, 1, 3]))
    frame, kept = (op.parameter([1, 1, 3], np.float32, name=name) for name in ("frame", "kept"))
    new = op.tanh(op.add(frame, kept))
    ends = [op.result(new), op.result(new)]
    loop = op.tensor_iterator()
    loop.set_body(ov.Model(ends, [frame, kept], "body"))
    loop.set_sliced_input(frame, x.output(0), 0, 1, 1, -1, 1)
    if is_carried:
        loop.set_merged_input(kept, read.output(0), ends[0].output(0))
    else:
        loop.set_invariant_input(kept, read.output(0))
    last = op.add(loop.get_iter_value(ends[1].output(0), -1), np.float32(0))
    graph = from_runtime(ov.Model([op.result(last)], [op6.assign(last, "h")], [x], "m"))
    inside = {tensor.node.type for tensor in behind_first_values(graph)}
    assert inside == (
        {"ReadValue"} if is_carried else {"ReadValue", "Parameter", "Add", "Tanh", "TensorIterator", "Assign"}
    )
