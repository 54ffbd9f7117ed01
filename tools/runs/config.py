"""The work of `irquant config`."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from irquant.ir import printable
from irquant.passes.jobs.effective_options import effective_options
from irquant.passes.options.config import QuantizationConfig
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.note import notes_in, warnings_in
from irquant.passes.options.pot_config import read_config_file
from irquant.passes.runtime.samples import DataError
from irquant.targets import load_target
from irquant.targets.load import ANY
from irquant.tools.options.planned import planned_by
from irquant.tools.sources.data import names_function, source_files
from irquant.tools.sources.open_inputs import lost_paths, model_paths
from irquant.tools.terminal.colours import tell_error
from irquant.tools.terminal.console import message_line
from irquant.tools.terminal.output import Output


def run_check(file: Path, output: Output) -> None:
    """Lists the mistakes in a file."""
    try:
        settings = read_config_file(file)
        _refuse_lost_paths(settings)
    except ConfigError as error:
        found = error.mistakes
        output.show(lambda: _values(file, found), lambda: ())
        for mistake in found[:-1]:
            tell_error(printable(mistake))
        raise ConfigError(found[-1]) from None
    load_target(settings.target or ANY)
    lacking = list(_lacking(file, settings.config))
    said = (*settings.warnings, *lacking, *_stale(settings.config), *_missed(settings))
    is_enough = not (settings.lacking or lacking)
    ending = "no mistakes" if is_enough else "quantize needs more than this file: see above"
    output.show(lambda: _values(file, warnings=said), lambda: (*map(message_line, said), f"{file}: {ending}"))


def _refuse_lost_paths(settings: ConfigFile) -> None:
    if mistakes := list(_not_here(settings)):
        raise ConfigError(mistakes[0], mistakes)


def _not_here(settings: ConfigFile) -> Iterator[str]:
    """The paths in the file at which there is nothing that `quantize` can read."""
    yield from lost_paths(settings)
    source = settings.engine.data_source if settings.engine else None
    if source is None or names_function(source):
        return
    try:
        source_files(source)
    except DataError as error:
        yield f"{settings.where}: engine.data_source: {error}"


def _lacking(file: Path, config: QuantizationConfig) -> Iterator[str]:
    """The metric that `quantize` needs besides the file."""
    if config.accuracy and config.accuracy.is_required:
        command = f"irquant quantize -c {shlex.quote(str(file))} --metric file.py:function"
        yield f"AccuracyAwareQuantization needs your metric: {command} (docs/migrate_from_pot.md has one for top-1)"


def _stale(config: QuantizationConfig) -> Iterator[str]:
    """Values that stand for a measurement of the float model, and may be of another metric or other data."""
    for name, value in (config.accuracy.baselines if config.accuracy else {}).items():
        yield (
            f"metrics: baseline_value {value:g} of '{name}' stands for the float model, which is not measured then: "
            "leave it out unless your metric gave this value on these data"
        )


def _missed(settings: ConfigFile) -> Iterator[str]:
    """Ignored names and types that the model does not have, if the file names a model."""
    ignored = settings.config.ignored
    if not settings.model.model or not (ignored.scope or ignored.operations):
        return
    path, weights = model_paths(None, settings)
    from irquant.passes.runtime.load_model import load_model  # here: it needs the runtime

    yield from ignored.hits(load_model(path, weights=weights)).missed


def _values(file: Path, mistakes: Sequence[str] = (), warnings: Sequence[str] = ()) -> dict[str, object]:
    return {
        "file": str(file),
        "mistakes": list(mistakes),
        "warnings": warnings_in(warnings),
        "notes": notes_in(warnings),
    }


def run_show(
    config: Path | None, target: str | None, preset: str | None, ignored: tuple[str, ...], output: Output
) -> None:
    """Shows the effective options."""
    planned = planned_by(config, target, preset, ignored)
    found = list(effective_options(planned.target, planned.config, planned.settings, planned.flags))
    output.show(
        lambda: [dataclasses.asdict(each) for each in found],
        lambda: (
            *(f"{each.path} = {each.value}  ({each.origin})" for each in found),
            *map(message_line, planned.settings.warnings),
        ),
    )
