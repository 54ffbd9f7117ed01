"""`irquant targets`: the devices that irquant supports, and checks of your own target files."""

import click

from irquant.targets import check_target, load_target, target_names, target_text


@click.group("targets", invoke_without_command=True)
@click.pass_context
def targets_command(context: click.Context) -> None:
    """Lists the targets that ship with irquant."""
    if context.invoked_subcommand is None:
        for name in target_names():
            target = load_target(name)
            aliases = f"; also called {', '.join(target.aliases)}" if target.aliases else ""
            click.echo(f"{name:10} {target.description}{aliases}")


@targets_command.command("show")
@click.argument("name")
def show_command(name: str) -> None:
    """Prints the file of target NAME: what it runs in int8, with which ranges, and why."""
    click.echo(target_text(name), nl=False)


@targets_command.command("check")
@click.argument("file")
def check_command(file: str) -> None:
    """Checks your own target FILE (.yaml)."""
    target = check_target(file)
    counts = f"rules: {len(target.rules)}, specs: {len(target.specs)}"
    click.echo(f"{file}: target '{target.name}' is fine: device {target.device}, {counts}")
