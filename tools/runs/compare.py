"""The work of `irquant compare`."""

import math
import shlex
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from irquant.ir.listing import first_few
from irquant.passes.evaluation.compare_models import Comparison, Side, compare_models
from irquant.passes.evaluation.latency import Latency
from irquant.passes.evaluation.latency_seconds import SECONDS
from irquant.passes.evaluation.layer_probes import LayerError
from irquant.passes.files.run_files import check_run_files, named
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.runtime.load_model import load_model, model_files
from irquant.tools.options.run_files import code_files, data_files
from irquant.tools.report.comparison import write_comparison_page
from irquant.tools.report.page import check_page
from irquant.tools.report.values import finite, latency_values, mode_values, output_values
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.sources.open_inputs import open_data, unused_options
from irquant.tools.terminal.comparison import comparison_next, comparison_verdict
from irquant.tools.terminal.console import agreement_line, change_of_size, compared_on, decibels
from irquant.tools.terminal.latency import latency_lines
from irquant.tools.terminal.output import Output


def run_compare(
    first: Path,
    second: Path,
    data: str,
    subset_size: int | None,
    pictures: ImageOptions,
    extension: tuple[str, ...],
    latency_seconds: float | None,
    page: Path | None,
    output: Output,
    *,
    held_out: bool,
    strict: bool,
    force: bool,
    per_layer: bool,
    no_latency: bool,
) -> int:
    """Compares two models as the options of the command say, and shows the comparison; returns the exit code."""
    _refuse_seconds(latency_seconds, no_latency=no_latency)
    read = chain(model_files(first), model_files(second), data_files(data), code_files(extension, "the extension"))
    check_run_files(read, named(report=page), force=force)
    if page:
        check_page(page)
    extensions = open_extensions(extension)
    models = load_model(first, extensions=extensions), load_model(second, extensions=extensions)
    source = open_data(data, models[0], pictures, ConfigFile())
    assert source is not None, "the option is required"
    with output.progress() as progress:
        found = compare_models(
            *models,
            source,
            most=subset_size,
            held_out=held_out,
            per_layer=per_layer,
            latency=not no_latency,
            latency_seconds=latency_seconds or SECONDS,
            progress=progress,
        )
    found = replace(found, warnings=(*unused_options(data, pictures), *found.warnings))
    names = str(first), str(second)
    to_do = comparison_next(found, shlex.quote(names[0]), output.typed)
    output.show(
        lambda: {**comparison_values(found, *names), "next": to_do},
        lambda: (f"{second}: {comparison_verdict(found)}", f"next: {to_do}", *comparison_lines(found, *names)),
    )
    if page:
        write_comparison_page(page, found, *names)
    output.tell_failure(f"{second}: {each.name}: {agreement_line(each)}" for each in found.poor)
    if strict and found.mistakes:
        output.tell_failure([f"{second}: {comparison_verdict(found)}"])
    return int(found.is_poor or (strict and bool(found.mistakes)))


def _refuse_seconds(seconds: float | None, *, no_latency: bool) -> None:
    if seconds is not None and no_latency:
        message = "--latency-seconds and --no-latency contradict each other: give one of them"
        raise ConfigError(message)
    if seconds is not None and not 0 < seconds < math.inf:
        message = f"--latency-seconds is {seconds:g}, expected a number above 0"
        raise ConfigError(message)


def comparison_lines(found: Comparison, first: str, second: str) -> Iterable[str]:
    """The comparison as text."""
    samples = compared_on(found.samples, held_out=found.held_out, is_spread=found.is_spread)
    yield f"{second} against {first}, on {samples}:"
    for each in found.outputs:
        yield f"  {each.name}: {agreement_line(each)}"
    for warning in found.warnings:
        yield f"warning: {warning}"
    yield from _matching_lines(found)
    if found.layers is not None:
        yield from _layer_lines(found.layers)
    sides = found.first, found.second
    yield f"ran in int8: {' -> '.join(_share(each) for each in sides)} executed layers"
    if any(each.compressed for each in sides):
        yield f"layers with compressed weights: {' -> '.join(str(each.compressed) for each in sides)}"
    before, after = (each.weights_bytes for each in sides)
    yield f"weights: {change_of_size(before, after)}"
    if found.latencies:
        yield from latency_lines(found.latencies)


def _matching_lines(found: Comparison) -> Iterable[str]:
    matching = found.matching
    total = len(matching.pairs) + len(matching.only_first)
    beyond = f"; the second has {len(matching.only_second)} more" if matching.only_second else ""
    yield f"layers: {len(matching.pairs)} of {total} of the first are in the second{beyond}"
    for whose, names in (("first", matching.only_first), ("second", matching.only_second)):
        if names:
            yield f"  only in the {whose}: {first_few([*map(repr, names)], 3)}"
    if matching.in_bodies:
        yield f"  {matching.in_bodies} layers in bodies of control flow are not compared"


def _layer_lines(layers: Iterable[LayerError]) -> Iterable[str]:
    yield "      SQNR  layer"
    for each in layers:
        scaled = f"; {decibels(each.but_for_scale)} apart from the scale of its channels" if each.is_rescaled else ""
        yield f"{decibels(each.sqnr):>10}  {each.type} '{each.name}'{scaled}"


def _share(side: Side) -> str:
    unseen = f" (and {side.execution.unseen} that the runtime does not show)" if side.execution.unseen else ""
    return f"{side.execution.int8} of {side.execution.total}{unseen}"


def comparison_values(found: Comparison, first: str, second: str) -> dict[str, Any]:
    """The whole comparison for scripts: stable keys, ratios in dB, null for numbers that are not finite."""
    times, matching = found.latencies, found.matching
    return {
        "first": _side_values(first, found.first, times.first if times else None),
        "second": _side_values(second, found.second, times.second if times else None),
        "latency": None if times is None else [mode_values(each) for each in times.each_mode],
        "verdict": found.verdict,
        "data_mistakes": [each.found for each in found.mistakes],
        "samples": found.samples,
        "held_out": found.held_out,
        "outputs": [output_values(each) for each in found.outputs],
        "matched_layers": len(matching.pairs),
        "only_first": list(matching.only_first),
        "only_second": list(matching.only_second),
        "layers": None if found.layers is None else [_layer_values(each) for each in found.layers],
        "speedup": times and round(times.ratio, 3),
        "threads": times and times.threads,
        "rounds": times and times.rounds,
        "warnings": list(found.warnings),
    }


def _side_values(path: str, side: Side, latency: Latency | None) -> dict[str, Any]:
    return {
        "model": path,
        "int8_layers": side.execution.int8,
        "executed_layers": side.execution.total,
        "unseen_layers": side.execution.unseen,
        "compressed_layers": side.compressed,
        "weights_bytes": side.weights_bytes,
        **(latency_values(latency) if latency else dict.fromkeys(("median_ms", "p10_ms", "p90_ms", "p99_ms"))),
    }


def _layer_values(each: LayerError) -> dict[str, Any]:
    return {
        "name": each.name,
        "type": each.type,
        "equal": each.sqnr == math.inf,
        "sqnr": finite(each.sqnr, 2),
        "sqnr_but_for_scale": finite(each.but_for_scale, 2),
        "rescaled": each.is_rescaled,
    }
