"""The command `irquant`. User errors are one line and exit code 2; anything else is ours: two lines, exit code 70.

A command's module is imported when the command is called: the help of `irquant` itself needs none of them.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

import click

from irquant.tools.terminal.fault_request import FaultRequest

USER_ERROR, INTERRUPTED = 2, 130
#: Command -> what the list of commands says of it. `NAME_command` is in a module of its name in `commands`.
COMMANDS: Mapping[str, str] = {
    "analyze": "Shows which layers of a model rounding to INT8 hurts most.",
    "compare": "Runs two models on the same samples and compares them.",
    "config": "Checks and shows configurations.",
    "demo": "Quantizes a small trained network and compares FP32 with INT8 on this machine.",
    "diff": "Shows how one model differs from another: layers, attributes, constants.",
    "explain": "Shows which layers of a model would run in int8, and why the others would not.",
    "inspect": "Shows what is in a model: inputs and outputs, operations, constants by type.",
    "opt": "Runs passes on a model in the order given, and prints or writes what comes out.",
    "quantize": "Quantizes a model to INT8.",
    "targets": "Lists the targets that come with irquant.",
    "zoo": "Quantizes many models: `irquant zoo BATCH.yaml`.",
}


class _Commands(click.Group):
    """The commands of the table, each imported when it is wanted."""

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

    Exit codes: 0: all is well; 1: a result is worse than wanted, or models differ; 2: what you gave is wrong;
    70: irquant itself failed (see --report-fault of the commands); 130: interrupted.
    """


def run(arguments: list[str]) -> int:
    """Runs the command line; gives the exit code: 0, 1 (a result that is worse than wanted), 2 (a mistake), 70, 130."""
    wanted = FaultRequest()
    try:
        return int(cli.main(arguments, prog_name="irquant", standalone_mode=False, obj=wanted) or 0)
    except click.ClickException as error:
        return _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted; nothing was written")
        return INTERRUPTED
    except Exception as error:
        from irquant.passes.infra.internal_errors import complaint, is_internal
        from irquant.tools.terminal.internal_errors import tell_fault

        return tell_fault(error, wanted, arguments) if is_internal(error) else _complain(complaint(error))


def _complain(message: str) -> int:
    """Prints one line, with control characters made visible."""
    from irquant.ir import printable

    click.echo(f"{click.style('error:', fg='red', bold=True)} {printable(' '.join(message.split()))}", err=True)
    return USER_ERROR
