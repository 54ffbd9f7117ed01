"""What `inspect` and `diff` say."""

from pathlib import Path

import numpy as np

from irquant.ir import Change, compare, element_type, from_text, read_model, summarize

F32 = element_type("f32")


def test_a_summary_counts_everything_once(branches: Path) -> None:
    summary = summarize(read_model(branches))
    assert [tensor.element_type for tensor in summary.inputs] == ["f32", "boolean"]
    assert [tensor.shape for tensor in (*summary.inputs, *summary.outputs)] == ["2,2", "", "2,2"]
    assert {(each.type, each.count, each.parameters) for each in summary.operations} >= {
        ("Const", 3, 0),
        ("Multiply", 3, 9),
    }
    assert summary.precision == "f32"
    assert summary.constants["f32"].values == 4 + 4 + 1
    assert summary.weights_bytes == sum(each.bytes for each in summary.constants.values())
    assert summary.unused_bytes == 0
    assert len(summary.control_flow) == 1
    assert summary.control_flow[0].endswith(": 4 layers in then_body, 4 layers in else_body")


def test_bytes_that_nobody_uses_and_the_origin_are_told(old: Path) -> None:
    summary = summarize(read_model(old))
    assert summary.version == 10
    assert (summary.weights_bytes, summary.unused_bytes) == (12, 4)
    assert summary.origin["MO_version"] == "2021.4"
    assert summary.origin["cli_parameters/caffe_parser_path"] == "DIR"


def test_shared_bytes_count_once() -> None:
    graph = from_text('a: f32[2] = Const() [1.0, 2.0]\nr = Result(a)\nv: f32[?,3] = Parameter() shape="1..4,3"\n')
    summary = summarize(graph)
    assert summary.constants["f32"].bytes == 8
    assert summary.inputs[0].shape == "1..4,3"


def test_a_model_does_not_differ_from_itself(branches: Path) -> None:
    assert compare(read_model(branches), read_model(branches)) == []


def test_every_kind_of_difference_is_told(conv: Path) -> None:
    before, after = read_model(conv), read_model(conv)
    relu = after.node("relu")
    added = after.add("Abs", "new", [relu.source()], [(F32, relu.output().shape)], near=relu)
    relu.input().connect(added.output())
    convolution = next(after.nodes("Convolution"))
    convolution.set_attribute("pads_begin", "0, 0")
    weights = after.node("w")
    values = weights.array.copy()
    values[0] *= 2
    weights.replace_with(after.add_constant("temporary", values).output())
    after.rename(after.node("temporary"), "w")
    kinds = {(change.kind, change.layer): change.what for change in compare(before, after)}
    assert kinds["added", "new"] == "Abs"
    assert kinds["rewired", "relu"] == "input 0: bias -> new"
    assert kinds["attribute", convolution.name] == "pads_begin: 1, 1 -> 0, 0"
    assert kinds["constant", "w"].startswith("27 of 108 values changed, by ")
    assert len(kinds) == 4


def test_a_difference_in_a_body_is_told_with_the_way_to_it(branches: Path) -> None:
    before, after = read_model(branches), read_model(branches)
    (holder,) = after.nodes("If")
    (product,) = holder.bodies["else_body"].nodes("Multiply")
    product.set_attribute("auto_broadcast", "none")
    assert compare(before, after) == [
        Change("attribute", f"{holder.name}/else_body/{product.name}", "auto_broadcast: numpy -> none")
    ]


def test_inputs_and_outputs_are_compared_in_order() -> None:
    one = from_text("x: f32[1] = Parameter()\ny: f32[2] = Parameter()\na = Result(x)\nb = Result(y)\n")
    two = from_text("y: f32[2] = Parameter()\nx: f32[1] = Parameter()\na = Result(x)\nb = Result(y)\n")
    assert compare(one, two) == [Change("interface", "", "inputs: x f32[1]; y f32[2] -> y f32[2]; x f32[1]")]


def test_layers_of_one_name_are_matched_one_by_one() -> None:
    text = 'x: f32[1] = Parameter() @id="0"\ny@1: f32[1] = ReLU(x) @id="1"\ny@2: f32[1] = ReLU(y@1) @id="2"\nr = Result(y@2) @id="3"\n'
    changed = text.replace("ReLU(y@1)", "Abs(y@1)")
    assert compare(from_text(text), from_text(text)) == []
    assert compare(from_text(text), from_text(changed)) == [Change("type", "y (2)", "ReLU opset1 -> Abs opset1")]


def test_other_types_and_integers_are_compared_by_what_can_be_said() -> None:
    one = from_text("a: i64[2] = Const() [1, 2]\nb: f32[1] = Const() [1.0]\nr = Result(a)\ns = Result(b)\n")
    two = from_text("a: i64[2] = Const() [1, 3]\nb: f32[2] = Const() [1.0, 1.0]\nr = Result(a)\ns = Result(b)\n")
    found = {(change.kind, change.layer): change.what for change in compare(one, two)}
    assert found["constant", "a"] == "1 of 2 values changed"
    assert found["tensor", "b"] == "f32[1] -> f32[2]"


def test_a_constant_that_was_nothing_has_no_share() -> None:
    one, two = (from_text(f"a: f32[1] = Const() [{value}]\nr = Result(a)\n") for value in (0.0, 0.5))
    assert compare(one, two) == [Change("constant", "a", "1 of 1 values changed, by 0.5 at most")]
    assert np.isclose(two.node("a").array[0], 0.5)
