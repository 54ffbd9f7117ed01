"""`irquant targets`: the devices that irquant supports, and checks of your own target files."""

from collections.abc import Iterable
from pathlib import Path

import click

from irquant.passes.options.config_error import ConfigError
from irquant.targets import Target, check_target, load_target, target_names, target_text
from irquant.tools.options.completion import targets
from irquant.tools.terminal.command_group import CommandGroup
from irquant.tools.terminal.output import Output, output_options


@click.group("targets", cls=CommandGroup, invoke_without_command=True)
@output_options
@click.pass_context
def targets_command(context: click.Context, output: Output) -> None:
    """Lists the targets that ship with irquant."""
    if context.invoked_subcommand is None:
        found = [load_target(name) for name in target_names()]
        output.show(lambda: [*map(_values, found)], lambda: map(_line, found))
    elif output.as_json or output.quiet:
        flag, command = "--json" if output.as_json else "--quiet", context.invoked_subcommand
        message = f"{flag} goes behind the subcommand: irquant targets {command} ... {flag}"
        raise ConfigError(message)


@targets_command.command("show")
@click.argument("name", shell_complete=targets)
@output_options
def show_command(name: str, output: Output) -> None:
    """Prints the file of target NAME: what it runs in int8, with which ranges, and why."""
    output.show_by(lambda: load_target(name).model_dump(mode="json"), lambda: click.echo(target_text(name), nl=False))


@targets_command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@output_options
def check_command(file: Path, output: Output) -> None:
    """Checks your own target FILE (.yaml)."""
    target = check_target(str(file))
    output.show(lambda: {"file": str(file), **_values(target)}, lambda: _check_lines(file, target))


def _line(target: Target) -> str:
    aliases = f"; also called {', '.join(target.aliases)}" if target.aliases else ""
    return f"{target.name:10} {target.description}{aliases}"


def _check_lines(file: Path, target: Target) -> Iterable[str]:
    counts = f"rules: {len(target.rules)}, specs: {len(target.specs)}"
    yield f"{file}: target '{target.name}' is fine: device {target.device}, {counts}"


def _values(target: Target) -> dict[str, object]:
    return {
        "name": target.name,
        "aliases": list(target.aliases),
        "description": target.description,
        "device": target.device,
        "rules": len(target.rules),
        "specs": len(target.specs),
    }
