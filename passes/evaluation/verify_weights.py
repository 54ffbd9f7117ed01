"""Verifies a model with compressed weights: what the device reads, and the agreement of the outputs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...ir import Array, Graph, Node
from ...targets.target import HERE
from ..analysis.agreement import Agreement, agreements
from ..analysis.layer_times import originals
from ..infra.base import Context, Pass
from ..infra.compressed_layers import WeightCheck
from ..runtime.engine import Engine
from ..runtime.modes import EXACT_ACTIVATIONS, LATENCY

#: Layer type of the execution graph -> the input of its weights.
_WEIGHTS: Mapping[str, int] = {"FullyConnected": 1, "Gather": 0}
_LAYERS = ("MatMul", "Gather")


@dataclass(frozen=True)
class VerifyWeights(Pass):
    """Compiles a model whose weights are compressed, and compares its execution with what is stored.

    The graph stays unchanged; the result goes to `Context.weight_check`. Outputs are compared on the held-out samples:
    once with exact activations, and once with the defaults of the runtime.
    """

    name: ClassVar[str] = "verify-weights"

    def run(self, graph: Graph, context: Context) -> int:
        """Verifies the graph; changes nothing."""
        tapped = context.outputs.tapped(graph)
        engine = Engine(tapped, EXACT_ACTIVATIONS)
        outputs = _agreements(engine, context)
        by_default = None if outputs is None else _agreements(Engine(tapped, LATENCY), context)
        kept, folded = _compared(graph, context, engine) if context.target.device == HERE else ((), ())
        context.weight_check = WeightCheck(kept, folded, outputs, by_default)
        return 0


def _compared(graph: Graph, context: Context, engine: Engine) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The layers whose weights stay compressed, and those of whose weights the device makes floats."""
    stored = {each.name: each.kind for each in context.compressed if each.kind}
    names = {shown: node.name for node in graph.nodes(*_LAYERS) if node.name in stored for shown in _shown(node)}
    read: dict[str, str] = {}
    for node in engine.execution():
        for name in originals(node, names) if node.type in _WEIGHTS else ():
            read[names[name]] = node.reads[_WEIGHTS[node.type]]
    kept = tuple(name for name, kind in stored.items() if read.get(name, "").startswith(f"{kind} "))
    folded = tuple((name, read.get(name, "nothing that is known")) for name in stored if name not in kept)
    return kept, folded


def _shown(layer: Node) -> list[str]:
    """The names that a layer may have in the execution graph: with a bias, it has the name of the bias only."""
    readers = [port.node for port in layer.output().consumers]
    return [layer.name, *(each.name for each in readers if len(readers) == 1 and each.type == "Add")]


def _agreements(engine: Engine, context: Context) -> tuple[Agreement, ...] | None:
    if not context.held_out:
        return None
    found: list[list[Array]] = []
    engine.run(context.held_out, lambda _, arrays: found.append([array.copy() for array in arrays]))
    return tuple(agreements(context.outputs, [each.outputs for each in context.held_out], found))
