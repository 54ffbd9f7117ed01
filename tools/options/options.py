"""Options of all commands that plan or quantize: configuration, preset, target, ignored layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from irquant.tools.options.completion import presets, targets, words_or_files
from irquant.tools.sources.drops import Drop, drop_of
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option


def _lower(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    return text.lower() if text else text


_Command = TypeVar("_Command", bound=Callable[..., Any])

#: For commands that plan for a device.
target_option = grouped_option(
    HelpGroup.QUANTIZATION,
    "--target",
    metavar="TARGET",
    shell_complete=targets,
    help="A target's name or alias, or a target file (.yaml); see `irquant targets`.  [default: cpu]",
)

_OPTIONS = (
    grouped_option(
        HelpGroup.INPUT,
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="A configuration file (.json or .yaml).",
    ),
    target_option,
    grouped_option(
        HelpGroup.QUANTIZATION,
        "--preset",
        callback=_lower,
        metavar="PRESET",
        shell_complete=presets,
        help="performance (symmetric activations), mixed (asymmetric activations) or accuracy (also asymmetric "
        "weights, if the target runs them in int8).  [default: mixed for transformers; else each activation gets "
        "the better of both modes where the target runs them equally fast, and a symmetric range elsewhere]",
    ),
    grouped_option(
        HelpGroup.QUANTIZATION,
        "--ignored",
        multiple=True,
        metavar="NAME",
        help="A layer that stays float; also a glob, or re:REGEX. May be repeated.",
    ),
)


def _drop(context: click.Context, parameter: click.Parameter, text: str | None) -> Drop | None:
    try:
        return None if text is None else drop_of(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


_METRIC_OPTIONS = (
    grouped_option(
        HelpGroup.ACCURACY,
        "--metric",
        multiple=True,
        metavar="FUNCTION",
        shell_complete=words_or_files(),
        help="Your own metric: module:function or file.py:function; see the example above. May be repeated, each with "
        "its own limit, as in module:function=0.02.",
    ),
    grouped_option(
        HelpGroup.ACCURACY,
        "--max-drop",
        callback=_drop,
        metavar="D",
        help="The largest allowed drop of a metric; 1% is --drop-type relative with 0.01.  [default: 0.01]",
    ),
    grouped_option(
        HelpGroup.ACCURACY,
        "--drop-type",
        type=click.Choice(["absolute", "relative"], case_sensitive=False),
        help="In the metric's unit, or as a share of the float model's value.  [default: absolute]",
    ),
    grouped_option(
        HelpGroup.ACCURACY,
        "--metric-data",
        metavar="SOURCE",
        shell_complete=words_or_files(),
        help="Samples that the functions get as second argument, after predict.",
    ),
    grouped_option(
        HelpGroup.ACCURACY,
        "--metric-samples",
        type=click.IntRange(1),
        metavar="N",
        help="How many of these samples to use at most.  [default: all]",
    ),
    grouped_option(
        HelpGroup.ACCURACY,
        "--metric-seconds",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="Start no further trial after this time.",
    ),
    grouped_option(
        HelpGroup.ACCURACY,
        "--resume",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Save each measurement (.jsonl), and do not repeat it: a stopped run continues where it was.",
    ),
)


#: For commands whose result makes a page.
page_option = grouped_option(
    HelpGroup.OUTPUT,
    "--report",
    "page",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a report: one .html file with figures and charts; takes more inferences.",
)


#: For commands that write files.
force_option = grouped_option(
    HelpGroup.OUTPUT,
    "--force",
    is_flag=True,
    help="Replace files that irquant did not make, too; those that it made are replaced anyway.",
)


def strict_option(text: str) -> Callable[[_Command], _Command]:
    """`--strict` with its help: when it makes the exit code 1."""
    return grouped_option(HelpGroup.ACCURACY, "--strict", is_flag=True, help=text)


def output_option(text: str, **others: Any) -> Callable[[_Command], _Command]:
    """`-o` with its help: the file of a result."""
    return grouped_option(
        HelpGroup.OUTPUT,
        "-o",
        "--output",
        "path",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=text,
        **others,
    )


def planning_options(command: _Command) -> _Command:
    """Adds the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def metric_options(command: _Command) -> _Command:
    """Adds the options about metrics to a command."""
    for option in reversed(_METRIC_OPTIONS):
        command = option(command)
    return command
