"""Progress on a terminal and in a notebook."""

import io
import sys
import types

import pytest

from irquant.passes.infra.progress import no_progress
from irquant.tools.terminal import progress_bar as module
from irquant.tools.terminal.progress_bar import progress_bar


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
    monkeypatch.setattr("irquant.tools.terminal.progress_lines.EVERY", 0.0)
    with progress_bar(no_progress) as progress:
        assert progress is not no_progress
        progress("calibrating", 1, 2)
    assert "ipywidgets" not in capsys.readouterr().err


def test_without_a_terminal_progress_goes_elsewhere() -> None:
    with progress_bar(no_progress) as progress:
        assert progress is no_progress
