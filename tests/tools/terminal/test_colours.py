"""Colours: on terminals only, and not if the user sets NO_COLOR."""

import os
import pty
import subprocess
import sys

import click
import pytest

from irquant.tools.terminal.colours import coloured, wants_colour


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("o.xml: good (no loss)", "o.xml: \x1b[32m\x1b[1mgood\x1b[0m (no loss)"),
        ("  y: 9.0 dB, cosine 1: poor (a loss)", "  y: 9.0 dB, cosine 1: \x1b[31m\x1b[1mpoor\x1b[0m (a loss)"),
        (
            "o.xml: unknown, since the data look wrong: x",
            "o.xml: \x1b[31m\x1b[1munknown, since the data look wrong\x1b[0m: x",
        ),
        ("warning: few samples", "\x1b[33m\x1b[1mwarning:\x1b[0m few samples"),
        ("next: nothing to do", "\x1b[36m\x1b[1mnext:\x1b[0m nothing to do"),
        ("NOT REACHED: the metrics", "\x1b[31m\x1b[1mNOT REACHED:\x1b[0m the metrics"),
        ("size: 1 MB", "size: 1 MB"),
        ("data: goodies", "data: goodies"),
    ],
)
def test_verdicts_and_warnings_stand_out(line: str, shown: str) -> None:
    assert coloured(line) == shown
    assert click.unstyle(shown) == line


def test_the_user_may_switch_them_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert wants_colour() is False
    monkeypatch.setenv("NO_COLOR", "")
    assert wants_colour() is None


@pytest.mark.parametrize(("more", "has_colour"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_has_them_unless_the_user_wants_none(more: dict[str, str], has_colour: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | more
    command = [sys.executable, "-m", "irquant", "inspect", "gone.xml"]
    done = subprocess.run(command, stdout=theirs, stderr=theirs, check=False, env=environment)
    os.close(theirs)
    said = os.read(ours, 1000).decode()
    os.close(ours)
    assert done.returncode == 2
    assert click.unstyle(said).strip() == "error: gone.xml: no such file"
    assert ("\x1b" in said) is has_colour
