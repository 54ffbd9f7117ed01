"""`irquant demo`: the first thing to try."""

from pathlib import Path

import click

from irquant.tools.demo.demo import demo
from irquant.tools.options.options import force_option


@click.command("demo")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Keep both models in this folder."
)
@force_option
def demo_command(output: Path | None, *, force: bool) -> None:
    """Quantizes a small trained network and compares FP32 with INT8 on this machine."""
    demo(output, force=force)
