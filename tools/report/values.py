"""Results as plain values for scripts: stable keys, ratios in dB, null for numbers that are not finite."""

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from irquant.passes import Report
from irquant.passes.accuracy.guard import GuardStep
from irquant.passes.analysis.agreement import Agreement
from irquant.passes.infra.execution import Asked
from irquant.passes.options.note import notes_in, warnings_in
from irquant.passes.reporting.report import Dominant, Layer

if TYPE_CHECKING:  # what most runs do not measure
    from irquant.passes.accuracy.control import AccuracyResult
    from irquant.passes.evaluation.latency import Latencies, Latency
    from irquant.passes.tuning.tune import TuningTimes
    from irquant.passes.tuning.tuner import TuningReport


def finite(value: float, digits: int) -> float | None:
    """The rounded number; None if it is not finite, since JSON has no such numbers."""
    return round(value, digits) if math.isfinite(value) else None


def output_values(each: Agreement) -> dict[str, Any]:
    """How close an output is; an equal output has no finite ratio."""
    return {
        "name": each.name,
        "kind": each.kind,
        "verdict": each.verdict,
        "good_from": finite(each.good_from, 2),
        "equal": each.sqnr == math.inf,
        "sqnr": finite(each.sqnr, 2),
        "columns": each.part or None,
        "sqnr_whole": finite(each.whole, 2),
        "cosine": finite(each.cosine, 6),
        "top1": None if each.top1 is None else finite(each.top1, 4),
        "decisions": each.decisions,
        "resized": each.resized,
        "ascending": each.is_ascending,
    }


def run_values(report: Report) -> dict[str, Any]:
    """The device and options of a run, and the sizes of both models."""
    return {
        "device": report.device,
        "preset": report.preset,
        "samples": report.samples,
        "samples_left_out": report.sampling.left,
        "why_samples": report.sampling.why or None,
        "held_out": report.held_out,
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
    }


def report_values(report: Report, model: str, result: str) -> dict[str, Any]:
    """The results of a quantization."""
    execution = report.check.execution
    return {
        "model": model,
        "result": result,
        "verdict": report.verdict,
        **run_values(report),
        "int8_layers": execution and execution.int8,
        "executed_layers": execution and execution.total,
        "unseen_layers": execution and execution.unseen,
        "outputs": None if report.check.outputs is None else [output_values(each) for each in report.check.outputs],
        "layers": [_layer_values(each) for each in report.layers],
        "dominant_layer": report.dominant and _dominant_values(report.dominant),
        "float_sums": [asdict(each) for each in report.float_sums],
        "biases_corrected": report.corrected,
        "biases_not_corrected": report.uncorrected,
        "device_asked": None if report.check.asked is None else _asked_values(report.check.asked),
        "guard": [_step_values(each) for each in report.guard],
        "speed_trial": report.speed_trial and _step_values(report.speed_trial),
        "accuracy": None if report.accuracy is None else _accuracy_values(report.accuracy),
        "passes": {
            name: {"changes": done.changes, "seconds": round(done.seconds, 4)} for name, done in report.results.items()
        },
        "seconds": round(report.seconds, 4),
        "stages": {name: round(seconds, 4) for name, seconds in report.stages.items()},
        "tuning": None if report.tuning is None else _tuning_values(report.tuning),
        "latency": None if report.latencies is None else _latency_values(report.latencies),
        "data": report.data.line or None,
        "data_mistakes": [each.found for each in report.data.mistakes],
        "warnings": warnings_in(report.warnings),
        "notes": notes_in(report.warnings),
    }


def _dominant_values(found: Dominant) -> dict[str, Any]:
    return {
        "name": found.name,
        "type": found.type,
        "share": finite(found.share, 4),
        "gain": finite(found.gain, 2),
        "more_time_percent": finite(found.percent, 2),
    }


def _layer_values(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "type": layer.type,
        "planned": "int8" if layer.decision.int8 else "float",
        "reason": layer.decision.reason,
        "ran_in_float": layer.fallen or None,
    }


def _asked_values(asked: Asked) -> dict[str, Any]:
    """Whether the device computes the FakeQuantizes correctly."""
    return {
        "as_meant": not asked.wrong,
        "wrong": asked.wrong or None,
        "samples": asked.samples,
        "output": asked.output,
        "sqnr_made": finite(asked.made, 2),
        "sqnr_meant": finite(asked.meant, 2),
    }


def latency_values(each: "Latency") -> dict[str, Any]:
    """A latency in milliseconds."""
    return {f"{name}_ms": finite(seconds * 1e3, 4) for name, seconds in asdict(each).items()}


def mode_values(found: "Latencies") -> dict[str, Any]:
    """The latencies of two models in one mode."""
    return {
        "precision": found.mode.precision,
        "hint": found.mode.hint,
        "default": found.mode.is_default,
        "first": latency_values(found.first),
        "second": latency_values(found.second),
        "speedup": finite(found.ratio, 3),
        "rounds": found.rounds,
        "at_once": found.at_once,
        "threads": found.threads,
    }


def _latency_values(found: "Latencies") -> dict[str, Any]:
    """The latency before and after."""
    return {
        "before_ms": finite(found.first.median * 1e3, 4),
        "after_ms": finite(found.second.median * 1e3, 4),
        "modes": [mode_values(each) for each in found.each_mode],
        "faster": found.ratio > 1,
        "unclear": found.is_unclear,
        "rounds": found.rounds,
        "threads": found.threads,
        "slower_layers": [
            {
                "name": each.name,
                "type": each.type,
                "before_ms": finite(each.before * 1e3, 4),
                "after_ms": finite(each.after * 1e3, 4),
            }
            for each in found.slower
        ],
    }


def _tuning_values(found: "TuningReport") -> dict[str, Any]:
    """What a tuning found."""
    return {
        "float_layers": list(found.layers),
        "file": None if found.file is None else str(found.file),
        "undone_for": found.worse or None,
        "times": None if found.times is None else _tuning_times_values(found.times),
    }


def _tuning_times_values(found: "TuningTimes") -> dict[str, Any]:
    return {
        "precision": found.mode.precision,
        "float_ms": finite(found.float_model.median * 1e3, 4),
        "int8_ms": finite(found.int8.median * 1e3, 4),
        "tuned_ms": finite(found.tuned.median * 1e3, 4),
        "faster": found.is_faster,
        "unclear": found.is_unclear,
        "confirmed": found.is_confirmed,
        "rounds": found.rounds,
        "threads": found.threads,
        "trials": [
            {
                "layers": list(each.layers),
                "before_ms": finite(each.before * 1e3, 4),
                "after_ms": finite(each.after * 1e3, 4),
                "kept": each.is_kept,
                "why_dropped": each.why_dropped or None,
            }
            for each in found.steps
        ],
    }


def _accuracy_values(found: "AccuracyResult") -> dict[str, Any]:
    """The results for the user's metrics."""
    return {
        "reached": found.is_reached,
        "stopped": found.stopped or None,
        "baselines": {name: finite(value, 6) for name, value in found.baselines.items()},
        "not_measured": [
            each.name for each in found.metrics if each.baseline is not None and each.name not in found.confirmed
        ],
        "values": {name: finite(value, 6) for name, value in found.best.values.items()},
        "returned": [each.name for each in found.reverted_to_float],
        "trials": len(found.trials),
    }


def _step_values(step: GuardStep) -> dict[str, Any]:
    return {
        "what": step.what,
        "sqnr_before": finite(step.before, 2),
        "sqnr_after": finite(step.after, 2),
        "int8": step.int8,
        "layers": step.layers,
        "kept": step.is_kept,
        "why_kept": step.why_kept or None,
        "why_dropped": step.why_dropped or None,
    }
