"""irquant itself fails: what the user is told, and how it ends."""

from collections.abc import Callable
from pathlib import Path

import pytest

from irquant.ir import UserError
from irquant.tools.cli import run

Told = Callable[..., list[str]]
WORDS = "this is an error in irquant, not in your input"
FAILED = "internal error: pass 'set-ranges' failed: ZeroDivisionError: a bug"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Told:
    """Runs a command with something broken; gives the lines on standard error."""

    def run_broken(place: str, *arguments: object) -> list[str]:
        def broken(*_: object, **__: object) -> int:
            message = "a bug"
            raise ZeroDivisionError(message)

        monkeypatch.setattr(place, broken)
        assert run([str(each) for each in arguments]) == 70
        captured = capfd.readouterr()
        assert captured.out == ""
        return captured.err.splitlines()

    return run_broken


PASS = "irquant.passes.transforms.set_ranges.SetRanges.run"


def test_two_lines_say_whose_fault_it_is_and_what_to_do(told: Told, model: Path, arrays: Path, tmp_path: Path) -> None:
    lines = told(PASS, "quantize", model, "--data", arrays, "-o", tmp_path / "o.xml")
    assert lines == [
        FAILED,
        f"{WORDS}: please run again with --report-fault DIR, and report what it writes (the layers around the error "
        "without weights, versions, options); -v shows the traceback",
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_reproduction_is_written_on_request(told: Told, model: Path, arrays: Path, tmp_path: Path) -> None:
    folder = tmp_path / "fault"
    lines = told(PASS, "quantize", model, "--data", arrays, "-o", tmp_path / "o.xml", "--report-fault", folder)
    assert lines == [FAILED, f"{WORDS}: please check the files in {folder}, and report it with them"]
    assert f"command: irquant quantize {model} --data {arrays} " in (folder / "fault.txt").read_text()


def test_the_traceback_is_shown_if_it_is_wanted(told: Told, model: Path, arrays: Path, tmp_path: Path) -> None:
    lines = told(PASS, "quantize", model, "--data", arrays, "-o", tmp_path / "o.xml", "-v")
    assert "ZeroDivisionError: a bug" in lines
    assert lines[-2] == FAILED


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (
            ["analyze", "MODEL", "--data", "DATA"],
            "irquant.passes.transforms.insert_fake_quantize.InsertFakeQuantize.run",
        ),
        (["explain", "MODEL"], "irquant.passes.transforms.plan_placement.plan_placement"),
        (["opt", "MODEL", "-p", "normalize"], "irquant.passes.transforms.normalize.Normalize.run"),
        (["compare", "MODEL", "MODEL", "--data", "DATA"], "irquant.tools.runs.compare.compare_models"),
    ],
)
def test_each_command_that_runs_passes_does_so(
    told: Told, command: list[str], place: str, model: Path, arrays: Path, tmp_path: Path
) -> None:
    paths = {"MODEL": str(model), "DATA": str(arrays)}
    lines = told(place, *(paths.get(word, word) for word in command), "--report-fault", tmp_path / "f")
    assert lines[0].startswith("internal error: ")
    assert lines[0].endswith("ZeroDivisionError: a bug")
    assert lines[1] == f"{WORDS}: please check the files in {tmp_path / 'f'}, and report it with them"
    assert (tmp_path / "f" / "fault.txt").is_file()


def test_a_folder_in_use_is_refused_before_anything_is_done(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("dear")
    assert run(["explain", str(model), "--report-fault", str(tmp_path)]) == 2
    said = f"error: {tmp_path}: exists and is not an empty folder; give a new one for the reproduction\n"
    assert capfd.readouterr() == ("", said)


def test_a_reproduction_that_cannot_be_written_is_told_in_the_second_line(
    told: Told, model: Path, arrays: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "f"
    lines = told(PASS, "analyze", model, "--data", arrays, "--report-fault", folder)
    assert lines[1] == f"{WORDS}; {folder}: the reproduction cannot be written: Not a directory"


def test_a_mistake_of_the_user_is_none_of_ours(
    model: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def mistaken(*_: object) -> int:
        message = "yours"
        raise UserError(message)

    monkeypatch.setattr("irquant.passes.transforms.normalize.Normalize.run", mistaken)
    assert run(["opt", str(model), "-p", "normalize"]) == 2
    assert capfd.readouterr() == ("", "error: yours\n")


def test_a_pass_of_the_users_own_that_fails_is_one_line(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "from irquant.passes import Pass\n"
        "class Mine(Pass):\n"
        "    name, requires, establishes, drops = 'mine', frozenset(), frozenset(), frozenset()\n"
        "    def run(self, graph, context):\n        return [][graph.nodes]\n"
    )
    assert run(["opt", str(model), "-p", f"{tmp_path}/mine.py:Mine"]) == 2
    said = capfd.readouterr().err
    failed = "pass 'mine' failed: TypeError: list indices must be integers or slices, not method"
    assert said == f"error: {failed} ({tmp_path}/mine.py:5)\n"


def test_a_reproduction_is_a_model_once_it_is_filled(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["opt", str(model)]) == 0
    (tmp_path / "m.txt").write_text(capfd.readouterr().out)
    assert run(["opt", str(tmp_path / "m.txt")]) == 2
    assert run(["opt", str(tmp_path / "m.txt"), "--fill", "-p", "normalize"]) == 0
