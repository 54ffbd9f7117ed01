"""The storage of weights as the target and the options say, with the reasons."""

from collections.abc import Callable
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.passes.options.compression import CompressionConfig
from irquant.passes.placement.weight_plan import (
    AT_AN_END,
    AT_FOUR_BITS,
    NOT_FINITE,
    FoldedWeightsError,
    PlannedWeights,
    plan_weights,
    refuse_nothing,
)
from irquant.targets import Target, load_target, parse_target
from tests.passes.weight_only_models import language_model, of_convolutions, of_odd_products

Read = Callable[[ov.Model], Graph]


def target(*entries: str) -> Target:
    listed = "".join(f"\n  - {{{each}}}" for each in entries)
    return parse_target(f"name: mine\nspecs: {{}}\nrules: []\nkeeps_compressed:{listed or ' []'}\n", "mine.yaml")


def planned(
    graph: Graph, of: Target | None = None, eight: set[str] | None = None, **options: Any
) -> dict[str, PlannedWeights]:
    plan = plan_weights(graph, of or load_target("cpu"), CompressionConfig(**options), eight or ())
    return {each.matrix.name: each for each in plan.matrices}


def test_8_bits_have_a_scale_for_each_row(graph_of: Read) -> None:
    found = planned(graph_of(language_model(layers=1)))
    assert {each.group for each in found.values()} == {64, 256}
    assert all(each.group == each.matrix.columns for each in found.values())
    assert {each.kinds for each in found.values()} == {("i8", "u8")}
    assert not any(each.reason for each in found.values())


@pytest.mark.parametrize(
    ("group", "narrow", "wide"), [(128, 64, 128), (16, 16, 16), (0, 64, 256), (48, 32, 32), (3, 64, 256)]
)
def test_4_bits_have_groups_that_divide_the_row(graph_of: Read, group: int, narrow: int, wide: int) -> None:
    found = planned(graph_of(language_model(layers=2)), weights="int4", group=group)
    assert (found["up1"].group, found["down0"].group) == (narrow, wide)
    assert found["up1"].kinds == ("i4", "u4")


def test_a_table_with_infinities_stays_float(graph_of: Read) -> None:
    graph = graph_of(language_model(layers=1))
    table = graph.node("embedding").source().node
    values = table.array.copy()
    values[0] = -np.inf
    table.set_array(values)
    found = planned(graph)
    assert (found["embedding"].format, found["embedding"].reason) == (None, NOT_FINITE)
    assert {each.format for name, each in found.items() if name != "embedding"} == {"int8"}


def test_the_ends_have_8_bits_unless_the_user_wants_otherwise(graph_of: Read) -> None:
    graph = graph_of(language_model())
    found = planned(graph, weights="nf4")
    assert {name for name, each in found.items() if each.format == "int8"} == {"embedding", "classifier"}
    assert found["embedding"].reason == found["classifier"].reason == f"{AT_AN_END} (all_layers)"
    found = planned(graph, weights="int4", all_layers=True)
    assert {each.format for each in found.values()} == {"int4"}


def test_named_layers_have_8_bits(graph_of: Read) -> None:
    found = planned(graph_of(language_model()), eight={"up0"}, weights="int4", all_layers=True)
    assert [(name, each.reason) for name, each in found.items() if each.format == "int8"] == [
        ("up0", f"{AT_FOUR_BITS} (ratio, max_mb, min_db)")
    ]


def test_a_matrix_has_what_all_its_layers_can_read(graph_of: Read) -> None:
    found = planned(graph_of(language_model(tied=True)), weights="nf4", all_layers=True)
    assert (found["embedding"].format, found["embedding"].kinds) == ("int8", ("i8", "u8"))
    assert found["embedding"].reason == "the plugin makes floats of a table of nf4"
    assert found["up0"].format == "nf4"


@pytest.mark.parametrize(
    ("entry", "kinds", "group"),
    [
        ("op: MatMul, types: [u4], smallest_group: 4", ("u4",), 16),
        ("op: MatMul, types: [i4, i8], smallest_group: 32", ("i4",), 64),  # no group of 32 or more is wanted
        ("op: MatMul, types: [i4, u4]", ("i4", "u4"), 64),
    ],
)
def test_the_target_says_which_types_and_groups(graph_of: Read, entry: str, kinds: tuple[str, ...], group: int) -> None:
    found = planned(graph_of(language_model()), target(entry), weights="int4", group=16, all_layers=True)["up0"]
    assert (found.kinds, found.group) == (kinds, group)


def test_floats_have_a_reason(graph_of: Read) -> None:
    graph = graph_of(language_model())
    mine = target("op: MatMul, types: [i8], because: it is so", "op: Gather")
    found = planned(graph, mine, weights="int4", all_layers=True)
    assert (found["up0"].format, found["up0"].reason) == ("int8", "it is so")
    assert (found["embedding"].format, found["embedding"].reason) == (None, "target 'mine' makes floats of its weights")


def refused(graph: Graph, of: Target, **options: Any) -> str:
    config = CompressionConfig(**options)
    with pytest.raises(FoldedWeightsError) as caught:
        refuse_nothing(plan_weights(graph, of, config), of, config.weights)
    return str(caught.value)


def test_a_format_that_no_layer_can_have_is_refused_with_all_reasons(graph_of: Read) -> None:
    mine = target("op: MatMul, types: [i8], because: it is so", "op: Gather")
    assert refused(graph_of(language_model()), mine, weights="nf4", all_layers=True) == (
        "no weights to store in nf4 on target 'mine': Gather: target 'mine' makes floats of its weights; MatMul: it is so; "
        "quantize makes an INT8 model, activations included"
    )


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            of_convolutions,
            "Convolution: target 'mine' says nothing of compressed weights of such a layer (keeps_compressed)",
        ),
        (
            of_odd_products,
            "MatMul: its weights are no single matrix; MatMul: its constant is the first operand",
        ),
    ],
)
def test_a_model_without_matrices_is_refused(graph_of: Read, model: Callable[[], ov.Model], said: str) -> None:
    found = refused(graph_of(model()), target("op: MatMul, types: [i4]"))
    assert found.startswith("no weights to store in int8 on target 'mine': ")
    assert all(each in found for each in said.split("; "))


def test_a_model_without_weights_is_refused(graph_of: Read) -> None:
    x = op.parameter([4], np.float32)
    assert refused(graph_of(ov.Model([op.result(op.relu(x))], [x])), load_target("cpu")) == (
        "no weights to store in int8 on target 'cpu': it has no layer with constant weights"
    )
