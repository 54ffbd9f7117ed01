"""The command `irquant`. User errors are one line and exit code 2; internal errors are two lines and exit code 70.

A command's module is imported when the command is called: the help of `irquant` itself needs none of them.
"""

import shlex
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

import click

from irquant.ir.listing import first_few
from irquant.ir.spelling import spelt_with_flags
from irquant.tools.terminal.colours import tell_error, wants_colour
from irquant.tools.terminal.command_group import CommandGroup
from irquant.tools.terminal.fault_request import FaultRequest
from irquant.tools.terminal.interrupts import INTERRUPTS
from irquant.tools.terminal.streams import OutputError

USER_ERROR = 2
#: The exit code if standard output is closed or full.
_FAILED = 1
#: The most files that a message names, and its most characters.
_MOST_NAMED, _MOST_SAID = 4, 2000
#: The suffixes of models, by which one in place of a command is known.
_MODELS = (".xml", ".onnx", ".pb", ".tflite", ".pdmodel")
#: Command -> its line in the list of commands. `NAME_command` is in the module `commands/NAME.py`.
COMMANDS: Mapping[str, str] = {
    "analyze": "Ranks the layers of a model by their sensitivity to INT8 rounding.",
    "compare": "Runs two models on the same samples and compares them.",
    "compress": "Stores the weights of a model in 8 or 4 bits; activations stay floats.",
    "config": "Checks and shows configurations.",
    "demo": "Quantizes a small trained network and compares FP32 with INT8 on this machine.",
    "diff": "Shows how one model differs from another: layers, attributes, constants.",
    "explain": "Shows which layers of a model would run in int8, and why the others would not.",
    "inspect": "Shows the contents of a model: inputs and outputs, operations, constants by type.",
    "opt": "Runs passes on a model in the given order, and prints or writes the result.",
    "quantize": "Quantizes a model to INT8.",
    "targets": "Lists the targets that ship with irquant.",
    "tune": "Quantizes a model to INT8, and leaves layers in float that are faster so on this machine.",
    "zoo": "Quantizes many models: `irquant zoo BATCH.yaml`.",
}


class _Commands(CommandGroup):
    """The commands of the table, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"irquant.tools.commands.{cmd_name}")
        return cast(click.Command, getattr(module, f"{cmd_name}_command"))

    def summary(self, ctx: click.Context, name: str) -> str:
        return COMMANDS[name]

    def instead_of(self, args: list[str]) -> str:
        from irquant.tools.options.former_commands import FORMER_COMMANDS  # here: rarely needed

        if Path(args[0]).suffix in _MODELS:
            return f"did you mean `irquant quantize {shlex.join(args)}`?"
        return FORMER_COMMANDS.get(_dashed(args[0]), "")


def _dashed(name: str) -> str:
    """The name of an option or a value with dashes only: mo writes `--input_model`, pot writes `--output-dir`."""
    return name.replace("_", "-")


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100, "token_normalize_func": _dashed}


@click.group(cls=_Commands, context_settings=_SETTINGS)
@click.version_option(package_name="irquant", prog_name="irquant", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Quantizes OpenVINO models to INT8: nearly as accurate, much faster, in minutes, without retraining.

    Exit codes: 0: success; 1: a result is worse than required, or models differ; 2: an error in what you gave;
    70: irquant itself failed (see --report-fault of the commands); 71: the runtime ended the process;
    130: interrupted (143: by SIGTERM, 129: by SIGHUP).
    """
    from irquant.ir.stage import STAGE
    from irquant.ir.watched_files import watched_files

    context.color = wants_colour()
    request = context.ensure_object(FaultRequest)
    request.written = context.with_resource(watched_files())
    if request.tell:
        STAGE.tell(request.tell)
    INTERRUPTS.is_at_work = True


def run(arguments: list[str], tell: Callable[[str], None] | None = None) -> int:
    """Runs the command line and returns its exit code; the help of `irquant` lists them.

    Args:
        arguments: What follows the name of the program.
        tell: Takes what is running, in words (see `outlive`).
    """
    request = FaultRequest(tell=tell, arguments=arguments)
    if reason := _lost_folder():
        return _complain_plainly(f"the current folder cannot be used ({reason}): change to another one")
    try:
        with spelt_with_flags():
            return int(cli.main(arguments, prog_name="irquant", standalone_mode=False, obj=request) or 0)
    except click.NoSuchOption as error:
        return _complain(_about_option(error, arguments))
    except click.ClickException as error:
        return _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        return _interrupted(request)
    except OutputError as error:
        return _FAILED if error.is_unread else _complain(_with_written(str(error), request))
    except Exception as error:
        if INTERRUPTS.came:  # imports and foreign code may make another exception of it
            return _interrupted(request)
        from irquant.passes.infra.internal_errors import complaint, is_internal
        from irquant.tools.terminal.internal_errors import tell_fault

        if is_internal(error):
            return tell_fault(error, request)
        return _complain(_with_written(complaint(error), request))


def _about_option(error: click.NoSuchOption, arguments: list[str]) -> str:
    """The message about an unknown option, as the user typed it; one of `quantize` may stand without the command."""
    typed = next(
        (name for name in (word.partition("=")[0] for word in arguments) if _dashed(name) == error.option_name),
        error.option_name,
    )
    context = error.ctx
    if context and (meant := _with_two_dashes(arguments, context.command)):
        return f"no such option: {meant[1:]}; did you mean {meant}?"
    if context is None or context.parent is not None:
        return error.format_message().replace(error.option_name, typed, 1)
    quantize = cli.get_command(context, "quantize")
    assert quantize is not None, "it is in the table"
    known = {_dashed(name) for each in quantize.params for name in each.opts}
    meant = f"; did you mean `irquant quantize {shlex.join(arguments)}`?" if error.option_name in known else ""
    return f"no such option: {typed}{meant or '; irquant --help lists the commands'}"


def _with_two_dashes(arguments: list[str], command: click.Command) -> str:
    """A long option of a command that was typed with one dash only, with two; empty if there is none."""
    known = {name for each in command.params for name in each.opts if name.startswith("--")}
    return next((f"-{word}" for word in arguments if f"-{word}" in known), "")


def _interrupted(request: FaultRequest) -> int:
    going_on = "; the same command continues where it was" if request.resumes else ""
    _complain(f"interrupted; {_written(request) or 'nothing was written'}{going_on}")
    return INTERRUPTS.exit_code


def _lost_folder() -> str:
    """Why the current folder, and so every relative path, means nothing; empty if it does."""
    try:
        Path.cwd()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _written(request: FaultRequest) -> str:
    """Which files are new or changed, as the disk says; empty if none."""
    paths = request.written()
    return f"written: {first_few([*map(str, paths)], _MOST_NAMED)}" if paths else ""


def _with_written(message: str, request: FaultRequest) -> str:
    written = _written(request)
    return f"{message}; {written}" if written else message


def _complain(message: str) -> int:
    """Prints one line, with control characters made visible; names in it may be as long as files."""
    from irquant.ir.errors import printable, shortened

    return _complain_plainly(printable(" ".join(shortened(message, _MOST_SAID).split())))


def _complain_plainly(message: str) -> int:
    """Prints one line as it is, and imports nothing: in a lost folder, numpy cannot be imported."""
    tell_error(message)
    return USER_ERROR
