"""What the runtime says of a graph: whether it compiles, which sizes it infers, what it computes without inputs."""

from collections import Counter
from collections.abc import Mapping, Sequence

import openvino as ov

from ...ir import Array, Builder, Graph, Node
from .core import RuntimeRejectedError
from .engine import Engine
from .loaded import Loaded
from .modes import LATENCY

#: Constants of these types may be inputs of a model to evaluate, from this size on.
_ARRAYS, LARGE = ("f16", "f32"), 4096


def is_accepted(graph: Graph) -> bool:
    """Whether the runtime can compile a model."""
    try:
        Engine(graph, LATENCY)
    except RuntimeRejectedError:
        return False
    return True


def contradiction(graph: Graph) -> str:
    """The first layer whose outputs have other sizes in the runtime than in the model; empty if there is none.

    The runtime infers sizes and ignores those in the file, on which passes rely.
    """
    nodes = graph.in_file_order()
    named = Counter(node.name for node in nodes)
    declared = {(node.name, each.index): each.shape for node in nodes if named[node.name] == 1 for each in node.outputs}
    for op in Loaded(graph).model.get_ordered_ops():
        for index, port in enumerate(op.outputs()):
            shape, inferred = declared.get((op.get_friendly_name(), index), ()), port.get_partial_shape()
            if shape and not inferred.compatible(ov.PartialShape(list(shape))):
                said = f"an output of shape {inferred}, and the model says {ov.PartialShape(list(shape))}"
                layer = f"{op.get_type_name()} '{op.get_friendly_name()}'"
                return f"{layer}: the runtime computes {said}: convert the model again"
    return ""


def takes_one_sample(graph: Graph, shapes: Mapping[int, Sequence[int]]) -> bool:
    """Whether the operations of a model agree if the inputs of these numbers have these shapes."""
    try:
        Loaded(graph).model.reshape({index: ov.PartialShape(list(shape)) for index, shape in shapes.items()})
    except RuntimeError:
        return False
    return True


def evaluate(graph: Graph) -> list[Array]:
    """The outputs of a model without inputs, which is consumed; bf16 as f32.

    Large constants become inputs: kernels compute what reads them. Without inputs, the runtime folds the model with its
    reference code, in which to resize a table of positions takes seconds.
    """
    build, feed = Builder(graph), dict[str, Array]()
    for number, node in enumerate(each for each in graph.in_file_order("Const") if _is_large(each)):
        name, tensor = f"irquant/constant_{number}", node.output()
        feed[name] = node.array
        node.replace_with(build.parameter(tensor.element_type, tensor.shape, name=name))
    engine = Engine(graph, LATENCY)
    engine.infer(feed)
    return engine.results()


def _is_large(constant: Node) -> bool:
    return constant.output().element_type.name in _ARRAYS and constant.elements >= LARGE
