"""The option `--report-fault` of all commands that run passes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from irquant.tools.terminal.fault_request import FaultRequest
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option
from irquant.tools.terminal.importing import importing


def _take_folder(context: click.Context, _: click.Parameter, folder: Path | None) -> Path | None:
    if folder is not None:
        with importing():  # here: rarely given
            from irquant.passes.infra.internal_errors import check_fault_folder

        check_fault_folder(folder)
        context.ensure_object(FaultRequest).folder = folder
    return folder


def fault_option(*, expose: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """For commands that run passes.

    Args:
        expose: Whether the command gets the folder, as `report_fault`.
    """
    return grouped_option(
        HelpGroup.GENERAL,
        "--report-fault",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        callback=_take_folder,
        expose_value=expose,
        help="If irquant itself fails (exit code 70), write a small reproduction to this new folder, without weights.",
    )
