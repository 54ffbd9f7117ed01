"""The command `irquant`. User errors are one line and exit code 2; internal errors are two lines and exit code 70.

A command's module is imported when the command is called: the help of `irquant` itself needs none of them.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

import click

from irquant.tools.terminal.fault_request import FaultRequest

USER_ERROR, INTERRUPTED = 2, 130
#: Command -> its line in the list of commands. `NAME_command` is in the module `commands/NAME.py`.
COMMANDS: Mapping[str, str] = {
    "analyze": "Ranks the layers of a model by their sensitivity to INT8 rounding.",
    "compare": "Runs two models on the same samples and compares them.",
    "config": "Checks and shows configurations.",
    "demo": "Quantizes a small trained network and compares FP32 with INT8 on this machine.",
    "diff": "Shows how one model differs from another: layers, attributes, constants.",
    "explain": "Shows which layers of a model would run in int8, and why the others would not.",
    "inspect": "Shows the contents of a model: inputs and outputs, operations, constants by type.",
    "opt": "Runs passes on a model in the given order, and prints or writes the result.",
    "quantize": "Quantizes a model to INT8.",
    "targets": "Lists the targets that ship with irquant.",
    "zoo": "Quantizes many models: `irquant zoo BATCH.yaml`.",
}


class _Commands(click.Group):
    """The commands of the table, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"irquant.tools.commands.{cmd_name}")
        return cast(click.Command, getattr(module, f"{cmd_name}_command"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="irquant", prog_name="irquant", message="%(prog)s %(version)s")
def cli() -> None:
    """Quantizes OpenVINO models to INT8: nearly as accurate, much faster, in minutes, without retraining.

    Exit codes: 0: success; 1: a result is worse than required, or models differ; 2: an error in what you gave;
    70: irquant itself failed (see --report-fault of the commands); 130: interrupted.
    """


def run(arguments: list[str]) -> int:
    """Runs the command line and returns its exit code; the help of `irquant` lists them."""
    request = FaultRequest()
    try:
        return int(cli.main(arguments, prog_name="irquant", standalone_mode=False, obj=request) or 0)
    except click.ClickException as error:
        return _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted; nothing was written")
        return INTERRUPTED
    except Exception as error:
        from irquant.passes.infra.internal_errors import complaint, is_internal
        from irquant.tools.terminal.internal_errors import tell_fault

        return tell_fault(error, request, arguments) if is_internal(error) else _complain(complaint(error))


def _complain(message: str) -> int:
    """Prints one line, with control characters made visible."""
    from irquant.ir import printable

    click.echo(f"{click.style('error:', fg='red', bold=True)} {printable(' '.join(message.split()))}", err=True)
    return USER_ERROR
