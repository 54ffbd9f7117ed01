"""`irquant demo`: the first thing to try."""

from pathlib import Path

import click

from irquant.tools.options.options import force_option, target_option
from irquant.tools.terminal.help_groups import GroupedCommand, HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing
from irquant.tools.terminal.output import Output, output_options


@click.command("demo", cls=GroupedCommand)
@grouped_option(
    HelpGroup.OUTPUT,
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep both models and the calibration data in this folder.",
)
@target_option
@force_option
@output_options
def demo_command(folder: Path | None, target: str | None, output: Output, *, force: bool) -> None:
    """Quantizes a small trained network and compares FP32 with INT8 on this machine."""
    with importing():
        from irquant.tools.demo.demo import demo, demo_values, print_demo

    with output.progress() as progress:
        found = demo(folder, progress, target=target, force=force)
    output.show_by(lambda: demo_values(found), lambda: print_demo(found))
