"""What a quantization did, as plain values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..ir import Graph
from ..ir.writer import lay_out
from .base import Context, Results
from .configuration.config import Preset
from .execution import Check
from .plan import Decision
from .quality.accuracy import Controlled
from .quality.guard import Guarded, Step
from .quality.sensitivity import Effect


@dataclass(frozen=True)
class Layer:
    """What became of a layer that does arithmetic.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        decision: What was planned, and why.
        fallen: Why the runtime executed it in float although it was planned for int8; empty if it did not.
    """

    name: str
    type: str
    decision: Decision
    fallen: str = ""


@dataclass(frozen=True)
class Report:
    """What a quantization did.

    Attributes:
        results: What each pass did.
        layers: All layers that do arithmetic, in topological order.
        samples: Samples that calibration saw.
        held_out: Samples kept out for the check.
        check: What running the result showed.
        device: What the target calls its device.
        preset: What decided whether activations are symmetric.
        guard: What the guard tried; empty if no output is poor.
        accuracy: What was found of the user's metrics; None if there are none.
        effects: What rounding each operation costs, the costliest first; empty if the guard did not need to know.
        corrected: Layers whose biases were corrected.
        uncorrected: Layers of which a correction would not have helped on other samples.
        warnings: What the user should know.
        bytes_before: Size of the float model's constants.
        bytes_after: Size of the quantized model's.
    """

    results: Results
    layers: tuple[Layer, ...]
    samples: int
    held_out: int
    check: Check
    device: str
    preset: Preset
    guard: tuple[Step, ...]
    accuracy: Controlled | None
    effects: tuple[Effect, ...]
    corrected: int
    uncorrected: int
    warnings: tuple[str, ...]
    bytes_before: int
    bytes_after: int


def report_of(
    results: Results,
    guarded: Guarded,
    bytes_before: int,
    warnings: Sequence[str],
    accuracy: Controlled | None = None,
) -> Report:
    """The report of a run.

    Args:
        results: What the passes did.
        guarded: The model that came out.
        bytes_before: Size of the float model's constants.
        warnings: What the user should know of the options.
        accuracy: What was found of the user's metrics.
    """
    attempt = guarded.attempt
    context, late = attempt.context, [*_late(guarded), *(accuracy.warnings if accuracy else ())]
    return Report(
        results=results,
        layers=tuple(_layers(context)),
        samples=context.statistics.samples,
        held_out=len(context.held_out),
        check=context.check,
        device=context.target.device,
        preset=context.preset,
        guard=guarded.steps,
        accuracy=accuracy,
        effects=guarded.effects,
        corrected=sum(each.is_accepted for each in context.corrections.values()),
        uncorrected=sum(not each.is_accepted for each in context.corrections.values()),
        warnings=(*warnings, *context.plan.warnings, *context.warnings, *late),
        bytes_before=bytes_before,
        bytes_after=constant_bytes(attempt.graph),
    )


def _late(guarded: Guarded) -> Iterable[str]:
    if guarded.is_out_of_time:
        yield "the guard gave up for lack of time; a smaller --samples, or layers that you leave float, help it"


def _layers(context: Context) -> Iterable[Layer]:
    execution = context.check.execution
    fallen = {each.name: each.reason for each in execution.fallen} if execution else {}
    for node, decision in context.plan.decisions.items():
        name = context.plan.names[node]
        yield Layer(name, node.type, decision, fallen.get(name, ""))


def constant_bytes(graph: Graph) -> int:
    """How many bytes a model's constants take."""
    layout = lay_out(graph, compact=True)
    return sum(stop - start for start, stop in layout.kept) + sum(array.nbytes for array in layout.new)
