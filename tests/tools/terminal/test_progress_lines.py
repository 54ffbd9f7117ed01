"""Progress without a terminal."""

import pytest

from irquant.tools.terminal.progress_lines import ProgressLines


def test_a_short_run_prints_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    shown = ProgressLines()
    for done in range(100):
        shown.show("calibrating", done, 100)
    assert capsys.readouterr() == ("", "")


def test_a_long_run_prints_one_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter(range(0, 1000, 2))
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    shown = ProgressLines(every=30.0, last=0.0)
    for done in range(40):  # two seconds each, and the clock is read again for a line
        shown.show("calibrating", done, 40 if done < 20 else None)
    assert capsys.readouterr() == ("", "calibrating: 15 of 40\ncalibrating: 30\n")


def test_a_task_without_steps_is_named_without_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    ProgressLines(every=0.0).show("checking the result", 0, None)
    assert capsys.readouterr() == ("", "checking the result\n")


def test_a_task_of_which_a_line_was_printed_is_also_ended(capsys: pytest.CaptureFixture[str]) -> None:
    shown = ProgressLines(every=0.0)
    shown.show("correcting biases", 1, 3)
    shown.every = 1000.0
    for done in (2, 3, 3):
        shown.show("correcting biases", done, 3)
        shown.show("calibrating", done, 3)  # of which none was printed
    shown.close()
    assert capsys.readouterr().err == "correcting biases: 1 of 3\ncorrecting biases: 3 of 3\n"


def test_the_end_of_a_run_ends_tasks_that_have_no_last_step(capsys: pytest.CaptureFixture[str]) -> None:
    shown = ProgressLines(every=0.0)
    shown.show("checking the result", 0, None)
    shown.show("looking for a better model", 2, 16)
    shown.close()
    shown.close()
    assert capsys.readouterr().err == "checking the result\nlooking for a better model: 2 of 16\nfinished\n"
