"""The storage of each layer's weights in a weight-only quantization, and why: a plan, before any weight is rounded."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...ir import Graph, InPort, Node, UserError
from ...ir.spelling import option, worded
from ...targets import Target
from ...targets.target import Compression, WeightType
from ..analysis.weight_codes import group_size
from ..analysis.weight_matrices import WeightMatrix, at_the_ends, other_weights, weight_matrices
from ..options.compression import CompressionConfig, WeightFormat

#: Format -> the element types that may hold it, the cheapest first.
KINDS: Mapping[WeightFormat, tuple[WeightType, ...]] = {"int8": ("i8", "u8"), "int4": ("i4", "u4"), "nf4": ("nf4",)}
AT_FOUR_BITS = "4 bits would cost it more than other layers"
NOT_FINITE = "it holds infinities, for which a format of fewer bits has no code"
AT_AN_END = "it is one of the first or last layers, which have 8 bits"


class FoldedWeightsError(UserError):
    """The target makes floats of the requested weights in all layers of the model."""


@dataclass(frozen=True)
class PlannedWeights:
    """The storage of a weight matrix.

    Attributes:
        matrix: The matrix.
        format: Its format; None: floats.
        kinds: The element types that the device keeps in this format; the one that fits best is taken.
        group: The number of neighbouring weights of a row that share a scale.
        reason: Why it is not the requested format; empty if it is.
    """

    matrix: WeightMatrix
    format: WeightFormat | None
    kinds: tuple[WeightType, ...] = ()
    group: int = 0
    reason: str = ""


@dataclass(frozen=True)
class WeightPlan:
    """The storage of all weights of a model.

    Attributes:
        matrices: The weight matrices, in the order of their first layers.
        others: The other layers with constant weights -> why they stay floats.
    """

    matrices: tuple[PlannedWeights, ...]
    others: Mapping[Node, str]


def plan_weights(
    graph: Graph, target: Target, config: CompressionConfig, eight_bits: Collection[str] = ()
) -> WeightPlan:
    """Plans the storage of all weights.

    Args:
        graph: The model.
        target: The device.
        config: The user's options.
        eight_bits: The names of first layers whose weights have 8 bits instead of 4.
    """
    matrices = weight_matrices(graph)
    ends = set[Node]()
    if config.weights != "int8" and not config.all_layers:
        ends = at_the_ends(graph, {layer for each in matrices for layer in each.layers})
    planned = [_planned(each, target, config, _why_eight(each, ends, eight_bits)) for each in matrices]
    others = {port.node: _why_not(port, target) for port in other_weights(graph)}
    return WeightPlan(tuple(planned), others)


def refuse_nothing(plan: WeightPlan, target: Target, wanted: WeightFormat) -> None:
    """Refuses a plan in which no layer has the requested format.

    Raises:
        FoldedWeightsError: the message has the reasons, with the types of the layers, and the other way to 8 bits.
    """
    if any(each.format == wanted for each in plan.matrices):
        return
    instead = f"{worded('irquant quantize', 'quantize')} makes an INT8 model, activations included"
    reasons = [*_reasons(plan)]
    why = "; ".join([*reasons, instead] if reasons else ["it has no layer with constant weights"])
    message = f"no weights to store in {wanted} on target '{target.name}': {why}"
    raise FoldedWeightsError(message)


def _why_eight(matrix: WeightMatrix, ends: set[Node], eight_bits: Collection[str]) -> str:
    if ends & {*matrix.layers}:
        return f"{AT_AN_END} ({option('all_layers')})"
    aims = ", ".join(map(option, ("ratio", "max_mb", "min_db")))
    return f"{AT_FOUR_BITS} ({aims})" if matrix.name in eight_bits else ""


def _planned(matrix: WeightMatrix, target: Target, config: CompressionConfig, why: str) -> PlannedWeights:
    """The storage of a matrix; `why` is the reason for 8 bits instead of 4."""
    if not matrix.is_finite:
        return PlannedWeights(matrix, None, reason=NOT_FINITE)
    entries = [target.compression(layer) for layer in matrix.layers]
    known = [each for each in entries if each is not None and each.types]
    if len(known) < len(entries):
        refusing = next(each for each in entries if each is None or not each.types)
        return PlannedWeights(matrix, None, reason=_reason(refusing, target))
    wanted: WeightFormat = "int8" if why else config.weights
    if not (kinds := _kept(wanted, known)):
        wanted, why = "int8", next(_reason(each, target) for each in known if not _kept(wanted, [each]))
        kinds = _kept(wanted, known)
    if not kinds:
        return PlannedWeights(matrix, None, reason=why)
    smallest = [each.smallest_group for each in known]
    is_grouped = wanted != "int8" and None not in smallest
    least = max((each for each in smallest if each is not None), default=0)
    group = group_size(matrix.columns, config.group, least) if is_grouped else matrix.columns
    return PlannedWeights(matrix, wanted, kinds, group, why)


def _kept(wanted: WeightFormat, entries: Sequence[Compression]) -> tuple[WeightType, ...]:
    """The element types of a format that the device keeps in all layers that read a matrix."""
    return tuple(kind for kind in KINDS[wanted] if all(kind in each.types for each in entries))


def _why_not(port: InPort, target: Target) -> str:
    if port.node.graph.scope:
        return "it is in the body of a control-flow operation"
    if port.node.type == "MatMul" and port.index == 0:
        return "its constant is the first operand"
    entry = target.compression(port.node)
    return _reason(entry, target) if entry is None or not entry.types else "its weights are no single matrix"


def _reason(entry: Compression | None, target: Target) -> str:
    if entry is None:
        return f"target '{target.name}' says nothing of compressed weights of such a layer (keeps_compressed)"
    return entry.because or f"target '{target.name}' makes floats of its weights"


def _reasons(plan: WeightPlan) -> Iterator[str]:
    """Each reason, with the types of the layers that it is about."""
    reasons: dict[str, set[str]] = {}
    for each in plan.matrices:
        reasons.setdefault(each.reason, set()).update(layer.type for layer in each.matrix.layers)
    for node, reason in plan.others.items():
        reasons.setdefault(reason, set()).add(node.type)
    yield from (f"{', '.join(sorted(types))}: {reason}" for reason, types in reasons.items())
