"""The help of a command lists its options by purpose."""

import re

import click
import pytest

from irquant.tools.cli import COMMANDS, cli, run
from irquant.tools.terminal.help_groups import GroupedOption, HelpGroup


def commands() -> dict[str, click.Command]:
    """All commands, also those of groups, by what a user types."""
    context, found = click.Context(cli), dict[str, click.Command]()
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = command
        if isinstance(command, click.Group):
            found |= {f"{name} {each}": inner for each, inner in command.commands.items()}
    return found


ALL = commands()


def sections(words: str, capfd: pytest.CaptureFixture[str]) -> dict[str, str]:
    """The help of a command: heading -> text."""
    assert run([*words.split(), "--help"]) == 0
    parts = re.split(r"^(\S.*):$", capfd.readouterr().out, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("words", ALL)
def test_every_option_has_a_group(words: str) -> None:
    options = [each for each in ALL[words].params if isinstance(each, click.Option) and not each.hidden]
    assert [each.name for each in options if not isinstance(each, GroupedOption)] == []


def test_the_options_of_quantize_are_in_order_of_purpose(capfd: pytest.CaptureFixture[str]) -> None:
    found = sections("quantize", capfd)
    assert list(found) == [each.value for each in HelpGroup if each is not HelpGroup.PASSES]
    assert {"--data SOURCE", "--samples N"} <= {*re.findall(r"^  (\S+ \S+)", found["Data"], re.MULTILINE)}
    assert "--resize-filter" in found["Images"]
    assert "--pot-layout" in found["As in the original tools (mo, pot)"]
    assert "-h, --help" in found["General"]


def test_two_commands_share_options_and_keep_their_own(capfd: pytest.CaptureFixture[str]) -> None:
    assert "--per-layer" in sections("compare", capfd)["Accuracy"]
    assert "--per-layer" not in sections("quantize", capfd)["Accuracy"]
    assert "--json" in sections("diff", capfd)["General"]


@pytest.mark.parametrize("words", ALL)
def test_help_points_to_what_is_there(words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run([*words.split(), "--help"]) == 0
    shown = capfd.readouterr().out
    assert "see below" not in shown, "options are last"
    if "see above" in shown or "example above" in shown:
        assert "SOURCE, of --data" in shown
