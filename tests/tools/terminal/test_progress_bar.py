"""Progress on a terminal and in a notebook."""

import io
import sys
import types
from functools import partial

import pytest

from irquant.passes.infra.progress import no_progress
from irquant.tools.terminal import progress_bar as module
from irquant.tools.terminal.progress_bar import progress_bar
from irquant.tools.terminal.progress_lines import ProgressLines


class Terminal(io.StringIO):
    """Standard error, as a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def test_a_terminal_shows_a_task_with_its_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress_bar(no_progress) as progress:
        progress("calibrating", 3, 40)
        progress("checking the result", 0, None)
    shown = terminal.getvalue()
    assert "3 of 40" in shown
    assert "checking the result" in shown
    assert "0 of" not in shown
    assert "0/" not in shown


def test_a_notebook_without_widgets_gets_lines_and_no_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    now = iter(range(0, 100, 2))
    monkeypatch.setattr(module, "ProgressLines", partial(ProgressLines, last=0.0))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with progress_bar(no_progress) as progress:
        for done in range(7):  # two seconds each
            progress("calibrating", done, 40)
    assert capsys.readouterr().err == "calibrating: 3 of 40\ncalibrating: 6 of 40\nfinished\n"


def test_without_a_terminal_progress_goes_elsewhere() -> None:
    with progress_bar(no_progress) as progress:
        assert progress is no_progress
