"""The work of `irquant opt`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import click

from irquant.ir import Graph, IRError, from_text, printable, to_text, write_model
from irquant.ir.atomic_write import written_together
from irquant.ir.suggestions import closest, did_you_mean
from irquant.ir.user_files import MOST_DATA, read_user_text
from irquant.ir.writer import check_output
from irquant.passes import Context, Pass, Verify, load_model
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.calibration.fingerprint import model_fingerprint
from irquant.passes.files.provenance import SECTION, record_version
from irquant.passes.files.run_files import check_run_files, files_of_passes, named, result_files
from irquant.passes.infra.base import Results
from irquant.passes.infra.instruments import DumpAfter, Instrument, PrintAfter, Timing
from irquant.passes.infra.pass_spec import PassSpecError, options_of
from irquant.passes.infra.registry import ALIASES, PASSES, pass_class
from irquant.passes.options.config_error import ConfigError
from irquant.passes.runtime.core import Extension
from irquant.passes.runtime.load_model import model_files
from irquant.tools.options.planned import planned_by
from irquant.tools.options.run_files import code_files, data_files, target_files
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.sources.open_inputs import open_data
from irquant.tools.sources.pass_source import managed, passes_from
from irquant.tools.terminal.output import Output

_ALL = "all"
_FACTS = ("requires", "establishes", "drops")


@dataclass(frozen=True)
class DebugOptions:
    """What the command line shows and checks of a run.

    Attributes:
        print_after: Names of passes, or "all".
        dump_dir: Where to write the graph after each pass.
        verify_each: Whether to check it after each.
        verify_runtime: Whether the runtime also compiles it.
    """

    print_after: tuple[str, ...]
    dump_dir: Path | None
    verify_each: bool
    verify_runtime: bool

    def instruments(self, passes: Sequence[Pass]) -> Iterator[Instrument]:
        """The instruments for these options, outermost first."""
        if self.dump_dir:
            yield DumpAfter(self.dump_dir, with_models=True)
        if self.print_after:
            yield PrintAfter(_show, None if _ALL in self.print_after else _known(self.print_after, passes))
        if self.verify_each or self.verify_runtime:
            yield Verify(runtime=self.verify_runtime)


def _show(text: str) -> None:
    click.echo(text, err=True)


def _known(names: Sequence[str], passes: Sequence[Pass]) -> Sequence[str]:
    known = [pass_.name for pass_ in passes]
    names = [ALIASES.get(name, name) for name in names]
    for name in names:
        if name not in known:
            there = f"there are: {', '.join([*known, _ALL])}"
            raise PassSpecError(did_you_mean(f"--print-after: no pass '{name}' is run", closest(name, known), there))
    return names


def _described(class_: type[Pass]) -> Iterator[str]:
    options = " ".join(map(str, options_of(class_)))
    yield f"{class_.name}{{{options}}}" if options else class_.name
    yield f"    {(class_.__doc__ or '').strip().splitlines()[0]}"
    for what in _FACTS:
        if facts := getattr(class_, what):
            yield f"    {what}: {', '.join(sorted(facts))}"


def _described_values(class_: type[Pass]) -> dict[str, Any]:
    said = {"name": class_.name, "what": (class_.__doc__ or "").strip().splitlines()[0]}
    facts = {what: sorted(getattr(class_, what)) for what in _FACTS}
    return {**said, "options": [str(each) for each in options_of(class_)], **facts}


def run_opt(
    model: Path | None,
    passes: tuple[str, ...],
    pipeline: tuple[str, ...],
    data: str | None,
    path: Path | None,
    config: Path | None,
    target: str | None,
    preset: str | None,
    ignored: tuple[str, ...],
    subset_size: int | None,
    pictures: ImageOptions,
    extension: tuple[str, ...],
    print_after: tuple[str, ...],
    dump_dir: Path | None,
    output: Output,
    *,
    list_passes: bool,
    values: bool,
    force: bool,
    time_passes: bool,
    verify_each: bool,
    verify_runtime: bool,
    fill: bool,
) -> None:
    """Runs passes as the options of the command say, and shows the result."""
    if list_passes:
        classes = [pass_class(name) for name in PASSES]
        output.show(lambda: [*map(_described_values, classes)], lambda: chain.from_iterable(map(_described, classes)))
        return
    if model is None:
        message = "Missing argument 'MODEL'."
        raise click.UsageError(message)
    planned = planned_by(config, target, preset, ignored, samples=subset_size)
    selected = passes_from(pipeline, passes, planned.config)
    reads, writes = files_of_passes(selected.passes)
    named_source = data or (planned.settings.engine.data_source if planned.settings.engine else None)
    check_run_files(
        chain(
            model_files(model),
            data_files(named_source),
            code_files((each for each in pipeline if each.endswith((".yaml", ".yml"))), "the pipeline"),
            code_files(selected.classes, "the pass"),
            reads,
            code_files(extension, "the extension"),
            target_files(target or planned.settings.target),
            named(configuration=config),
        ),
        [*(result_files(path) if path else ()), *named(dumps=dump_dir), *writes],
        force=force,
    )
    timing = Timing()
    debug = DebugOptions(print_after, dump_dir, verify_each, verify_runtime)
    manager = managed(selected.passes, [*debug.instruments(selected.passes), timing])
    graph = _read(model, open_extensions(extension), fill=fill)
    if path:
        check_output(path, graph)
    is_needed = any(isinstance(each, Calibrate) for each in selected.passes)
    source = open_data(data, graph, pictures, planned.settings, is_needed=is_needed)
    if source is None and is_needed:
        message = "pass 'calibrate' runs the model on samples: give --data"
        raise ConfigError(message)
    with output.progress() as progress, written_together():
        fingerprint = model_fingerprint(graph)
        context = Context(planned.target, planned.config, source, progress, model_fingerprint=fingerprint)
        results = manager.run(graph, context)
        if path:
            if not graph.metadata(SECTION):
                record_version(graph)
            write_model(graph, path, compact=True)
    warnings = [*planned.settings.warnings, *context.plan.warnings, *context.warnings]
    output.show_by(
        lambda: {
            "model": str(model),
            "result": path and str(path),
            "passes": [
                {"name": name, "changes": results[name].changes, "seconds": round(seconds, 4)}
                for name, seconds in timing.seconds.items()
            ],
            "warnings": warnings,
            "text": None if path else to_text(graph, values=values),
        },
        lambda: click.echo("" if path else to_text(graph, values=values), nl=False),
    )
    if not output.as_json and not output.quiet:
        times = _times(timing, results) if time_passes else ()
        for line in (*(f"warning: {each}" for each in warnings), *times):
            click.echo(printable(line), err=True)


def _read(path: Path, extensions: Sequence[Extension], *, fill: bool) -> Graph:
    if path.suffix != ".txt":
        return load_model(path, extensions=extensions)
    try:
        graph = from_text(read_user_text(path, MOST_DATA), fill=fill)
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise IRError(message) from None
    except IRError as error:
        message = f"{path}: {error}"
        raise IRError(message) from None
    graph.extensions = tuple(extensions)
    return graph


def _times(timing: Timing, results: Results) -> Iterator[str]:
    total = sum(timing.seconds.values()) or 1.0
    for name, seconds in timing.seconds.items():
        yield f"{seconds:9.3f} s {seconds / total:6.1%}  {name}: changes: {results[name].changes}"
