"""Verifies the result: the layers that the runtime really executes in int8, and the agreement of the outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...ir import Array, Graph, Node, Scope
from ...ir.ops import LAYER_TYPES
from ...targets.target import HERE
from ..analysis.agreement import Agreement, Tallies
from ..analysis.layer_times import originals
from ..infra.base import Context, Fact, Pass
from ..infra.execution import Check, Execution, Fault
from ..placement.plan import Plan
from ..runtime.core import RuntimeRejectedError
from ..runtime.engine import Engine
from ..runtime.executed import Executed
from ..runtime.modes import EMULATION, INSPECTION

#: Layer types of the execution graph that do the arithmetic, and those that also keep a state.
_COMPUTE, _RECURRENT = ("Convolution", "Deconvolution", "FullyConnected", "MatMul"), ("RNNSeq", "RNNCell")

#: The number of samples whose outputs are kept.
HARDEST = 4


@dataclass(frozen=True)
class VerifyExecution(Pass):
    """Compiles the quantized graph, runs it on the held-out samples, and compares it with the plan.

    The graph stays unchanged; the result goes to `Context.check`. For a target that is not a CPU the FakeQuantizes are
    computed in float, which shows the agreement of the outputs but not what the device would execute.
    """

    name: ClassVar[str] = "verify-execution"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.RANGES_SET})

    def run(self, graph: Graph, context: Context) -> int:
        """Verifies the graph; changes nothing."""
        graph.weights.release()  # most of the float weights were only read to compile the float model
        is_here = context.target.device == HERE
        try:
            engine = Engine(context.outputs.tapped(graph), INSPECTION if is_here else EMULATION)
        except RuntimeRejectedError as error:
            context.check = Check(failure=str(error))
            return 0
        return self.verify(graph, context, engine)

    def verify(self, graph: Graph, context: Context, engine: Engine) -> int:
        """Verifies a model that is compiled already and hides no layer (see `shows_all`)."""
        is_here = context.target.device == HERE
        outputs, hardest = _agreements(engine, context) if context.held_out else (None, {})
        if outputs is None and context.calibration.probes:
            engine.outputs(context.calibration.probes[0])  # the executed graph of a dynamic model is final only then
        context.check = Check(_compared(graph, context, engine) if is_here else None, outputs, hardest=hardest)
        return 0


def shows_all(graph: Graph, plan: Plan, engine: Engine) -> bool:
    """Whether an executed graph shows all layers; nodes that join several hide some."""
    known = {node.name for node in graph.nodes(*LAYER_TYPES)}
    layers = (layer for layer in engine.execution() if layer.type in (*_COMPUTE, *_RECURRENT))
    shown = {name for layer in layers for name in originals(layer, known)}
    return shown == known and not any(node.graph.scope for node, each in plan.decisions.items() if each.int8)


def executed_layers(nodes: Sequence[Executed]) -> list[Executed]:
    """The convolutions and matrix products of an executed graph; for dynamic models, as of the last inference."""
    return [node for node in nodes if node.type in _COMPUTE]


def execution_of(graph: Graph, engine: Engine) -> Execution:
    """The layers that run in int8, for a model without a plan."""
    return _execution(graph, Plan(), engine, [each for each in _bodies(graph) if each.in_file_order(*LAYER_TYPES)])


def int8_layers(graph: Graph, engine: Engine) -> set[str]:
    """The names of the layers of a model, not of its bodies, that run in int8."""
    known = {node.name for node in graph.nodes(*LAYER_TYPES)}
    return {name for layer in engine.execution() if layer.is_int8 for name in originals(layer, known)}


def _compared(graph: Graph, context: Context, engine: Engine) -> Execution:
    plan = context.plan
    planned = [
        body for body in _bodies(graph) if any(_is_planned(node, plan) for node in body.in_file_order(*LAYER_TYPES))
    ]
    return _execution(graph, plan, engine, planned)


def _bodies(graph: Graph) -> list[Graph]:
    return [*graph.walk()][1:]


def _execution(graph: Graph, plan: Plan, engine: Engine, bodies: Sequence[Graph]) -> Execution:
    found = [_compared_graph(graph, plan, engine.execution())]
    for body in bodies:
        nodes = engine.execution_of_body(_path(graph, body.scope))
        unseen = len(body.in_file_order(*LAYER_TYPES))
        found.append(Execution(0, 0, unseen=unseen) if nodes is None else _compared_graph(body, plan, nodes))
    return Execution(
        int8=sum(each.int8 for each in found),
        total=sum(each.total for each in found),
        fallen=tuple(fallen for each in found for fallen in each.fallen),
        unseen=sum(each.unseen for each in found),
    )


def _is_planned(node: Node, plan: Plan) -> bool:
    decision = plan.decisions.get(node)
    return decision is not None and decision.int8


def _path(graph: Graph, scope: Scope) -> list[tuple[str, str]]:
    """The path to a body, with names instead of ids."""
    return [(Node(graph.body_at(scope[:depth]), id_).name, tag) for depth, (id_, tag) in enumerate(scope)]


def _compared_graph(graph: Graph, plan: Plan, nodes: Sequence[Executed]) -> Execution:
    layers, named = executed_layers(nodes), _named(graph, plan)
    run_in_float: list[tuple[Node, Executed]] = []
    for layer in nodes:
        if layer.type in (*_COMPUTE, *_RECURRENT) and not layer.is_int8:
            for name in dict.fromkeys(originals(layer, named)):
                run_in_float.append((named[name][0], layer))
                named[name] = named[name][1:] or named[name]
    return Execution(
        int8=sum(layer.is_int8 for layer in layers),
        total=len(layers),
        fallen=tuple(
            Fault((node.graph.scope, node.id), plan.names[node], node.type, _why(layer))
            for node, layer in run_in_float
            if _is_planned(node, plan)
        ),
    )


def _named(graph: Graph, plan: Plan) -> dict[str, list[Node]]:
    """The layers by name. Of several with one name, those that are planned in float come first.

    The executed graph only has names. So if as many layers of a name run in float as are planned, all are right.
    """
    found: dict[str, list[Node]] = {}
    for node in sorted(graph.nodes(*LAYER_TYPES), key=lambda each: _is_planned(each, plan)):
        found.setdefault(node.name, []).append(node)
    return found


def _why(layer: Executed) -> str:
    sources = ", ".join(layer.reads) or "inputs that the runtime does not report"
    return f"the runtime chose {layer.primitive or 'an unnamed primitive'}, reading {sources}"


def _agreements(engine: Engine, context: Context) -> tuple[tuple[Agreement, ...], dict[int, list[Array]]]:
    """The agreement of each output, and the outputs on the samples with the largest errors."""
    found: list[list[Array]] = []
    engine.run(context.held_out, lambda _, arrays: found.append([array.copy() for array in arrays]))
    tallies = Tallies(context.outputs)
    for sample, arrays in zip(context.held_out, found, strict=True):
        tallies.add(sample.outputs, arrays)
    return tuple(tallies.agreements()), {number: found[number] for number in tallies.hardest[:HARDEST]}
