"""`--help` lists the options of a command by purpose.

Why not a library: rich-click breaks long names and lists of values in the middle, and needs 0.08 s more to start. cloup
needs 0.05 s more, and keeps the options of a group in the group itself, so that two commands cannot share one.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar

import click

#: A short option with an equals sign, which click takes as a part of the value.
_SHORT = re.compile(r"^(-[A-Za-z])=")
_Command = TypeVar("_Command", bound=Callable[..., Any])


class HelpGroup(StrEnum):
    """The purposes of options, in the order of the help."""

    INPUT = "Input"
    OUTPUT = "Output"
    DATA = "Data"
    IMAGES = "Images"
    QUANTIZATION = "Quantization"
    ACCURACY = "Accuracy"
    SPEED = "Speed"
    PASSES = "Passes"
    FORMER = "As in the original tools (mo, pot)"
    GENERAL = "General"


class GroupedOption(click.Option):
    """An option with its group.

    Attributes:
        group: The heading that the help lists it under.
    """

    def __init__(self, *args: Any, group: HelpGroup, **others: Any) -> None:
        super().__init__(*args, **others)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose help lists the options by group; those of click itself are general."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Takes `-o=FILE` like `-oFILE`, as pot did, and says what arguments that are too many may mean."""
        takes_any, ctx.allow_extra_args = ctx.allow_extra_args, True
        rest = super().parse_args(ctx, [_SHORT.sub(r"\1", each) for each in args])
        ctx.allow_extra_args = takes_any
        if rest and not takes_any and not ctx.resilient_parsing:
            from irquant.tools.terminal.extra_arguments import about_extra_arguments  # here: rarely needed

            raise click.UsageError(about_extra_arguments(rest, ctx.params), ctx)
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes a section for each group that has options."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        for group in HelpGroup:
            records = [each.get_help_record(ctx) for each in options if _group_of(each) is group]
            if shown := [record for record in records if record]:
                with formatter.section(group):
                    formatter.write_dl(shown)


def _group_of(option: click.Option) -> HelpGroup:
    return option.group if isinstance(option, GroupedOption) else HelpGroup.GENERAL


def grouped_option(group: HelpGroup, *names: str, **others: Any) -> Callable[[_Command], _Command]:
    """An option of a `GroupedCommand`.

    Args:
        group: The heading that the help lists it under.
        names: As for `click.option`.
        others: As for `click.option`.
    """
    return click.option(*names, cls=GroupedOption, group=group, **others)
