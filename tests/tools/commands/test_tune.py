"""`irquant tune`: the options of `irquant quantize`, and what a user sees."""

import json
import re
from pathlib import Path

import pytest

from irquant.tools.cli import run
from irquant.tools.commands.quantize import quantize_command
from irquant.tools.commands.tune import tune_command


def test_a_tuned_model_is_told_and_a_second_run_measures_nothing(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    tuning, outputs = tmp_path / "t.json", [tmp_path / "a.xml", tmp_path / "b.xml"]
    options = [str(model), "--data", str(arrays), "--tuning", str(tuning)]
    assert run(["tune", *options, "-o", str(outputs[0]), "--tune-seconds", "0.1"]) == 0
    said = capfd.readouterr().out
    count = len(json.loads(tuning.read_text())["float_layers"])
    assert f"tuned: {count} layers went back to float, as measured latency says" in said.splitlines()
    spread = r"[\d.e-]+ ms \(p10 [\d.e-]+, p90 [\d.e-]+\)"
    assert re.search(rf"  latency: float {spread}, before the tuning {spread}, tuned {spread}\n", said)
    assert re.search(
        r"one inference at a time on \d+ threads, \d+ of each in turn; floats are \w+, the default here", said
    )
    assert run(["quantize", *options, "-o", str(outputs[1]), "--json"]) == 0
    found = json.loads(capfd.readouterr().out)["tuning"]
    assert (len(found["float_layers"]), found["file"], found["times"]) == (count, str(tuning), None)
    assert len({path.read_bytes() for path in outputs}) == 1
    assert len({path.with_suffix(".bin").read_bytes() for path in outputs}) == 1


def test_scripts_get_what_was_measured(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["tune", str(model), "--data", str(arrays), "-o", str(tmp_path / "o.xml"), "--tune-seconds", "0.1"]
    page = tmp_path / "r.html"
    assert run([*command, "--json", "--report", str(page)]) == 0
    times = json.loads(capfd.readouterr().out)["tuning"]["times"]
    assert min(times["float_ms"], times["int8_ms"], times["tuned_ms"], times["rounds"], times["threads"]) > 0
    assert len(times["trials"]) <= 5
    text = page.read_text(encoding="utf-8")
    assert '<h2 id="tuning">The tuning</h2>' in text
    assert '<h2 id="latency">Latency</h2>' in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tuning", "t.txt"], "t.txt: the file of a tuning ends in .json, .yaml or .yml"),
        (["--tuning", "none.json"], "none.json: cannot be read: No such file or directory"),
        (["--tune-seconds", "3"], "--tune-seconds is the time to measure, and nothing is: give --tune, too"),
    ],
)
def test_wrong_options_are_one_line(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert run(["quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "o.xml"), *options]) == 2
    assert capfd.readouterr() == ("", f"error: {said}\n")
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_others_is_not_replaced(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "t.json"
    file.write_text("{}")
    options = ["--data", str(arrays), "-o", str(tmp_path / "o.xml"), "--tuning", str(file)]
    assert run(["tune", str(model), *options]) == 2
    assert capfd.readouterr().err == (
        f"error: {file}: exists, and irquant did not make it; give another path for the tuning, or add --force\n"
    )


def test_it_has_the_options_of_quantize_but_for_those_it_settles() -> None:
    ours, theirs = ({each.name for each in command.params} for command in (tune_command, quantize_command))
    assert theirs - ours == {"tune", "dry_run"}
    assert not ours - theirs
