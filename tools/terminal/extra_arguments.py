"""What arguments may have been meant for that a command does not take."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from irquant.ir.listing import first_few

#: The most arguments that a message shows.
_MOST_SHOWN = 3
#: What web pages and word processors make of hyphens.
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212"
_CONFIGURATIONS = (".json", ".yaml", ".yml")


def about_extra_arguments(extra: Sequence[str], options: Mapping[str, object]) -> str:
    """The message about arguments that are too many.

    Args:
        extra: The arguments.
        options: The options of the command, with their values.
    """
    plural = "s" if len(extra) > 1 else ""
    return f"unexpected argument{plural}: {first_few(extra, _MOST_SHOWN)}{_hint(extra, options)}"


def _hint(extra: Sequence[str], options: Mapping[str, object]) -> str:
    if not all(extra):
        return "; an argument is empty: is a variable of the shell not set?"
    if dashed := next((each for each in extra if each[0] in _DASHES), ""):
        name = dashed.lstrip(_DASHES)
        return f"; '{dashed[0]}' is no hyphen: type {'--' if len(name) > 1 else '-'}{name}"
    if all(map(_is_number, extra)):
        return "; numbers of one option have commas between them, e.g. --mean 123.675,116.28,103.53"
    if len(extra) > 1:
        return "; if the shell made them of a glob, put quotes around it" if all(map(_exists, extra)) else ""
    [one] = extra
    if one.endswith(_CONFIGURATIONS) and "config" in options and options["config"] is None:
        return f"; did you mean -c {one}?"
    return f"; did you mean --data {one}?" if "data" in options and options["data"] is None else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False
