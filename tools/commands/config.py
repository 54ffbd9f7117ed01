"""`irquant config`: checks a configuration, and shows its effective options."""

import dataclasses
import json
from pathlib import Path

import click

from irquant.ir import printable
from irquant.passes.effective_options import effective_options
from irquant.passes.options.pot_config import read_config_file
from irquant.passes.options.strict import ConfigError
from irquant.targets import load_target
from irquant.targets.load import ANY
from irquant.tools.options.options import planned_by, planning_options


@click.group("config")
def config_command() -> None:
    """Checks and shows configurations."""


@config_command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check_command(file: Path) -> None:
    """Lists all mistakes in FILE, and options that have no effect any more."""
    try:
        settings = read_config_file(file)
    except ConfigError as error:
        for mistake in error.mistakes[:-1]:
            click.echo(printable(mistake), err=True)
        raise ConfigError(error.mistakes[-1]) from None
    load_target(settings.target or ANY)
    for warning in settings.warnings:
        click.echo(printable(f"warning: {warning}"))
    click.echo(printable(f"{file}: no mistakes"))


@config_command.command("show")
@planning_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def show_command(
    config: Path | None, target: str | None, preset: str | None, ignored: tuple[str, ...], *, as_json: bool
) -> None:
    """Shows every option with its value and its origin."""
    planned = planned_by(config, target, preset, ignored)
    found = list(effective_options(planned.target, planned.config, planned.settings, planned.flags))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in found], indent=2))
        return
    for each in found:
        click.echo(printable(f"{each.path} = {each.value}  ({each.origin})"))
    for warning in planned.settings.warnings:
        click.echo(printable(f"warning: {warning}"))
