"""What the commands that plan or quantize have in common: configuration, preset, target, what to leave alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from irquant.passes import Config, read_config
from irquant.targets import Target, load_target

_Command = TypeVar("_Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("-c", "--config", type=click.Path(path_type=Path), help="A configuration file (.json or .yaml)."),
    click.option("--target", help="A target's name, or a target file (.yaml).  [default: cpu]"),
    click.option(
        "--preset",
        help="performance (symmetric activations) or mixed (asymmetric).  [default: mixed for transformers, else "
        "performance]",
    ),
    click.option("--ignored", multiple=True, metavar="NAME", help="A layer to leave float; also a glob, or re:REGEX."),
)


def planning_options(command: _Command) -> _Command:
    """Adds the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def planned_by(
    config: Path | None, target: str | None, preset: str | None, ignored: tuple[str, ...], **others: object
) -> tuple[Config, Target]:
    """What the options say over what the configuration file says.

    Raises:
        UserError: the file or an option is wrong.
    """
    file = read_config(config) if config else None
    options = file.config.model_dump() if file else {}
    given = {name: value for name, value in {"preset": preset, **others}.items() if value is not None}
    scope = options.get("ignored", {}).get("scope", ())
    skipped = options.get("ignored", {}) | {"scope": (*scope, *ignored)}
    device = load_target(target or (file.target if file else "cpu"))
    return Config.checked(**options | given | {"ignored": skipped}), device
