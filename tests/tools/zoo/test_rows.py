"""The rows of a batch, and what the console says of them."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from irquant.tools.zoo.batch_file import Entry, Expected
from irquant.tools.zoo.display import Display, display, failures, print_rows, totals
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.plan import plan_jobs
from irquant.tools.zoo.record import Figures, LatencyFigures, Record, State
from irquant.tools.zoo.rows import Row, row_of

Capture = pytest.CaptureFixture[str]


def job(expect: dict[str, Any] | None = None, folder: Path = Path("results"), key: dict[str, str] | None = None) -> Job:
    entry = Entry(model="/models/m.xml", expect=Expected.model_validate(expect or {}))
    return Job("m", entry, "/data/d.npz", folder, folder / "m.xml", key or {})


def row(expect: dict[str, Any] | None = None, **more: Any) -> Row:
    """The row of a model that was quantized."""
    found = {"int8": 4, "executed": 4, "output": "y", "sqnr": 25.0, "verdict": "fair", "good_from": 27.1, "held_out": 2}
    sizes = {"bytes_before": 4000, "bytes_after": 1000, "samples": 19, "warnings": []}
    figures = Figures.model_validate({**found, **sizes, **more})
    return row_of(job(expect), Record(state=State.DONE, figures=figures, seconds=2.0, peak_mb=150.0))


def test_a_row_says_what_it_is_about_and_what_the_verdict_rests_on() -> None:
    found = row()
    assert (found.model, found.data, found.verified) == ("/models/m.xml", "/data/d.npz", True)
    assert (found.held_out, found.good_from, found.few_samples) == (2, 27.1, "few samples: 2")
    assert row(held_out=8).few_samples == ""
    assert row(held_out=0, verdict=None, sqnr=None).few_samples == ""


@pytest.mark.parametrize(
    ("verdict", "wanted", "said"),
    [
        ("good", "good", ""),
        ("good", "fair", ""),
        ("fair", "fair", ""),
        ("fair", "good", "verdict is fair, expected good"),
        ("poor", "fair", "verdict is poor, expected fair or better"),
        ("unknown", "fair", "verdict is unknown, expected fair or better"),
    ],
)
def test_a_verdict_may_be_expected(verdict: str, wanted: str, said: str) -> None:
    found = row({"verdict": wanted}, verdict=verdict)
    assert (found.state, found.message) == ("missed" if said else "done", said)


def test_what_is_not_known_says_why() -> None:
    assert row({"int8_share": 0.5}, int8=None, executed=None).message == (
        "int8_share is not known, since this machine lacks the device (run it on one that has it, or leave int8_share "
        "out), expected 0.5 or more"
    )
    unseen = {"output": None, "sqnr": None, "verdict": None, "held_out": 0}
    assert row({"sqnr": 9, "verdict": "fair"}, **unseen).message == (
        "sqnr is not known without held-out samples (give 9 samples or more), expected 9 or more; "
        "verdict is not known without held-out samples (give 9 samples or more), expected fair or better"
    )


def test_the_console_tells_of_few_samples_warnings_latency_and_unknown_devices(capfd: Capture) -> None:
    times = LatencyFigures(float_ms=5.0, int8_ms=6.25, threads=1, at_a_time=2)
    slow = row(warnings=["the INT8 model may be no faster", "mind the gap"], latency=times)
    with display(1, 3) as shown:
        shown.started(job())
        shown.finished(slow)
        shown.finished(row(int8=None, executed=None, held_out=30))
    assert capfd.readouterr().err.splitlines() == [
        "m: started",
        "[2/3] m: done in 2.0 s: 100% int8, worst output 25.0 dB (fair; few samples: 2), 5 -> 6.25 ms, 2 warnings",
        "[3/3] m: done in 2.0 s: int8 not verified, worst output 25.0 dB (fair)",
    ]
    print_rows([slow, row(int8=None, executed=None)])
    head, first, second, last = (" ".join(line.split()) for line in capfd.readouterr().out.splitlines())
    assert head == "model state int8 worst output smaller latency seconds peak MB warnings metric message"
    assert first == "m done 100% 25.0 dB (fair; few samples: 2) 4.0x 5 -> 6.25 ms 2.0 150.0 2"
    assert second == "m done not verified 25.0 dB (fair; few samples: 2) 4.0x 2.0 150.0"
    assert last == (
        "latency: measured while up to 2 models ran at a time, each on its share of the cores: measure a model alone "
        "before you decide (irquant compare)"
    )
    print_rows([row()])
    assert " ".join(capfd.readouterr().out.splitlines()[0].split()) == head, "the columns are always the same"


def test_ignored_names_that_match_nothing_are_always_shown(capfd: Capture) -> None:
    with display(0, 2) as shown:
        shown.finished(row(warnings=["ignored: 'hed' matches no operation of the model; did you mean 'head'?", "more"]))
        shown.remind(row(warnings=["ignored: 'x' matches no operation of the model"]))
    assert capfd.readouterr().err.splitlines()[1:] == [
        "m: warning: ignored: 'hed' matches no operation of the model; did you mean 'head'?",
        "m: warning: ignored: 'x' matches no operation of the model",
    ]


def test_outputs_that_nobody_checked_are_told_as_such(capfd: Capture) -> None:
    print_rows([row(output=None, sqnr=None, verdict=None, held_out=0)])
    assert "not checked" in capfd.readouterr().out


def test_the_totals_say_what_ran_and_what_became_of_it() -> None:
    done = row().model_copy(update={"ran": True, "why": "new"})
    old = row().model_copy(update={"why": "up to date"})
    lost = Row(name="x", state=State.FAILED, why="cannot run: no data", message="no data")
    assert totals([done, old, lost, lost]) == "4 models: 1 ran, 1 up to date, 2 could not run; 2 done, 2 failed"
    assert list(failures([done, lost, old, lost.model_copy(update={"name": "y"})])) == ["x, y: failed: no data"]
    many = [lost.model_copy(update={"name": f"m{number}"}) for number in range(9)]
    assert list(failures(many)) == ["m0, m1, m2, m3, m4 and 4 more: failed: no data"]


def test_a_terminal_names_running_models_and_what_is_being_done() -> None:
    bar = Progress(console=Console(force_terminal=True, file=io.StringIO()), auto_refresh=False)
    shown = Display(0, 2, bar)
    shown.phase(job(), "too late")
    shown.started(job())
    shown.phase(job(), "calibrating")
    assert [each.description for each in bar.tasks] == ["all", "m: calibrating"]
    shown.finished(row())
    assert [each.description for each in bar.tasks] == ["all"]


def test_a_plan_names_changes_as_a_batch_file_does(tmp_path: Path) -> None:
    before = {"accuracy": '{"max_drop": 0.01, "seconds": null}', "pictures.size": "null", "preset": '"mixed"'}
    Record(state=State.DONE, origin=before).write(tmp_path / "m.json")
    after = {"accuracy": '{"max_drop": 0.1, "seconds": null}', "pictures.size": "[4, 4]", "preset": '"mixed"'}
    (planned,) = plan_jobs([job(folder=tmp_path, key=after)])
    assert planned.reason == "changed: max_drop, size"
    (planned,) = plan_jobs([job(folder=tmp_path, key=before | {"accuracy": "null", "metric": "new"})])
    assert planned.reason == "changed: metric"
