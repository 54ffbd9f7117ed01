"""The facts that passes state hold for the graph: a pass that drops too little is found here."""

import inspect
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import Graph
from irquant.ir.ops import WEIGHTED_TYPES, WEIGHTS_PORT, bias_port, is_constant
from irquant.passes import Context, Fact, Pass, PassManager, QuantizationConfig, default_quantization
from irquant.passes.analysis.constants import constant_nodes
from irquant.passes.infra.base import Results
from irquant.passes.infra.instruments import Instrument
from irquant.passes.infra.manager import facts_after
from irquant.passes.infra.registry import PASSES, pass_class
from irquant.passes.runtime.convert import from_runtime
from irquant.passes.transforms.set_ranges import SetRanges
from irquant.targets import load_target

RANDOM = np.random.default_rng(0)
SHAPE = [1, 3, 8, 8]


def halves(values: Any) -> Any:
    """A constant of 16 bits, as FP16 models have them."""
    return op.convert(op.constant(values.astype(np.float16)), "f32")


def graph() -> Graph:
    """A scaled input, a convolution with a bias, an Einsum, attention, and a layer that reads the mean of its rows.

    Beside them, a depthwise convolution with a long kernel, and a cube between Transposes.

    Two matrices are equal, one is transposed.
    """
    x = op.parameter(SHAPE, np.float32)
    kernel, bias = (RANDOM.normal(size=shape) for shape in ((512, 3, 1, 1), (1, 512, 1, 1)))
    conv = op.convolution(op.multiply(x, np.float32(3)), halves(kernel), [1, 1], [0, 0], [0, 0], [1, 1])
    rows = op.reshape(op.relu(op.add(conv, halves(bias))), [1, 4, 64, 128], special_zero=False)
    one, other = (RANDOM.normal(size=(128, 128)) for _ in range(2))
    query = op.einsum([rows, halves(one)], "bhld,de->bhle")
    key, value = (op.matmul(rows, halves(other), transpose_a=False, transpose_b=each) for each in (True, False))
    mixed = op.scaled_dot_product_attention(query, key, value, causal=False)
    pooled = op.matmul(op.reduce_mean(mixed, op.constant([1, 2]), keep_dims=False), halves(other), False, False)
    long = op.group_convolution(x, halves(RANDOM.normal(size=(3, 1, 1, 1, 11))), [1, 1], [0, 5], [0, 5], [1, 1])
    cube = op.power(op.transpose(x, op.constant([0, 2, 3, 1])), np.float32(3))
    turned = op.transpose(cube, op.constant([0, 3, 1, 2]))
    return from_runtime(ov.Model([*map(op.result, (mixed, pooled, long, turned))], [x]))


def weights_are_plain(graph: Graph, context: Context) -> bool:
    def is_plain(each: Graph) -> bool:
        layers, constants = list(each.nodes(*WEIGHTED_TYPES)), constant_nodes(each)
        read = [port.source.node for node in layers for port in (node.input(WEIGHTS_PORT), bias_port(node)) if port]
        return all(node.type == "Const" or node not in constants for node in read)

    return all(is_plain(each) for each in graph.walk())


def plan_names_present_nodes(graph: Graph, context: Context) -> bool:
    plan = context.plan
    ports = [port.node for site in plan.sites for port in site.consumers]
    named = {*plan.decisions, *plan.names, *ports, *(site.source.node for site in plan.sites)}
    return all(node.graph.has(node.id) for node in named)


def requests_are_measured(graph: Graph, context: Context) -> bool:
    if not plan_names_present_nodes(graph, context):  # ranges are set: nothing requests more
        return context.statistics.samples > 0
    return all(each in context.statistics for each in SetRanges().requests(graph, context))


def sites_are_present(graph: Graph, context: Context) -> bool:
    names = {node.name for each in graph.walk() for node in each.nodes()}
    return all(site.name in names for site in context.plan.sites)


def fake_quantizes_have_ranges(graph: Graph, context: Context) -> bool:
    return all(len(node.inputs) == 5 for each in graph.walk() for node in each.nodes("FakeQuantize"))


def no_weights_are_rounded_floats(graph: Graph, context: Context) -> bool:
    return not any(is_constant(node.source()) for each in graph.walk() for node in each.nodes("FakeQuantize"))


#: Facts that can be seen: AS_MEASURED and BIASES_CORRECTED are about values.
VISIBLE: Mapping[Fact, Callable[[Graph, Context], bool]] = {
    Fact.NORMALIZED: weights_are_plain,
    Fact.PLANNED: plan_names_present_nodes,
    Fact.MEASURED: requests_are_measured,
    Fact.FAKE_QUANTIZED: sites_are_present,
    Fact.RANGES_SET: fake_quantizes_have_ranges,
    Fact.WEIGHTS_COMPRESSED: no_weights_are_rounded_floats,
}


class FactCheck(Instrument):
    """Collects the facts that should hold after a pass and do not."""

    def __init__(self, context: Context) -> None:
        self.context, self.holds, self.untrue = context, frozenset[Fact](), list[tuple[str, Fact]]()

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        yield
        self.holds = facts_after(pass_, self.holds)
        stated = [(fact, is_true) for fact, is_true in VISIBLE.items() if fact in self.holds]
        self.untrue += [(pass_.name, fact) for fact, is_true in stated if not is_true(graph, self.context)]


def checked(passes: Sequence[Pass]) -> tuple[list[tuple[str, Fact]], Results]:
    """Runs the passes; after each, the facts that should hold and do not; and how much each changed."""
    data = [[RANDOM.random(SHAPE, np.float32)] for _ in range(10)]
    context = Context(load_target("cpu"), QuantizationConfig(), data)
    check = FactCheck(context)
    results = PassManager(passes, [check]).run(graph(), context)
    return check.untrue, results


def named(*names: str) -> list[Pass]:
    return [pass_class(name)() for name in names]


PIPELINES = [
    default_quantization(config=QuantizationConfig(align_across=True)),
    default_quantization(config=QuantizationConfig(align_streams=True, correct_biases="sequential")),
]
#: The registered passes that change a graph, and those of them that can stand right behind the plan.
TRANSFORMS = [name for name, place in PASSES.items() if place.startswith("transforms.")]
BEHIND_THE_PLAN = [name for name in TRANSFORMS if pass_class(name).requires <= {Fact.NORMALIZED, Fact.PLANNED}]


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_each_fact_holds_after_each_pass_of_the_default_pipeline(pipeline: list[Pass]) -> None:
    untrue, _ = checked(pipeline)
    assert untrue == []


@pytest.mark.parametrize("name", BEHIND_THE_PLAN)
def test_a_pass_that_removes_what_a_plan_names_drops_that_fact(name: str) -> None:
    untrue, results = checked(named("normalize", "plan-placement", name))
    assert untrue == []
    if Fact.PLANNED in pass_class(name).drops:
        assert results[name].changes, f"graph() above has nothing that {name} changes: add it"


def test_the_facts_of_every_pass_that_changes_graphs_are_checked() -> None:
    run = {each.name for pipeline in PIPELINES for each in pipeline}
    assert {*TRANSFORMS} - run - {*BEHIND_THE_PLAN} == set()


def test_a_pass_that_reads_the_sites_of_the_plan_requires_one() -> None:
    classes = [pass_class(name) for name in PASSES]
    reading = [each for each in classes if "context.plan.sites" in inspect.getsource(sys.modules[each.__module__])]
    assert len(reading) > 5
    assert [each.name for each in reading if Fact.PLANNED not in each.requires | each.establishes] == []
