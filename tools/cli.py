"""The command `irquant`. User errors are one line and exit code 2; anything else is ours: two lines, exit code 70."""

from pathlib import Path

import click

from irquant.ir import printable
from irquant.passes.infra.internal_errors import complaint, is_internal
from irquant.tools.commands.analyze import analyze_command
from irquant.tools.commands.compare import compare_command
from irquant.tools.commands.config import config_command
from irquant.tools.commands.diff import diff_command
from irquant.tools.commands.explain import explain_command
from irquant.tools.commands.inspect import inspect_command
from irquant.tools.commands.opt import opt_command
from irquant.tools.commands.quantize import quantize_command
from irquant.tools.commands.targets import targets_command
from irquant.tools.commands.zoo import zoo_command
from irquant.tools.terminal.internal_errors import Asked, tell_fault

USER_ERROR, INTERRUPTED = 2, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="irquant", prog_name="irquant", message="%(prog)s %(version)s")
def cli() -> None:
    """Quantizes OpenVINO models to INT8: nearly as accurate, much faster, in minutes, without retraining.

    Exit codes: 0: all is well; 1: a result is worse than wanted, or models differ; 2: what you gave is wrong;
    70: irquant itself failed (see --report-fault of the commands); 130: interrupted.
    """


cli.add_command(quantize_command)
cli.add_command(analyze_command)
cli.add_command(explain_command)
cli.add_command(config_command)
cli.add_command(inspect_command)
cli.add_command(diff_command)
cli.add_command(compare_command)
cli.add_command(opt_command)
cli.add_command(targets_command)
cli.add_command(zoo_command)


@cli.command("demo")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Keep both models in this folder."
)
def demo_command(output: Path | None) -> None:
    """Quantizes a small trained network and compares FP32 with INT8 on this machine."""
    from irquant.tools.demo.demo import demo  # here: it brings the tables with it

    demo(output)


def run(arguments: list[str]) -> int:
    """Runs the command line; gives the exit code: 0, 1 (a result that is worse than wanted), 2 (a mistake), 70, 130."""
    asked = Asked()
    try:
        return int(cli.main(arguments, prog_name="irquant", standalone_mode=False, obj=asked) or 0)
    except click.ClickException as error:
        return _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted; nothing was written")
        return INTERRUPTED
    except Exception as error:
        return tell_fault(error, asked, arguments) if is_internal(error) else _complain(complaint(error))


def _complain(message: str) -> int:
    """Prints one line, with control characters made visible."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {printable(' '.join(message.split()))}", err=True)
    return USER_ERROR
