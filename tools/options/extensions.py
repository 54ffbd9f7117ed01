"""Extensions of the runtime with operations that are not in OpenVINO: `--extension`."""

from collections.abc import Callable
from typing import Any

from irquant.tools.options.completion import words_or_files
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option


def extension_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the option to a command, which gets `extension`, the texts."""
    option = grouped_option(
        HelpGroup.INPUT,
        "--extension",
        multiple=True,
        metavar="FILE",
        shell_complete=words_or_files(),
        help="The library of an extension, for operations that are not in OpenVINO; or file.py:Class. May be repeated.",
    )
    return option(command)
