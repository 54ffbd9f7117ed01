"""The page about a quantization or an analysis."""

import math
import os
import platform
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from irquant.passes import Report
from irquant.passes.analysis.agreement import Agreement
from irquant.passes.evaluation.observed import ObservedRange, Spread
from irquant.passes.evaluation.sensitivity import ROUNDING, Effect, share_of_the_rest
from irquant.passes.jobs.effective_options import effective_options
from irquant.passes.options.note import notes_in, warnings_in
from irquant.passes.options.resolved import ResolvedOptions
from irquant.passes.reporting.report import Layer
from irquant.passes.runtime.core import runtime_version
from irquant.tools.report.closeup_charts import drawn
from irquant.tools.report.layer_rows import layer_rows
from irquant.tools.report.page import render, write_page
from irquant.tools.report.scale import Scale
from irquant.tools.terminal.console import counted, samples_line, words_of
from irquant.tools.terminal.next_step import needs_work, next_step
from irquant.tools.terminal.typed_command import TypedCommand

#: The common reason of layers that were reverted to float; each has its own share of the error.
_REVERTED = "reverted to float, the most sensitive first, until the outputs were close enough"
#: Ratios beyond these, in dB, are drawn at the ends of the scale.
_LEAST_DECIBELS, _MOST_DECIBELS = -10.0, 100.0


@dataclass(frozen=True)
class Subject:
    """The subject of a page.

    Attributes:
        model: The path of the float model.
        result: The path of the quantized model; None: the page is about an analysis.
        planned: The options.
        advice: The next step after an analysis.
        typed: The command line that made it; None: Python did.
    """

    model: Path
    result: Path | None
    planned: ResolvedOptions
    advice: str = ""
    typed: TypedCommand | None = None


@dataclass(frozen=True)
class Tile:
    """A layer in the strip.

    Attributes:
        layer: The layer.
        effect: Its sensitivity; None if unknown.
        height: Its share of the error over the largest, from 0 to 1.
    """

    layer: Layer
    effect: Effect | None
    height: float


@dataclass(frozen=True)
class RangeRow:
    """A range with the scale of its chart."""

    range: ObservedRange
    place: int
    scale: Scale


def write_quantization_page(path: Path, report: Report, subject: Subject) -> None:
    """Writes the page.

    Raises:
        PageError: it cannot be written.
    """
    write_page(path, quantization_page(report, subject))


def quantization_page(report: Report, subject: Subject) -> str:
    """The page as text."""
    values = {
        "report": report,
        "samples": samples_line(report),
        "held_out": counted(report.held_out, "held-out samples"),
        "subject": subject,
        "worst": (lowest := worst(report.check.outputs or ())),
        "words": words_of(lowest, is_measured=report.is_within_limits) if lowest else "",
        "tiles": list(_tiles(report)),
        "warnings": warnings_in(report.warnings),
        "notes": notes_in(report.warnings),
        "doubt": report.wrong_data,
        "next_step": next_step(report, subject.typed) if needs_work(report) else "",
        "rows": list(layer_rows(report)),
        "unmeasured": sum(not each.outputs for each in report.effects),
        "rest": share_of_the_rest(report.effects),
        "close_ups": [drawn(each) for each in report.close_ups],
        "ranges": [RangeRow(each, place, _range_scale(each)) for place, each in enumerate(report.ranges)],
        "floats": _by_reason(report.layers),
        "seconds": max((each.seconds for each in report.results.values()), default=0.0) or 1.0,
        "settings": list(_settings(report, subject.planned)),
        "versions": versions(),
        "now": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return render("quantization.html.j2", values)


def worst(outputs: Iterable[Agreement]) -> Agreement | None:
    """The output that is farthest from good; an output that cannot be compared comes first."""
    return min(outputs, key=lambda each: each.above_good, default=None)


def _tiles(report: Report) -> Iterator[Tile]:
    effects = {each.name: each for each in report.effects}
    largest = max((each.share for each in report.effects), default=0.0) or 1.0
    for layer in report.layers:
        effect = effects.get(layer.name) if layer.decision.int8 else None
        yield Tile(layer, effect, effect.share / largest if effect else 0.0)


def decibel_scale(found: Iterable[float]) -> Scale:
    """A scale for ratios in dB, from multiple of ten to multiple of ten."""
    ratios = [ratio for ratio in found if math.isfinite(ratio)]
    low = min((max(each, _LEAST_DECIBELS) for each in ratios), default=0.0)
    high = max((min(each, _MOST_DECIBELS) for each in ratios), default=60.0)
    return Scale(10.0 * math.floor(low / 10), 10.0 * (math.floor(high / 10) + 1))


def _range_scale(each: ObservedRange) -> Scale:
    spreads: list[Spread] = [spread for spread in (each.lows, each.highs) if spread]
    ends = [0.0, each.low, each.high, *(end for spread in spreads for end in (spread.least, spread.most))]
    return Scale(min(ends), max(ends))


def _by_reason(layers: Iterable[Layer]) -> dict[str, list[Layer]]:
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        if not layer.is_int8:
            reason = _REVERTED if layer.reason.startswith(ROUNDING) else layer.reason
            found.setdefault(reason, []).append(layer)
    return found


def _settings(report: Report, planned: ResolvedOptions) -> Iterable[object]:
    """The effective options; without a given preset, the preset is the one for the model."""
    config = planned.config.overruled(preset=report.preset)
    origin = {} if planned.config.preset else {"preset": "chosen for the model"}
    types = report.types.union(each.type for each in report.layers)
    return effective_options(planned.target, config, planned.settings, {**origin, **planned.flags}, types)


def versions() -> dict[str, str]:
    """The versions of the software and the machine behind the numbers."""
    return {
        "irquant": version("irquant"),
        "OpenVINO": runtime_version(),
        "numpy": version("numpy"),
        "Python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }
