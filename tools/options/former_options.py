"""Options of former tools that have no effect in irquant, or that it refuses with what to write instead."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import click

from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.note import Note

#: An option as it was given, and what to write instead.
Refusal: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class FormerOption:
    """An option of a former tool.

    Attributes:
        names: Its names, the first one for messages.
        takes: What its value is; empty: it takes none.
        default: The value if the name stands alone; empty: the value is required.
        instead: What to do instead, if the option is refused.
        write: The option to write instead, with the same value, if the option is refused.
        note: Why it has no effect, if the user should know.
        unasked: The value, in lower case, that asks for nothing.
    """

    names: tuple[str, ...]
    takes: str = ""
    default: str = ""
    instead: str = ""
    write: str = ""
    note: str = ""
    unasked: str = ""

    @property
    def variable(self) -> str:
        """The name of the parameter."""
        return "former_" + self.names[0].lstrip("-").replace("-", "_")

    def option(self) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """The option for the command line; the help does not list it."""
        if not self.takes:
            return click.option(*self.names, self.variable, is_flag=True, hidden=True)
        alone: dict[str, Any] = {"is_flag": False, "flag_value": self.default} if self.default else {}
        return click.option(*self.names, self.variable, hidden=True, **alone)


def former_options(command: Callable[..., Any], options: Sequence[FormerOption]) -> Callable[..., Any]:
    """Adds options to a command.

    The command gets `notes`: why some of the given ones have no effect, and `refused`: those that cannot be taken over,
    each with what to write instead. The innermost command refuses all of them at once (see `refuse`).
    """

    @functools.wraps(command)
    def with_former(*, notes: tuple[str, ...] = (), refused: tuple[Refusal, ...] = (), **others: Any) -> Any:
        values = {each: others.pop(each.variable) for each in options}
        given = [each for each, value in values.items() if value and str(value).lower() != each.unasked]
        for each in given:
            if instead := each.instead or (each.write and f"write {each.write} {values[each]}"):
                refused = (*refused, (each.names[0], instead))
        said = (Note(f"{each.names[0]} has no effect: {each.note}") for each in given if each.note)
        return command(notes=(*notes, *said), refused=refused, **others)

    result: Callable[..., Any] = with_former
    for each in reversed(options):
        result = each.option()(result)
    return result


def refuse(refused: Iterable[Refusal]) -> None:
    """Refuses options, all at once.

    Raises:
        ConfigError: there are any.
    """
    by_reason: dict[str, list[str]] = {}
    for name, instead in refused:
        by_reason.setdefault(instead, []).append(name)
    if by_reason:
        raise ConfigError("; ".join(f"{', '.join(names)}: {instead}" for instead, names in by_reason.items()))
