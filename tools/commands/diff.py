"""`irquant diff`: how two models differ in structure."""

from pathlib import Path
from typing import Any

import click

from irquant.tools.terminal.help_groups import GroupedCommand
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import output_options


@click.command("diff", cls=GroupedCommand)
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@output_options
def diff_command(**given: Any) -> int:
    """Shows how AFTER differs from BEFORE: layers added, removed or rewired, attributes and constants changed.

    Layers are matched by name. Exit code 0 if nothing differs, 1 if something does.
    """
    with importing():
        from irquant.tools.runs.diff import run_diff

    return run_diff(**given)
