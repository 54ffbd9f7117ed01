"""`irquant diff`: how two models differ in structure."""

import dataclasses
import json
from pathlib import Path

import click

from irquant.ir import compare, printable
from irquant.passes import load_model


@click.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.pass_context
def diff_command(context: click.Context, before: Path, after: Path, *, as_json: bool) -> None:
    """Shows how AFTER differs from BEFORE: layers added, removed or rewired, attributes and constants changed.

    Layers are matched by name. Exit code 0 if nothing differs, 1 if something does.
    """
    changes = compare(load_model(before), load_model(after))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(change) for change in changes], indent=2))
    else:
        for change in changes:
            what = f": {change.what}" if change.what else ""
            click.echo(printable(f"{change.kind} {change.layer}".rstrip() + what))
    context.exit(bool(changes))
