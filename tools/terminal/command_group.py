"""Commands that hold other commands, such as `irquant` itself and `irquant zoo`."""

import click

from irquant.tools.terminal.help_groups import GroupedCommand


class CommandGroup(GroupedCommand, click.Group):
    """A group that prints its help if it is called alone, and the whole first sentence of each command's help.

    click 8.2 and later call that a wrong use: help on standard error, exit code 2. Whoever types the bare name asks
    what there is, which is no error: like `--help`, help goes to standard output, and the exit code is 0.
    """

    command_class = GroupedCommand

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Asks for help if nothing else is asked for."""
        is_alone = not args and not self.invoke_without_command and not ctx.resilient_parsing
        return super().parse_args(ctx, ["--help"] if is_alone else args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command; suggests a similar one if there is none of this name."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchOption:
            raise
        except click.UsageError as error:
            from irquant.ir.suggestions import closest, did_you_mean  # here: rarely needed

            problem = f"no such command: {args[0]}"
            if instead := self.instead_of(args):
                message = f"{problem}; {instead}"
                raise click.UsageError(message, ctx) from error
            there = f"{ctx.command_path} --help lists the commands"
            message = did_you_mean(problem, closest(args[0], self.list_commands(ctx)), there)
            raise click.UsageError(message, ctx) from error

    def instead_of(self, args: list[str]) -> str:
        """What to write instead of arguments that begin with no command; empty: nothing is known about them."""
        return ""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands; click would cut the sentences off at the width of the terminal."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.summary(ctx, name)) for name in self.list_commands(ctx)])

    def summary(self, ctx: click.Context, name: str) -> str:
        """A command in one sentence."""
        command = self.get_command(ctx, name)
        assert command is not None, "it is in the list"
        return command.get_short_help_str(limit=1000)
