"""Options for placement by measured latency."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from irquant.passes.tuning.goals import SECONDS, TuningGoals
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option

_OPTIONS = (
    grouped_option(
        HelpGroup.SPEED,
        "--tune",
        is_flag=True,
        help="Measure latency here, and leave layers in float that are faster so.",
    ),
    grouped_option(
        HelpGroup.SPEED,
        "--tuning",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="With --tune: save the choice (.json). Without: take it from there (.json or .yaml), and measure nothing.",
    ),
    grouped_option(
        HelpGroup.SPEED,
        "--tune-seconds",
        type=float,
        metavar="S",
        help=f"How long to measure; compilation of up to six models comes on top.  [default: {SECONDS:g}]",
    ),
)


def tuning_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command, which gets them as `tuning`: the goals, or None."""

    @functools.wraps(command)
    def with_goals(*, tune: bool, tuning: Path | None, tune_seconds: float | None, **others: object) -> Any:
        return command(tuning=TuningGoals.of(tune=tune, file=tuning, seconds=tune_seconds), **others)

    for option in reversed(_OPTIONS):
        with_goals = option(with_goals)
    return with_goals
