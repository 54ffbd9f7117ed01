"""Commands that hold other commands, called alone."""

import click
import pytest

from irquant.tools.cli import COMMANDS, cli, run


@pytest.mark.parametrize("words", [[], ["zoo"], ["config"]])
def test_a_bare_group_prints_its_help_as_if_asked_for_it(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Standard output and exit code 0: whoever types the bare name asks what there is, and has made no mistake.

    click before 8.2 did the same; later versions print help on standard error, with exit code 2.
    """
    assert run(words) == 0
    alone = capfd.readouterr()
    assert run([*words, "--help"]) == 0
    assert alone == (capfd.readouterr().out, "")
    assert alone.out.startswith(f"Usage: {' '.join(['irquant', *words])} [OPTIONS] COMMAND [ARGS]...\n\n")


def test_a_bare_command_with_a_missing_argument_is_still_a_mistake(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect"]) == 2
    assert capfd.readouterr() == ("", "error: Missing argument 'MODEL'.\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_told_in_one_whole_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    context = click.Context(cli)
    command = cli.get_command(context, name)
    assert isinstance(command, click.Command)
    sentences = [COMMANDS[name]]
    if isinstance(command, click.Group):
        inner = click.Context(command)
        sentences += [each.get_short_help_str(limit=1000) for each in command.commands.values()]
        monkeypatch.setenv("COLUMNS", "40")  # narrow: nothing is cut off
        shown = " ".join(command.get_help(inner).split())
        assert all(sentence in shown for sentence in sentences[1:])
    for sentence in sentences:
        assert sentence[0].isupper()
        assert sentence.endswith(".") or sentence.endswith(").")
        assert sentence.count(". ") == 0
