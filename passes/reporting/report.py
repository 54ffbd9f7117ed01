"""The report of a quantization, as plain values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...ir import DYNAMIC, Graph, Scope
from ...ir.listing import first_few, number_of
from ...ir.shape_rules import shape_text
from ...ir.spelling import option, worded
from ...ir.writer import lay_out
from ..accuracy.guard import GuardResult, GuardStep
from ..accuracy.knee import find_dominant
from ..accuracy.requantize import Attempt
from ..analysis.agreement import Agreement, Verdict
from ..analysis.bias_cross_validation import Correction
from ..analysis.data_findings import DataFindings
from ..analysis.image_findings import DataMistake
from ..analysis.layer_times import SHORT
from ..analysis.outputs import NOTHING, Outputs
from ..analysis.source_names import source_names
from ..analysis.work import multiply_accumulates
from ..evaluation.observed import ObservedRange, observed_ranges
from ..evaluation.sensitivity import ROUNDING, Effect
from ..infra.base import Context, Results
from ..infra.calibration import Sampling
from ..infra.execution import Check
from ..options.config import Preset
from ..options.note import Note
from ..options.resolved import ResolvedOptions
from ..placement.plan import Decision, FloatSum
from ..runtime.core import cores, has_share_of_cores
from .detail import Detail
from .shown_report import ShownReport

if TYPE_CHECKING:  # what most runs do not measure
    from ..accuracy.control import AccuracyResult
    from ..evaluation.closeups import CloseUp
    from ..evaluation.latency import Latencies, Latency
    from ..tuning.tuner import TuningReport

#: Rounded weights of more bits are stored as floats.
_STORED_BITS = 8
#: Inputs of so many axes are no pictures or sequences.
_FLAT = 2
#: The most layers that a warning names.
_NAMED = 3


@dataclass(frozen=True)
class Layer:
    """The result for a layer that does arithmetic.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        decision: The plan for it, and the reason.
        fallen: Why the layer fell back to FP32 although it was planned for int8; empty if it did not.
        sources: The source framework's names for it, where they differ.
        shape: The shape of its output; -1 for unknown sizes.
        multiply_accumulates: The products that it sums for one inference; unknown sizes count as 1; 0 if unknown.
        scope: The body that it is in.
        node: Its id.
    """

    name: str
    type: str
    decision: Decision
    fallen: str = ""
    sources: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    multiply_accumulates: int = 0
    scope: Scope = ()
    node: int = 0

    @property
    def is_int8(self) -> bool:
        """Whether it runs in int8, as far as the check shows."""
        return self.decision.int8 and not self.fallen

    @property
    def reason(self) -> str:
        """The reason for its precision."""
        return self.fallen or self.decision.reason


@dataclass(frozen=True)
class Reverted:
    """An operation that was reverted to float for the sake of the outputs, or of the user's metrics.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        reason: What its rounding causes.
        is_layer: Whether it does arithmetic, so that it counts as a layer.
    """

    name: str
    type: str
    reason: str
    is_layer: bool


@dataclass(frozen=True)
class Dominant:
    """An int8 operation that causes more than half of the error at the outputs.

    Attributes:
        name: Its friendly name.
        type: Its op type.
        share: Its share of the error.
        gain: What the outputs gain with it in float, in dB, as predicted.
        percent: How much longer the model takes then, in percent, as predicted.
    """

    name: str
    type: str
    share: float
    gain: float
    percent: float


@dataclass(frozen=True)
class Origin:
    """The run that a report is about.

    Attributes:
        model: The path of the float model; for a model in memory, its name.
        result: The path of the quantized model; for a model in memory, its name.
        options: The options.
    """

    model: Path
    result: Path
    options: ResolvedOptions


@dataclass(frozen=True)
class Report(ShownReport):
    """The report of a quantization; `print` shows it as the command line does, and a notebook as a page.

    `verdict` is the verdict on the worst output ("unknown" if the data look wrong), `save` writes the page, and
    `to_json` gives the JSON document.

    Attributes:
        results: The results of each pass.
        layers: All layers that do arithmetic, in topological order.
        samples: The number of calibration samples.
        held_out: The number of held-out samples.
        check: The result of the check on the runtime.
        device: The target's name for its device.
        preset: The preset, which decides whether activations are symmetric.
        guard: The trials of the guard; empty if no output is poor.
        speed_trial: The guard's trial for less time; None if there was nothing to try.
        accuracy: The result of the search with the user's metrics; None if there are none.
        effects: The sensitivity of each operation, the highest first: in the result if requested, else as far as the
            guard needed it.
        ranges: The ranges of activations compared with the observed values.
        corrections: Layers, and the results of correcting their biases.
        warnings: Messages to the user, those about the data first; what asks for nothing is a note (see `Note`).
        bytes_before: The size of the float model's constants.
        bytes_after: The size of the quantized model's constants.
        latencies: The latencies of the float model and of the quantized one; None unless requested, or unless int8 may
            be no faster.
        data: What the data are, and what looks wrong about them; empty for an analysis.
        sampling: Why so many samples were measured.
        tuning: What a tuning by measured latency found; None unless requested.
        origin: The run; None for a pipeline without model files and options.
        float_sums: The sums of two results of int8 layers that stay float, and why.
        close_ups: The most sensitive operations in detail; empty unless requested.
        detail: How much was measured for a page; None: only what every run measures.
        seconds: The time of the whole run.
        stages: The parts of the run besides its passes -> their seconds.
        reverted: The operations that were reverted to float, the most sensitive first.
        dominant: The int8 operation that causes most of the error, if it is known and an output is not good.
        types: The op types of the model.
    """

    results: Results
    layers: tuple[Layer, ...]
    samples: int
    held_out: int
    check: Check
    device: str
    preset: Preset
    guard: tuple[GuardStep, ...]
    speed_trial: GuardStep | None
    accuracy: "AccuracyResult | None"
    effects: tuple[Effect, ...]
    ranges: tuple[ObservedRange, ...]
    corrections: tuple[tuple[str, Correction], ...]
    warnings: tuple[str, ...]
    bytes_before: int
    bytes_after: int
    latencies: "Latencies | None" = None
    data: DataFindings = field(default_factory=DataFindings)
    sampling: Sampling = field(default_factory=Sampling)
    tuning: "TuningReport | None" = None
    origin: Origin | None = None
    float_sums: tuple[FloatSum, ...] = ()
    close_ups: "tuple[CloseUp, ...]" = ()
    detail: Detail | None = None
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict[str, float])
    reverted: tuple[Reverted, ...] = ()
    dominant: Dominant | None = None
    types: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """One line: the verdict with its output, and how many layers are in int8."""
        worst, int8 = self.worst_output, sum(each.is_int8 for each in self.layers)
        verdict = f"{self.verdict}, {worst.sqnr:.1f} dB at '{worst.name}'" if worst else "not checked"
        return f"<Report: {verdict}, {int8} of {len(self.layers)} layers in int8; print it for more>"

    @property
    def worst_output(self) -> Agreement | None:
        """The output that decides about the model; None if none was compared."""
        return min(self.check.outputs or (), key=lambda each: each.above_good, default=None)

    @property
    def is_within_limits(self) -> bool:
        """Whether there are metrics of the user, and none loses more than it may."""
        return self.accuracy is not None and self.accuracy.is_reached

    @property
    def wrong_data(self) -> DataMistake | None:
        """The first mistake in the data, which makes the verdict worth nothing; None if metrics outweigh it."""
        return None if self.is_within_limits else next(iter(self.data.mistakes), None)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the worst output: "good", "fair", "poor" or "unknown"; None without held-out samples.

        It is "unknown" if the data look wrong (see `wrong_data`): then the outputs say nothing about the model.
        """
        if (worst := self.worst_output) is None:
            return None
        return Verdict.UNKNOWN if self.wrong_data else worst.verdict

    @property
    def corrected(self) -> int:
        """The number of layers with corrected biases."""
        return sum(each.is_accepted for _, each in self.corrections)

    @property
    def uncorrected(self) -> int:
        """The number of layers that a correction would not have improved on other samples."""
        return len(self.corrections) - self.corrected


def report_of(
    results: Results,
    guarded: GuardResult,
    bytes_before: int,
    warnings: Sequence[str],
    accuracy: "AccuracyResult | None" = None,
    latencies: "Latencies | None" = None,
    data: DataFindings | None = None,
    tuning: "TuningReport | None" = None,
) -> Report:
    """The report of a run.

    Args:
        results: The results of the passes.
        guarded: The resulting model.
        bytes_before: The size of the float model's constants.
        warnings: Messages to the user about the options.
        accuracy: The result of the search with the user's metrics.
        latencies: The latencies of the float model and of the quantized one, if they were measured.
        data: What the data are, and what looks wrong about them.
        tuning: What a tuning found.
    """
    attempt = guarded.attempt
    context = attempt.context
    slow = [*(_slow(latencies, attempt.graph) if latencies else ()), *(_untuned(tuning, guarded) if tuning else ())]
    late = [*_late(guarded), *slow, *(accuracy.warnings if accuracy else ())]
    names = context.plan.names
    return Report(
        results=results,
        layers=tuple(_layers(context)),
        samples=context.statistics.samples,
        held_out=len(context.held_out),
        check=context.check,
        device=context.target.device,
        preset=context.preset,
        guard=guarded.steps,
        speed_trial=guarded.speed_step,
        accuracy=accuracy,
        effects=guarded.effects,
        ranges=tuple(observed_ranges(attempt.graph, context)),
        corrections=tuple((names.get(node, node.name), each) for node, each in context.corrections.items()),
        warnings=(*(data.warnings if data else ()), *warnings, *context.plan.warnings, *context.warnings, *late),
        bytes_before=bytes_before,
        bytes_after=constant_bytes(attempt.graph),
        latencies=latencies,
        data=data or DataFindings(),
        sampling=context.calibration.sampling,
        tuning=tuning,
        float_sums=context.plan.float_sums,
        reverted=tuple(_reverted(attempt)),
        dominant=_dominant(guarded),
        types=frozenset(node.type for each in attempt.graph.walk() for node in each.in_file_order()),
    )


def _reverted(attempt: Attempt) -> Iterable[Reverted]:
    """The operations that were reverted to float for what their rounding causes, in the order of the search."""
    plan = attempt.context.plan
    floats = {node: each.reason for node, each in plan.decisions.items() if not each.int8} | dict(plan.kept)
    places = {key: number for number, key in enumerate(attempt.reverted_to_float)}
    found = [node for node, reason in floats.items() if reason.startswith(ROUNDING)]
    for node in sorted(found, key=lambda node: places.get((node.graph.scope, node.id), len(places))):
        yield Reverted(plan.names.get(node, node.name), node.type, floats[node], node in plan.decisions)


def _dominant(guarded: GuardResult) -> Dominant | None:
    """The int8 operation that causes most of the error, if it is known."""
    found = find_dominant(guarded.attempt, [*guarded.standouts, *guarded.effects], guarded.gains)
    if found is None:
        return None
    (effect,) = found.effects
    return Dominant(effect.name, effect.type, min(effect.share, 1.0), found.predicted_gain, found.percent)


def _shows_nothing(outputs: Outputs) -> Iterable[str]:
    """Outputs in which the model finds nothing."""
    for each in outputs.each:
        if each.shows_nothing:
            yield (
                f"output '{each.name}' of a sigmoid stays below {NOTHING:g} in all samples that were compared: errors "
                f"are compared with {NOTHING:g}, and the verdict is fair at most; give samples in which the model "
                "finds something, prepared as for its training"
            )


def _late(guarded: GuardResult) -> Iterable[str]:
    check, count = guarded.attempt.context.check, len(guarded.attempt.context.held_out)
    if check.asked and check.asked.wrong:
        yield (
            f"output '{check.asked.output}' is wrong, and no layer was found that causes it ({check.asked.wrong}): "
            "compare the result with the float model before you use it"
        )
    yield from _wide_weights(guarded.attempt.context)
    yield from _shows_nothing(guarded.attempt.context.outputs)
    for each in check.outputs or ():
        if each.resized:
            yield (
                f"output '{each.name}' has other sizes than the float model's on {each.resized} of {count} samples: "
                "the values that decide them do not tolerate rounding"
            )
    yield from guarded.failures
    if guarded.is_out_of_time:
        yield "the guard ended early for lack of time: use a faster machine, or leave layers float"
    if guarded.steps and guarded.attempt.margin < 0:
        bodies = any(node.graph.scope for node in guarded.attempt.context.plan.decisions)
        more = ": layers in bodies of control flow are not reverted to float" if bodies else ""
        yield f"the guard found nothing that makes all outputs fair{more}"
    if guarded.steps and not _has_int8(guarded):
        yield "no layer is left in int8: with any, an output is poor; the result is a float model"
    yield from _few_int8(guarded.attempt)


def _wide_weights(context: Context) -> Iterable[str]:
    """A note on weights that are not stored in 8 bits, although they are rounded."""
    wide = [site.spec.bits for site in context.plan.sites if site.is_weights and site.spec.bits > _STORED_BITS]
    if wide:
        layers = f"the weights of {number_of(len(wide), 'layers')}"
        yield Note(
            f"{layers} have {' or '.join(map(str, sorted({*wide})))} bits, as target '{context.target.name}' or the "
            "options say: these are stored as floats, and do not make the model smaller"
        )


def _open_sizes(graph: Graph) -> str:
    """What to do about inputs with sizes that are not fixed: kernels for any size are slower, or need a zero point."""
    for node in graph.in_file_order("Parameter"):
        shape = node.output().shape
        if DYNAMIC in shape[1:] and len(shape) > _FLAT:
            return (
                f"; input '{node.name}' is {shape_text(shape)}, and int8 may be slower for sizes that are not fixed: "
                "if yours are, give the model fixed ones (docs/troubleshooting.md), and quantize it again"
            )
    return ""


def _slow(latencies: "Latencies", graph: Graph) -> Iterable[str]:
    """Warnings about a model or layers that int8 does not make faster."""
    before, after = (each.median * 1e3 for each in (latencies.first, latencies.second))
    threads = number_of(latencies.threads, "threads")
    shared = f" of {cores()} cores, others may be busy: measure it alone" if has_share_of_cores() else ""
    if latencies.is_no_faster and latencies.first.median >= SHORT:
        shared = shared or ("; the times scatter too much to be sure" if latencies.is_unclear else "")
        yield (
            f"the INT8 model {'may be no' if shared else 'is not'} faster here: {after:.2f} ms an inference, the float "
            f"model {before:.2f} ms (medians of {latencies.rounds} in turn, {threads}{shared}){_open_sizes(graph)}"
        )
    if latencies.slower:
        count = len(latencies.slower)
        slower = (
            f"{each.type} '{each.name}' {each.before * 1e3:.2f} -> {each.after * 1e3:.2f} ms"
            for each in latencies.slower
        )
        named = first_few(list(slower), _NAMED)
        layers = number_of(count, "layers")
        runs = f"{layers} may run" if shared else f"{layers} run{'s' * (count == 1)}"
        on = f" ({threads}{shared})" if shared else ""
        yield (
            f"{runs} slower in int8 than in float here{on}: {named}; {worded('irquant tune', 'tune=True')} finds "
            "the layers that are faster in float"
        )


def _few_int8(attempt: Attempt) -> Iterable[str]:
    """A warning if more layers went back to float for the sake of the outputs than are left in int8."""
    decisions = attempt.context.plan.decisions.values()
    int8, reverted = sum(each.int8 for each in decisions), sum(each.reason.startswith(ROUNDING) for each in decisions)
    if reverted > int8 > 0:
        yield (
            f"{reverted} layers went back to float, and {int8} are left in int8: with more of them, an output is poor, "
            f"and the model may be little faster; {option('metric')} with labels shows whether your task bears more "
            "(docs/accuracy.md)"
        )


def _has_int8(guarded: GuardResult) -> bool:
    return any(each.int8 for each in guarded.attempt.context.plan.decisions.values())


def _untuned(tuning: "TuningReport", guarded: GuardResult) -> Iterable[str]:
    """Warnings about a model that int8 does not make faster."""
    times = tuning.times
    if tuning.layers and not _has_int8(guarded):
        yield "no layer is left in int8: none was faster so when the model was tuned; the result is a float model"
    if times and times.is_unclear:
        yield (
            f"too noisy to tell whether int8 is faster: the float model takes {_spread(times.float_model)} an "
            f"inference, the tuned one {_spread(times.tuned)}: measure while nothing else runs, or longer "
            f"({option('tune_seconds')})"
        )
    elif times and not times.is_faster:
        yield (
            f"int8 brings no speed here, size only: the float model takes {_ms(times.float_model)} an inference, the "
            f"quantized one {_ms(times.int8)}, the tuned one {_ms(times.tuned)}: keep the float model, or store only "
            "its weights in 8 bits (irquant compress)"
        )
    if tuning.worse:
        yield f"the tuning was undone: output '{tuning.worse}' was farther from the float model's with it"


def _spread(latency: "Latency") -> str:
    return f"{latency.p10 * 1e3:.3g} to {latency.p90 * 1e3:.3g} ms"


def _ms(latency: "Latency") -> str:
    return f"{latency.median * 1e3:.3g} ms"


def _layers(context: Context) -> Iterable[Layer]:
    execution = context.check.execution
    fallen = {each.name: each.reason for each in execution.fallen} if execution else {}
    for node, decision in context.plan.decisions.items():
        name = context.plan.names[node]
        shape, products = node.output().shape, multiply_accumulates(node)
        fallen_back, sources, key = fallen.get(name, ""), source_names(node), (node.graph.scope, node.id)
        yield Layer(name, node.type, decision, fallen_back, sources, shape, products, *key)


def constant_bytes(graph: Graph) -> int:
    """The size of a model's constants in bytes."""
    layout = lay_out(graph, compact=True)
    return sum(stop - start for start, stop in layout.kept) + sum(array.nbytes for array in layout.new)
