"""Whatever graph: the plan can be carried out, changes no interface, is carried out once, and wide ranges change nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irquant.ir import Graph, verify
from irquant.passes import Context
from irquant.passes.analysis.ranges import Range
from irquant.passes.placement.plan import Plan
from irquant.passes.runtime.convert import from_runtime, to_runtime
from irquant.passes.transforms.insert_fake_quantize import InsertFakeQuantize
from irquant.passes.transforms.normalize import Normalize
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.passes.transforms.set_ranges import close
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
ONES = [1, 1]


def weights(*shape: int) -> Array:
    return np.asarray(np.random.default_rng(len(shape)).normal(size=shape) / np.sqrt(np.prod(shape[1:])), np.float32)


#: What can be done to tensors of shape [1, 8, 6, 6], giving the same shape.
STEPS: dict[str, Any] = {
    "conv": lambda x, y: op.convolution(x, weights(8, 8, 3, 3), ONES, ONES, ONES, ONES),
    "depthwise": lambda x, y: op.group_convolution(x, weights(8, 1, 1, 3, 3), ONES, ONES, ONES, ONES),
    "transposed": lambda x, y: op.convolution_backprop_data(x, op.constant(weights(8, 8, 1, 1)), ONES),
    "dense": lambda x, y: op.matmul(x, weights(6, 6), False, True),
    "product": lambda x, y: op.matmul(x, y, False, True),
    "add": op.add,
    "gate": lambda x, y: op.multiply(x, op.sigmoid(y)),
    "relu": lambda x, y: op.relu(x),
    "softmax": lambda x, y: op.softmax(x, 1),
    "transpose": lambda x, y: op.transpose(x, op.constant([0, 1, 3, 2])),
    "shuffle": lambda x, y: op.shuffle_channels(x, 1, 2),
    "pool": lambda x, y: op.max_pool(x, ONES, ONES, ONES, ONES, [3, 3], "floor").output(0),
    "average": lambda x, y: op.avg_pool(x, ONES, ONES, ONES, [3, 3], True),
    "joined": lambda x, y: op.convolution(op.concat([x, y], 1), weights(8, 16, 1, 1), ONES, [0, 0], [0, 0], ONES),
    "swapped": lambda x, y: op.concat([*reversed(op.split(op.add(x, y), op.constant(1), 2).outputs())], 1),
    "with_constant": lambda x, y: op.convolution(
        op.concat([x, op.constant(weights(1, 2, 6, 6))], 1), weights(8, 10, 1, 1), ONES, [0, 0], [0, 0], ONES
    ),
}

Choice = tuple[str, int, int]
#: Which step, and which of the tensors so far it reads.
choices = st.lists(
    st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=14
)


def built(steps: Sequence[Choice], outputs: int) -> ov.Model:
    image = op.parameter([1, 8, 6, 6], np.float32, name="image")
    image.output(0).set_names({"image"})
    tensors: list[Any] = [image]
    for name, one, other in steps:
        tensors.append(STEPS[name](tensors[one % len(tensors)], tensors[other % len(tensors)]))
    # What nobody reads must be an output, and now and then something that is read.
    unread = [each for each in tensors[1:] if not _output(each).get_target_inputs()]
    results = list({_output(each): each for each in (*unread, tensors[-1 - outputs % (len(tensors) - 1)])}.values())
    for index, each in enumerate(results):
        _output(each).set_names({f"out{index}"})
    return ov.Model([op.result(each) for each in results], [image], "m")


def _output(tensor: Any) -> Any:
    return tensor if isinstance(tensor, ov.Output) else tensor.output(0)


def planned(graph: Graph) -> tuple[Plan, Context]:
    context = Context(load_target("cpu"))
    for each in (Normalize(), PlanPlacement(), InsertFakeQuantize()):
        each.run(graph, context)
    return context.plan, context


def interface(graph: Graph) -> list[object]:
    tensors = [node.output() for node in graph.in_file_order("Parameter")]
    tensors += [node.source() for node in graph.in_file_order("Result")]
    return [(tensor.names, tensor.element_type.name, tensor.shape) for tensor in tensors]


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(choices, st.integers(0, 20))
def test_any_graph_stays_whole(steps: Sequence[Choice], outputs: int) -> None:
    graph = from_runtime(built(steps, outputs))
    before = interface(graph)
    plan, context = planned(graph)
    verify(graph)
    assert interface(graph) == before
    assert InsertFakeQuantize().run(graph, context) == 0
    inserted = graph.nodes("FakeQuantize")
    assert sorted(node.name for node in inserted) == sorted(site.name for site in plan.sites)
    for node in graph.nodes("FakeQuantize"):
        assert all(port.node.type not in ("Result", "FakeQuantize") for port in node.output().consumers)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(choices, st.integers(0, 20))
def test_wide_open_ranges_change_nothing(steps: Sequence[Choice], outputs: int) -> None:
    """65,536 levels over a range that nothing leaves: only rounding to fine steps is left of the FakeQuantizes."""
    model = built(steps, outputs)
    graph = from_runtime(model)
    plan, _ = planned(graph)
    wide = Range(np.asarray(-64.0, np.float32), np.asarray(64.0, np.float32))
    for site in plan.sites:
        node = graph.node(site.name)
        node.set_attribute("levels", "16777217")
        close(node, wide)
    data = np.random.default_rng(0).normal(size=(1, 8, 6, 6)).astype(np.float32)
    config = {"INFERENCE_PRECISION_HINT": "f32", "LP_TRANSFORMS_MODE": "NO"}
    before, after = (
        [np.array(each) for each in ov.Core().compile_model(it, "CPU", config)(data).values()]
        for it in (model, to_runtime(graph))
    )
    for one, other in zip(before, after, strict=True):
        if np.abs(one).max() < 32:  # products of products may grow beyond any range
            np.testing.assert_allclose(other, one, atol=2e-3 * max(1.0, float(np.abs(one).max())))
