"""The work of `irquant targets`."""

from collections.abc import Iterable
from pathlib import Path

import click

from irquant.targets import Target, check_target, load_target, target_names, target_text
from irquant.tools.terminal.output import Output


def run_list(output: Output) -> None:
    """Lists the targets that ship with irquant."""
    found = [load_target(name) for name in target_names()]
    output.show(lambda: [*map(_values, found)], lambda: map(_line, found))


def run_show(name: str, output: Output) -> None:
    """Prints the file of a target."""
    output.show_by(lambda: load_target(name).model_dump(mode="json"), lambda: click.echo(target_text(name), nl=False))


def run_check(file: Path, output: Output) -> None:
    """Checks a target file."""
    target = check_target(str(file))
    output.show(lambda: {"file": str(file), **_values(target)}, lambda: _check_lines(file, target))


def _line(target: Target) -> str:
    aliases = f"; also called {', '.join(target.aliases)}" if target.aliases else ""
    return f"{target.name:10} {target.description}{aliases}"


def _check_lines(file: Path, target: Target) -> Iterable[str]:
    counts = f"rules: {len(target.rules)}, specs: {len(target.specs)}"
    default = "" if "device" in target.model_fields_set else " (default: the file names none)"
    yield f"{file}: target '{target.name}' is fine: device {target.device}{default}, {counts}"


def _values(target: Target) -> dict[str, object]:
    return {
        "name": target.name,
        "aliases": list(target.aliases),
        "description": target.description,
        "device": target.device,
        "rules": len(target.rules),
        "specs": len(target.specs),
    }
