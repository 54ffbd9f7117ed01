"""`irquant diff`: how two models differ in structure."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from irquant.ir import Change, compare
from irquant.passes import load_model
from irquant.tools.terminal.help_groups import GroupedCommand
from irquant.tools.terminal.output import Output, output_options


@click.command("diff", cls=GroupedCommand)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@output_options
@click.pass_context
def diff_command(context: click.Context, before: Path, after: Path, output: Output) -> None:
    """Shows how AFTER differs from BEFORE: layers added, removed or rewired, attributes and constants changed.

    Layers are matched by name. Exit code 0 if nothing differs, 1 if something does.
    """
    changes = compare(load_model(before), load_model(after))
    output.show(lambda: [dataclasses.asdict(change) for change in changes], lambda: _lines(changes))
    context.exit(bool(changes))


def _lines(changes: Sequence[Change]) -> Iterable[str]:
    for change in changes:
        what = f": {change.what}" if change.what else ""
        yield f"{change.kind} {change.layer}".rstrip() + what
