"""The work of `irquant config`."""

import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from irquant.ir import printable
from irquant.passes.jobs.effective_options import effective_options
from irquant.passes.options.config import QuantizationConfig
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.note import Note, notes_in, warnings_in
from irquant.passes.options.pot_config import ConfigFile, read_config_file
from irquant.targets import load_target
from irquant.targets.load import ANY
from irquant.tools.options.planned import planned_by
from irquant.tools.sources.open_inputs import model_paths
from irquant.tools.terminal.console import message_line
from irquant.tools.terminal.output import Output


def run_check(file: Path, output: Output) -> None:
    """Lists the mistakes in a file."""
    try:
        settings = read_config_file(file)
    except ConfigError as error:
        mistakes = error.mistakes
        output.show(lambda: _values(file, mistakes), lambda: ())
        for mistake in mistakes[:-1]:
            click.echo(printable(mistake), err=True)
        raise ConfigError(mistakes[-1]) from None
    load_target(settings.target or ANY)
    said = (*settings.warnings, *_lacking(file, settings.config), *_missed(settings))
    output.show(
        lambda: _values(file, warnings=said),
        lambda: (*map(message_line, said), f"{file}: no mistakes"),
    )


def _lacking(file: Path, config: QuantizationConfig) -> Iterator[str]:
    """What `quantize` needs besides the file."""
    if config.accuracy and config.accuracy.is_required:
        command = f"irquant quantize -c {shlex.quote(str(file))} --metric file.py:function"
        yield f"AccuracyAwareQuantization needs your metric: {command} (docs/migrate_from_pot.md has one for top-1)"


def _missed(settings: ConfigFile) -> Iterator[str]:
    """Ignored names and types that the model does not have, if the file names a model that is here."""
    ignored = settings.config.ignored
    if not settings.model.model or not (ignored.scope or ignored.operations):
        return
    path, weights = model_paths(None, settings)
    if not path.exists():
        yield Note(f"ignored: not compared with the model, since {path} is not here")
        return
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
