"""Explains how each layer would be quantized, and why, without data and without running the model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ..ir import Graph, IRError, Node
from ..ir.match import Miss
from ..ir.suggestions import closest, did_you_mean
from ..targets import Target
from .analysis.already_quantized import refuse_quantized
from .infra.base import Context, Pass
from .infra.manager import PassManager
from .jobs.pipelines import default_quantization
from .options.config import QuantizationConfig
from .placement.float_sums import float_sums
from .placement.passed_over import reads_rounded, why_passed_over
from .placement.plan import FloatSum, Site
from .transforms.plan_placement import asked_mode

#: What computes nothing.
_SILENT = ("Assign", "Const", "Parameter", "ReadValue", "Result")


@dataclass(frozen=True)
class Quantized:
    """A tensor that gets a FakeQuantize.

    Attributes:
        name: The FakeQuantize.
        tensor: The layer whose output it quantizes.
        readers: The layers that read the quantized tensor; all others keep the float one.
        mode: "symmetric" or "asymmetric".
        granularity: "per_tensor" or "per_channel".
        levels: Its levels.
        same_range: Other FakeQuantizes that share its range.
        overrides_preset: Whether the target or the options give it another mode than the preset asks for.
    """

    name: str
    tensor: str
    readers: tuple[str, ...]
    mode: str
    granularity: str
    levels: int
    same_range: tuple[str, ...] = ()
    overrides_preset: bool = False


@dataclass(frozen=True)
class Explanation:
    """The planned form of a layer that does arithmetic.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        int8: Whether it is planned to run in int8.
        reason: The reason.
        data: The FakeQuantizes of its activations; several after operations that join tensors.
        weights: The FakeQuantizes of its weights.
        nearly: The reasons why patterns of passes do not match at it: "pass: reason".
    """

    name: str
    type: str
    int8: bool
    reason: str
    data: tuple[Quantized, ...] = ()
    weights: tuple[Quantized, ...] = ()
    nearly: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExplainedPlan:
    """The planned form of a model.

    Attributes:
        preset: The preset, which decides whether activations are symmetric.
        layers: The layers that do arithmetic, in topological order; layers in bodies come last.
        warnings: Messages to the user.
        others: The other operations but constants, inputs and outputs, likewise; `int8` says whether what they read is
            rounded.
        float_sums: The sums of two results of int8 layers that stay float.
    """

    preset: str
    layers: tuple[Explanation, ...]
    warnings: tuple[str, ...]
    others: tuple[Explanation, ...] = ()
    float_sums: tuple[FloatSum, ...] = ()


def explain(graph: Graph, target: Target, config: QuantizationConfig) -> ExplainedPlan:
    """Plans the quantization of each layer that does arithmetic.

    Args:
        graph: The float model, which stays unchanged.
        target: The device.
        config: The user's options.

    Returns:
        The preset, and for each layer whether it would run in int8, the places of its FakeQuantizes, and the reason.

    Raises:
        AlreadyQuantizedError: the model is quantized already.
    """
    refuse_quantized(graph, keep_compressed=True)
    twin, context = graph.copy(), Context(target, config)
    passes = default_quantization(config=config)
    PassManager(passes).prepare(twin, context)
    layers = [
        replace(_explained(node, context), nearly=tuple(_nearly(node, passes, context)))
        for node in context.plan.decisions
    ]
    others = [
        _other(node, f"{prefix}{node.name}", context)
        for prefix, each in twin.walk_named()
        for node in each.nodes()
        if node.type not in _SILENT and node not in context.plan.decisions
    ]
    sums = float_sums(twin, context.plan, target)
    return ExplainedPlan(context.preset, tuple(layers), context.plan.warnings, tuple(others), sums)


def find_layer(layers: Sequence[Explanation], name: str) -> Explanation:
    """The first operation of that name (see `find_layers`)."""
    return find_layers(layers, name)[0]


def find_layers(layers: Sequence[Explanation], name: str) -> tuple[Explanation, ...]:
    """The explanations of the operations that a report calls so: bodies of one node may have operations of equal names.

    Args:
        layers: The operations.
        name: The name of an operation; in a body, with or without the names of what is around it. The name of a
            FakeQuantize, an input or a constant means the operations that read its rounded numbers.

    Raises:
        IRError: none of them has that name.
    """
    named = tuple(each for each in layers if each.name == name)
    inside = tuple(each for each in layers if each.name.endswith(f"|{name}"))
    reading = tuple(
        each for each in layers if any(name in (site.name, site.tensor) for site in (*each.data, *each.weights))
    )
    if found := named or inside or reading:
        return found
    close = closest(name, (each.name for each in layers))
    raise IRError(did_you_mean(f"no operation is named '{name}'", close))


def _nearly(node: Node, passes: Iterable[Pass], context: Context) -> Iterator[str]:
    for pass_ in passes:
        attempt = pass_.attempt(node, context)
        if isinstance(attempt, Miss):
            yield f"{pass_.name}: {attempt.reason}"


def _explained(node: Node, context: Context) -> Explanation:
    plan = context.plan
    decision, name = plan.decisions[node], plan.names[node]
    if not decision.int8:
        return Explanation(name, node.type, int8=False, reason=decision.reason)
    found = plan.feeding(*node.inputs)
    return Explanation(
        name,
        node.type,
        int8=True,
        reason=decision.reason,
        data=tuple(_quantized([site for site in found if not site.is_weights], context)),
        weights=tuple(_quantized([site for site in found if site.is_weights], context)),
    )


def _other(node: Node, name: str, context: Context) -> Explanation:
    """Of an operation that the plan decides nothing about: whether the numbers that reach it are rounded."""
    plan, target = context.plan, context.target
    return Explanation(
        name,
        node.type,
        int8=reads_rounded(node, plan, target),
        reason=why_passed_over(node, plan, target),
        data=tuple(_quantized(plan.feeding(*node.inputs), context)),
    )


def _quantized(sites: list[Site], context: Context) -> Iterator[Quantized]:
    for site in sites:
        same = (each.name for each in context.plan.sites if site.group is not None and each.group == site.group)
        yield Quantized(
            name=site.name,
            tensor=site.source.node.name,
            readers=tuple(port.node.name for port in site.consumers),
            mode=str(site.mode),
            granularity=str(site.spec.granularity),
            levels=site.levels,
            same_range=tuple(name for name in same if name != site.name),
            overrides_preset=site.mode is not asked_mode(context.preset, is_weights=site.is_weights),
        )
