"""Batches of models, each in a process of its own: what comes out, what happens to those that fail, how runs go on."""

import contextlib
import html
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import psutil
import pytest
import yaml

from irquant.ir import read_model
from irquant.passes.calibration.fingerprint import model_fingerprint
from irquant.tools import demo

Undisturbed = Callable[[Path], dict[str, bytes]]

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-c", "from irquant.tools.start import main; main()", "zoo"]


@dataclass(frozen=True)
class Zoo:
    """A folder with the models a, b and c (all the same) and samples.npz.

    Attributes:
        folder: It.
    """

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "zoo_results"

    def batch(self, *models: dict[str, Any], defaults: dict[str, Any] | None = None, name: str = "batch.yaml") -> Path:
        """A batch file; without models, one over all of them."""
        listed = models or tuple({"model": f"{each}.xml"} for each in "abc")
        content = {"defaults": {"data": "samples.npz"} | (defaults or {}), "models": list(listed)}
        path = self.folder / name
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def code(self, text: str, name: str = "mine.py") -> None:
        """A module of the user's."""
        (self.folder / name).write_text(f"import numpy as np, os, signal, sys, time\nfrom pathlib import Path\n{text}")

    def run(self, *arguments: object, expected: int = 0, **more: Any) -> "subprocess.CompletedProcess[str]":
        """Runs `irquant zoo` from elsewhere."""
        command = [*COMMAND, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_paths(), **more)
        assert done.returncode == expected, done.stdout + done.stderr
        return done

    def start(self, *arguments: object, **more: Any) -> "subprocess.Popen[str]":
        """Begins to."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*COMMAND, *map(str, arguments)], text=True, cwd="/", **pipes, **_paths(), **more)  # type: ignore[call-overload, no-any-return]

    def rows(self, folder: Path | None = None) -> dict[str, dict[str, Any]]:
        """What stands in results.jsonl, by name."""
        lines = ((folder or self.results) / "results.jsonl").read_text().splitlines()
        return {row["name"]: row for row in map(json.loads, lines)}

    def models(self, folder: Path | None = None) -> dict[str, bytes]:
        """The files of the results."""
        found = sorted((folder or self.results).iterdir())
        return {path.name: path.read_bytes() for path in found if path.suffix in (".xml", ".bin")}

    def plan(self, *arguments: object, expected: int = 0) -> dict[str, str]:
        """What a dry run says of each model."""
        listed = json.loads(self.run(*arguments, "--dry-run", "--json", expected=expected).stdout)
        return {each["name"]: each["why"] for each in listed}


def _paths() -> dict[str, Any]:
    """The environment with paths that hold from anywhere."""
    given = os.environ.get("PYTHONPATH", "")
    paths = os.pathsep.join(str(Path(each).absolute()) for each in given.split(os.pathsep) if each)
    return {"env": os.environ | {"PYTHONPATH": paths}}


@pytest.fixture
def zoo(tmp_path: Path, model: Path, arrays: Path) -> Zoo:
    for name in "abc":
        for suffix in (".xml", ".bin"):
            (tmp_path / f"{name}{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    (tmp_path / "samples.npz").write_bytes(arrays.read_bytes())
    return Zoo(tmp_path)


@pytest.fixture
def undisturbed(zoo: Zoo) -> Undisturbed:
    """The files that a batch gives if nobody disturbs it."""

    def run(batch: Path) -> dict[str, bytes]:
        zoo.run(batch, "-o", zoo.folder / "undisturbed", "--jobs", 2)
        return zoo.models(zoo.folder / "undisturbed")

    return run


# -------------------------------------------------------------------------------------------------------- what comes out


def test_all_models_of_a_batch_are_quantized_as_one_by_one(zoo: Zoo) -> None:
    batch = zoo.batch({"model": "a.xml"}, {"name": "two", "model": "b.xml", "preset": "mixed", "samples": 12})
    done = zoo.run(batch)
    for name, more in (("a", []), ("two", ["--preset", "mixed", "--samples", "12"])):
        single = [*COMMAND[:-1], "quantize", "a.xml", "--data", "samples.npz", "-o", f"{name}.one.xml", *more]
        subprocess.run(single, check=True, capture_output=True, cwd=zoo.folder, **_paths())
        one = [(zoo.folder / f"{name}.one.{suffix}").read_bytes() for suffix in ("xml", "bin")]
        assert one == [zoo.models()[f"{name}.{suffix}"] for suffix in ("xml", "bin")]
    lines = done.stdout.splitlines()
    assert " ".join(lines[0].split()) == (
        "model state int8 worst output smaller latency seconds peak MB warnings metric message"
    )
    ratio = r"\d\d\.\d dB \(good; few samples: \d\)"
    assert re.match(rf"a +done +100%  {ratio} +\d\.\dx +\d+\.\d +\d+\.\d *$", lines[1])
    assert {"a: started", "two: started"} <= {*done.stderr.splitlines()}
    assert re.search(
        rf"^\[2/2\] \w+: done in \d+\.\d s: 100% int8, worst output {ratio}(, 1 warning)?$", done.stderr, re.M
    )
    row = zoo.rows()["two"]
    assert [each.partition(" samples")[0] for each in row["warnings"]] == ["only 12"]
    assert (row["model"], row["data"]) == (str(zoo.folder / "b.xml"), str(zoo.folder / "samples.npz"))
    assert (row["verified"], row["held_out"], row["good_from"] > 20) == (True, 1, True)
    assert (row["state"], row["verdict"], row["output"], row["attempts"]) == ("done", "good", "logits", 1)
    assert row["peak_mb"] > 50


def test_a_tuning_leaves_its_layers_float_and_its_change_redoes_the_model(zoo: Zoo) -> None:
    def tune(*layers: str) -> None:
        content = {"format": "irquant tuning", "version": 1, "model": fingerprint, "target": "cpu"}
        (zoo.folder / "t.json").write_text(json.dumps({**content, "float_layers": [*layers]}))

    fingerprint = model_fingerprint(read_model(zoo.folder / "a.xml"))
    batch = zoo.batch({"model": "a.xml", "tuning": "t.json"})
    tune("second")
    assert ", 1 layer float for speed" in zoo.run(batch).stderr
    row = zoo.rows()["a"]
    assert (row["tuned_layers"], row["int8_share"]) == (1, 0.5)
    (layer,) = row["float_layers"]
    assert (layer["name"], layer["type"]) == ("second", "Convolution")
    page = html.unescape((zoo.results / "report.html").read_text())
    assert f"<code>second</code> (Convolution): {layer['reason']}" in page
    assert '<a href="a.html"><code>a</code></a>' in page
    assert html.escape(layer["reason"]) in (zoo.results / "a.html").read_text()
    tune("first", "second")
    assert zoo.plan(batch) == {"a": "changed: tuning"}


def test_the_result_does_not_depend_on_how_many_run_at_a_time(zoo: Zoo) -> None:
    for jobs in (1, 3):
        zoo.run(zoo.batch(), "--jobs", jobs, "-o", zoo.folder / str(jobs))
    assert zoo.models(zoo.folder / "1") == zoo.models(zoo.folder / "3")


def test_scripts_get_json(zoo: Zoo) -> None:
    done = zoo.run(zoo.batch({"model": "a.xml"}), "--json")
    assert json.loads(done.stdout) == list(zoo.rows().values())


def test_functions_are_found_beside_the_batch_file_and_may_print(zoo: Zoo) -> None:
    zoo.code("def samples():\n    print('noise')\n    return np.random.default_rng(0).normal(size=(12, 1, 3, 8, 8))\n")
    batch = zoo.batch({"model": "a.xml", "data": "mine:samples"}, {"model": "b.xml", "data": "mine.py:samples"})
    assert "noise" not in zoo.run(batch).stdout
    assert zoo.models()["a.xml"] == zoo.models()["b.xml"]


def test_less_than_is_expected_counts_as_missed(zoo: Zoo) -> None:
    demanding = {"model": "a.xml", "expect": {"sqnr": 90, "int8_share": 0.5}}
    modest = {"model": "b.xml", "expect": {"sqnr": 10, "int8_share": 1, "size_ratio": 1}}
    zoo.run(zoo.batch(demanding, modest), expected=1)
    rows = zoo.rows()
    assert (rows["a"]["state"], rows["b"]["state"]) == ("missed", "done")
    assert (rows["a"]["result"], rows["b"]["result"]) == ("missed/a.xml", "b.xml")
    assert sorted(zoo.models()) == ["b.bin", "b.xml"], "what must not be used is elsewhere"
    assert sorted(zoo.models(zoo.results / "missed")) == ["a.bin", "a.xml"]
    assert re.fullmatch(r"sqnr is \d\d\.\d+, expected 90 or more", rows["a"]["message"])
    batch = zoo.batch(demanding | {"expect": {"sqnr": 5}}, modest)
    assert zoo.plan(batch) == {"a": "up to date", "b": "up to date"}, "expectations change no result"
    zoo.run(batch)
    assert sorted(zoo.models()) == ["a.bin", "a.xml", "b.bin", "b.xml"]
    zoo.run(zoo.batch(demanding, modest), expected=1)
    assert sorted(zoo.models()) == ["b.bin", "b.xml"]


@pytest.fixture
def metrics(zoo: Zoo) -> None:
    """The module metric, with a function by which every model after the first loses."""
    zoo.code(
        "turn = []\ndef worse(predict):\n    print('noise')\n    turn.append(1)\n"
        "    assert predict(np.ones((1, 3, 8, 8), np.float32))['logits'].shape == (1, 4, 8, 8)\n"
        "    return 0.75 if len(turn) > 1 else 1.0\n",
        "metric.py",
    )


@pytest.mark.usefixtures("metrics")
def test_a_metric_that_is_kept_stands_in_the_row(zoo: Zoo) -> None:
    batch = zoo.batch({"model": "a.xml", "metric": "metric.py:worse", "max_drop": 0.3}, {"model": "b.xml"})
    done = zoo.run(batch, "--jobs", 2)
    assert "noise" not in done.stdout
    assert done.stdout.splitlines()[0].split()[-2:] == ["metric", "message"]
    assert re.search(r"a +done +100% .* 1 -> 0\.75 *$", done.stdout, re.M)
    assert re.search(r"a: done in .*, worst output .*, worse 1 -> 0\.75$", done.stderr, re.M)
    found = {"name": "worse", "fp32": 1.0, "int8": 0.75, "max_drop": 0.3, "drop_type": "absolute", "kept": True}
    assert {name: row["metric"] for name, row in zoo.rows().items()} == {"a": found | {"stopped": ""}, "b": None}
    assert json.loads((zoo.results / "a.json").read_text())["figures"]["metric"]["int8"] == 0.75
    assert zoo.models()["a.bin"] == zoo.models()["b.bin"], "nothing had to stay float"


@pytest.mark.usefixtures("metrics")
def test_a_metric_that_loses_more_counts_as_missed_and_the_result_is_kept(zoo: Zoo) -> None:
    limits = {"max_drop": 0.1, "drop_type": "relative"}
    batch = zoo.batch({"model": "a.xml", "metric": "metric:worse", **limits}, {"model": "b.xml"})
    zoo.run(batch, expected=1)
    row = zoo.rows()["a"]
    stopped = (
        "with 2 operations left float the drop is still too large; the file is the best of 6 models, with no operations "
        "left float by the search"
    )
    assert (row["state"], row["metric"]["kept"]) == ("missed", False)
    assert row["message"] == f"metric worse: FP32 1, INT8 0.75: a drop of more than 10.00% of FP32: {stopped}"
    assert sorted(zoo.models()) == ["b.bin", "b.xml"]
    assert sorted(zoo.models(zoo.results / "missed")) == ["a.bin", "a.xml"]
    assert zoo.plan(batch) == {"a": "up to date", "b": "up to date"}
    zoo.run(batch, expected=1)


@pytest.mark.usefixtures("metrics")
def test_a_metric_that_fails_is_told_of(zoo: Zoo) -> None:
    zoo.code("def broken(predict):\n    raise ValueError('no labels')\n", "bad.py")
    zoo.run(zoo.batch({"model": "a.xml", "metric": "bad.py:broken"}), expected=1)
    row = zoo.rows()["a"]
    where = f"{zoo.folder / 'bad.py'}:4"
    message = f"metric broken: raised ValueError: no labels ({where}), after 0 predictions"
    assert (row["state"], row["message"], row["metric"]) == ("failed", message, None)


@pytest.mark.usefixtures("metrics")
def test_a_change_of_the_metric_redoes_its_models_only(zoo: Zoo) -> None:
    own = {"model": "a.xml", "metric": "metric.py:worse", "max_drop": 0.3}
    batch = zoo.batch(own, {"model": "b.xml"})
    zoo.run(batch)

    def reasons(*, more: dict[str, Any], **defaults: Any) -> list[str]:
        zoo.batch(own | more, {"model": "b.xml"}, defaults=defaults)
        return list(zoo.plan(batch).values())

    assert reasons(more={}, drop_type="absolute") == ["up to date", "up to date"], "it is the default"
    assert reasons(more={"max_drop": 0.5}) == ["changed: max_drop", "up to date"]
    assert reasons(more={}, drop_type="relative") == ["changed: drop_type", "up to date"]
    assert reasons(more={"metric": "metric:worse"}) == ["up to date", "up to date"], "the same function"
    assert reasons(more={"metric": None, "max_drop": None}) == ["changed: metric", "up to date"]
    (zoo.folder / "metric.py").write_text((zoo.folder / "metric.py").read_text() + "# a remark\n")
    assert reasons(more={}) == ["changed: metric", "up to date"]


# ------------------------------------------------------------------------------------------------------- the page


def table(page: Path) -> list[list[str]]:
    """The texts of the page's table, cell by cell."""
    (body,) = re.findall(r'id="model-table".*?<tbody>(.*?)</tbody>', page.read_text(encoding="utf-8"), re.S)
    rows = [re.findall(r"<t[hd].*?</t[hd]>", row) for row in re.findall(r"<tr.*?</tr>", body, re.S)]
    return [[" ".join(html.unescape(re.sub(r"<[^>]*>", " ", cell)).split()) for cell in row] for row in rows]


@pytest.mark.usefixtures("metrics")
def test_a_page_has_the_rows_of_the_results(zoo: Zoo) -> None:
    own = {"name": "own", "model": "a.xml", "metric": "metric.py:worse"}
    wrong = {"name": "wrong", "model": "b.xml", "data": "metric.py:worse"}
    batch = zoo.batch({"model": "c.xml"}, own, wrong)
    zoo.run(batch, expected=1)
    first, second, third = zoo.rows().values()
    rows = table(zoo.results / "report.html")
    for found, row in zip(rows, (first, second), strict=False):
        sizes = " → ".join(f"{row[f'bytes_{when}'] / 1e6:.2f} MB" for when in ("before", "after"))
        assert found[1].split()[1] == row["state"]
        few = f"few samples: {row['held_out']}, good from {row['good_from']:.1f} dB"
        assert found[2:5] == [f"✓ good {row['sqnr']:.1f} dB; {few}", "100.0%", sizes]
        assert found[5:7] == [f"{row['seconds']:.1f}", f"{row['peak_mb']:.0f} MB"]
    models = {"c": "c.xml", "own": "a.xml", "wrong": "b.xml"}
    assert [row[0] for row in rows] == [f"{name} {zoo.folder / model}" for name, model in models.items()]
    assert rows[1][7:] == ["worse 1 → 0.75: drop of more than 0.01", second["message"]]
    assert (rows[2][1], rows[2][8]) == ("✕ failed", third["message"])
    zoo.batch({"model": "c.xml"})
    said = zoo.run(batch).stderr
    assert said == (
        f"{zoo.results}: results of models that are not in the batch file: own, wrong\n"
        "1 model: 0 ran, 1 up to date; 1 done\n"
    )
    assert table(zoo.results / "report.html") == [[*rows[0][:7], rows[0][8]]], "it is what the records say now"
    assert "1 up to date before this run" in (zoo.results / "report.html").read_text()


def test_the_page_may_go_elsewhere(zoo: Zoo) -> None:
    zoo.run(zoo.batch({"model": "a.xml"}), "--report", zoo.folder / "page.html")
    assert [row[0] for row in table(zoo.folder / "page.html")] == [f"a {zoo.folder / 'a.xml'}"]
    assert not (zoo.results / "report.html").exists()


@pytest.mark.parametrize(
    ("page", "more", "said"),
    [
        ("page.txt", (), "{page}: the report must end in .html"),
        ("none/page.html", (), "{page}: there is no folder {page.parent}"),
        ("page.html", ("--dry-run",), "a dry run has nothing to report: leave out --report or --dry-run"),
    ],
)
def test_a_wrong_place_for_the_page_is_told_of_before_any_work(
    zoo: Zoo, page: str, more: tuple[str, ...], said: str
) -> None:
    place = zoo.folder / page
    done = zoo.run(zoo.batch(), "--report", place, *more, expected=2)
    assert done.stderr == f"error: {said.format(page=place)}\n"
    assert not zoo.results.exists()


def test_a_page_that_nobody_asked_for_is_no_reason_to_fail(zoo: Zoo) -> None:
    (zoo.results / "report.html").mkdir(parents=True)
    done = zoo.run(zoo.batch({"model": "a.xml"}))
    assert f"warning: {zoo.results / 'report.html'}: cannot be written: Is a directory\n" in done.stderr


# ----------------------------------------------------------------------------------------------------- those that fail


def test_whatever_happens_to_a_model_the_others_are_done(zoo: Zoo) -> None:
    zoo.code(
        "def wrong():\n    return [np.zeros((1, 3, 9, 9))]\n"
        "def dead():\n    print('last words', file=sys.stderr, flush=True)\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
        "def gone():\n    os._exit(3)\n"
        "def ended():\n    os.kill(os.getpid(), 35)\n    time.sleep(5)\n"
        "def talks():\n    sys.stderr.write('x' * 10_000)\n    sys.stderr.flush()\n    os._exit(3)\n"
        "def endless():\n    time.sleep(600)\n"
        "def large():\n    held = [np.ones(5_000_000) for _ in range(40) if not time.sleep(0.1)]\n    return held\n"
    )
    broken: list[dict[str, Any]] = [
        {"name": "wrong", "model": "a.xml", "data": "mine.py:wrong"},
        {"name": "dead", "model": "a.xml", "data": "mine.py:dead"},
        {"name": "gone", "model": "a.xml", "data": "mine.py:gone", "retries": 0},
        {"name": "ended", "model": "a.xml", "data": "mine.py:ended", "retries": 0},
        {"name": "talks", "model": "a.xml", "data": "mine.py:talks", "retries": 0},
        {"name": "endless", "model": "a.xml", "data": "mine.py:endless", "timeout_seconds": 5, "retries": 0},
        {"name": "large", "model": "a.xml", "data": "mine.py:large", "memory_mb": 400},
    ]
    done = zoo.run(zoo.batch(*broken, {"model": "b.xml"}), "--jobs", 3, expected=1)
    said = {name: (row["state"], row["message"], row["attempts"]) for name, row in zoo.rows().items()}
    sample = f"sample 0 of {zoo.folder}/mine.py:wrong"
    resize = "it looks like a picture of 9x9: resize it to 8x8 (height x width)"
    assert said == {
        "wrong": ("failed", f"{sample}: input 'image' f32[1,3,8,8]: got float64[1, 3, 9, 9]; {resize}", 1),
        "dead": ("crashed", "its process was killed by SIGSEGV", 2),
        "gone": ("crashed", "its process ended with code 3: no output", 1),
        "ended": ("crashed", "its process was killed by signal 35", 1),
        "talks": ("crashed", f"its process ended with code 3: {'x' * 300}...", 1),
        "endless": ("timeout", "took longer than timeout_seconds: 5; raise the limit", 1),
        "large": (
            "memory",
            "took more than memory_mb: 400; raise the limit: even a small model takes about 150",
            1,
        ),
        "b": ("done", "", 1),
    }
    assert 400 < zoo.rows()["large"]["peak_mb"] < 600
    assert "its process was killed by SIGSEGV (2 attempts)" in done.stdout
    assert (zoo.results / "dead.log").read_text() == "last words\n"
    assert sorted(zoo.models()) == ["b.bin", "b.xml"]


def test_a_worker_that_is_killed_is_started_again(zoo: Zoo, undisturbed: Undisturbed) -> None:
    zoo.code(
        "data = Path(__file__).with_name('samples.npz')\n"
        "def samples():\n    marker = data.with_name('marker')\n"
        "    if not marker.exists():\n        marker.touch()\n        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return np.load(data)['image'][:, None]\n"
    )
    batch = zoo.batch({"model": "a.xml", "data": "mine.py:samples"})
    zoo.run(batch)
    row = zoo.rows()["a"]
    assert (row["state"], row["attempts"], row["message"]) == ("done", 2, "")
    assert zoo.models() == undisturbed(batch)


def test_a_process_that_cannot_be_started_is_a_failure_like_others(zoo: Zoo) -> None:
    batch = zoo.batch({"model": "a.xml", "retries": 0})
    code = f"import sys; from irquant.tools.cli import run; sys.executable = '/none'; sys.exit(run(['zoo', {str(batch)!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, **_paths())
    assert done.returncode == 1, done.stderr
    row = zoo.rows()["a"]
    assert row["state"] == "crashed"
    assert row["message"] == "its process cannot be started: [Errno 2] No such file or directory: '/none'"


def test_a_fault_of_ours_is_told_as_such_and_kept_for_the_report(zoo: Zoo) -> None:
    zoo.code(
        "import irquant.passes.transforms.set_ranges as ours\ndef broken(*_):\n    return 1 // 0\nours.SetRanges.run = broken\n"
    )
    zoo.code("import mine\ndef samples():\n    return np.ones((12, 1, 3, 8, 8))\n", "bad.py")
    batch = zoo.batch({"model": "a.xml", "data": "bad:samples"}, {"model": "b.xml"})
    zoo.run(batch, "--report-fault", zoo.folder / "faults", expected=70)
    row = zoo.rows()["a"]
    message = "pass 'set-ranges' failed: ZeroDivisionError: integer division or modulo by zero"
    assert (row["state"], row["message"], row["attempts"]) == ("internal error", message, 1)
    assert zoo.rows()["b"]["state"] == "done"
    assert "ZeroDivisionError" in (zoo.results / "a.log").read_text()
    assert [each.name for each in (zoo.folder / "faults").iterdir()] == ["a"]
    assert message in (zoo.folder / "faults" / "a" / "fault.txt").read_text()


def test_a_result_that_cannot_be_written_stops_no_other(zoo: Zoo) -> None:
    (zoo.results / "a.xml").mkdir(parents=True)
    zoo.run(zoo.batch(), expected=1)
    rows = zoo.rows()
    assert [rows[name]["state"] for name in "abc"] == ["failed", "done", "done"]
    assert rows["a"]["message"] == f"{zoo.results / 'a.xml'}: is a folder; give the path of a file to write"


@pytest.fixture
def small_and_large(zoo: Zoo) -> Path:
    """A batch of a small model and a larger one, which comes first."""
    np.savez(zoo.folder / "digits.npz", image=np.random.default_rng(0).random((12, 1, 1, 8, 8), np.float32))
    digits = Path(str(demo.__file__)).with_name("digits_cnn.xml")
    return zoo.batch({"model": "a.xml"}, {"model": str(digits), "data": "digits.npz"})


def test_a_file_that_grows_too_large_stops_no_other(zoo: Zoo, small_and_large: Path) -> None:
    batch, limit = small_and_large, 40_000
    zoo.run(batch, expected=1, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    rows = zoo.rows()
    assert (rows["a"]["state"], rows["digits_cnn"]["state"]) == ("done", "failed")
    output = zoo.results / "digits_cnn.xml"
    assert rows["digits_cnn"]["message"] == f"{output}: cannot be written: File too large"
    zoo.run(batch)
    assert zoo.rows()["digits_cnn"]["state"] == "done"


def test_a_full_disk_stops_no_other(zoo: Zoo, small_and_large: Path) -> None:
    zoo.results.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(zoo.results)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nobody may mount a small disk here")
    try:
        zoo.run(small_and_large, "--jobs", 1, expected=1)
        rows = zoo.rows()
    finally:
        subprocess.run(["umount", zoo.results], check=True)
    assert (rows["a"]["state"], rows["digits_cnn"]["state"]) == ("done", "failed")
    output = zoo.results / "digits_cnn.xml"
    assert rows["digits_cnn"]["message"] == f"{output}: cannot be written: No space left on device"


def test_a_folder_that_cannot_be_is_told_of_at_once(zoo: Zoo) -> None:
    folder = zoo.folder / "a.xml" / "results"
    done = zoo.run(zoo.batch(), "-o", folder, expected=2)
    assert done.stderr == (
        f"error: {folder}: results cannot be written there: Not a directory; give another --output-dir\n"
    )


def test_a_model_that_fails_now_leaves_no_outdated_result(zoo: Zoo) -> None:
    zoo.run(zoo.batch({"model": "a.xml"}))
    np.savez(zoo.folder / "samples.npz", image=np.full((1, 3, 8, 8), np.nan, np.float32))
    (zoo.results / "b.xml").write_text("not ours")
    batch = zoo.batch({"model": "a.xml"}, {"model": "b.xml"})
    assert "b.xml: exists, and irquant did not make it" in zoo.run(batch, expected=2).stderr
    zoo.run(batch, "--force", expected=1)
    assert zoo.models() == {"b.xml": b"not ours"}, "what is not made again stays"
    moved = {name: row["message"].endswith("; the earlier result is in earlier/") for name, row in zoo.rows().items()}
    assert moved == {"a": True, "b": False}
    assert sorted(path.name for path in (zoo.results / "earlier").iterdir()) == ["a.bin", "a.html", "a.json", "a.xml"]
    said = zoo.run(batch, "-q", "--force", expected=1)
    assert said.stdout == ""
    *lines, last = said.stderr.splitlines()
    assert [line.partition(" sample")[0] for line in lines] == ["a, b: failed:"], "a line for each cause"
    assert last == "2 models: 2 ran; 2 failed"


def test_files_that_are_missing_for_a_night_stop_their_models_and_the_earlier_results_come_back(zoo: Zoo) -> None:
    batch = zoo.batch({"model": "a.xml"}, {"model": "b.xml", "data": "mine/*.npz"})
    (zoo.folder / "mine").mkdir()
    shutil.copy(zoo.folder / "samples.npz", zoo.folder / "mine")
    zoo.run(batch)
    models = zoo.models()
    (zoo.folder / "mine").rename(zoo.folder / "unmounted")
    (zoo.folder / "c.xml").rename(zoo.folder / "d.xml")
    batch = zoo.batch({"model": "a.xml"}, {"model": "b.xml", "data": "mine/*.npz"}, {"model": "c.xml"})
    done = zoo.run(batch, expected=1)
    assert done.stderr.splitlines()[-1] == "3 models: 0 ran, 1 up to date, 2 could not run; 1 done, 2 failed"
    rows = zoo.rows()
    missing = f"data: {zoo.folder}/mine/*.npz: no file matches"
    assert rows["b"]["message"] == f"{missing}; the earlier result is in earlier/"
    assert (rows["b"]["ran"], rows["b"]["why"], rows["b"]["attempts"]) == (False, f"cannot run: {missing}", 0)
    assert rows["c"]["message"] == f"model: {zoo.folder}/c.xml: no such file"
    assert sorted(zoo.models()) == ["a.bin", "a.xml"], "only what can be used"
    (zoo.folder / "unmounted").rename(zoo.folder / "mine")
    (zoo.folder / "d.xml").rename(zoo.folder / "c.xml")
    assert zoo.plan(batch) == {"a": "up to date", "b": "up to date", "c": "failed the last time"}
    zoo.run(batch)
    assert {name: each for name, each in zoo.models().items() if name[0] != "c"} == models
    assert list((zoo.results / "earlier").iterdir()) == []


def test_a_file_that_cannot_be_read_stops_its_model_only(zoo: Zoo) -> None:
    (zoo.folder / "a.bin").unlink()
    (zoo.folder / "a.bin").symlink_to("a.bin")  # nobody, not even root, can open it
    batch = zoo.batch({"model": "a.xml"}, {"model": "b.xml"})
    assert zoo.plan(batch, expected=1)["b"] == "new"


def test_a_model_with_nothing_to_quantize_is_no_failure(zoo: Zoo) -> None:
    x = op.parameter([1, 3, 8, 8], np.float32, name="image")
    ov.save_model(ov.Model([op.relu(x)], [x], "plain"), zoo.folder / "plain.xml")
    batch = zoo.batch({"model": "plain.xml", "expect": {"verdict": "good", "int8_share": 0.5}})
    zoo.run(batch)
    row = zoo.rows()["plain"]
    said = "nothing to quantize: target 'cpu' can run no layer of the model in int8; use the float model"
    assert (row["state"], row["message"], row["result"], row["ran"]) == ("unchanged", said, None, True)
    assert zoo.models() == {}
    assert zoo.plan(batch) == {"plain": "up to date"}
    assert said in html.unescape((zoo.results / "report.html").read_text())


# --------------------------------------------------------------------------------------------------- how runs go on


def test_what_is_up_to_date_is_not_done_again(zoo: Zoo) -> None:
    batch = zoo.batch()
    assert zoo.plan(batch) == {"a": "new", "b": "new", "c": "new"}
    assert not zoo.results.exists()
    zoo.run(batch)
    before = seen(zoo)
    for name in ("a.xml", "samples.npz"):
        os.utime(zoo.folder / name)  # times tell nothing
    assert zoo.run(batch).stderr == "3 models: 0 ran, 3 up to date; 3 done\n"
    assert zoo.run(batch, "-q").stderr == ""
    assert seen(zoo) == before
    path = zoo.results / "b.json"
    path.write_text(path.read_text().replace('"warnings": []', '"warnings": ["mind the gap"]'))
    assert zoo.run(batch, "-v").stderr.startswith("b: warning: mind the gap\n")


def test_a_change_redoes_what_it_concerns(zoo: Zoo) -> None:
    config = zoo.folder / "config.yaml"
    config.write_text("name: DefaultQuantization\n")
    zoo.code("def samples():\n    return np.ones((12, 1, 3, 8, 8))\n")
    models: list[dict[str, Any]] = [
        {"model": "a.xml", "timeout_seconds": 500},
        {"model": "b.xml", "config": "config.yaml"},
        {"model": "c.xml", "data": "mine.py:samples"},
    ]
    batch = zoo.batch(*models)
    zoo.run(batch)
    before = seen(zoo)
    config.write_text("# a remark\nname: DefaultQuantization\n")
    zoo.batch({"model": "a.xml", "memory_mb": 5000}, *models[1:])
    assert set(zoo.plan(batch).values()) == {"up to date"}, "neither changes a result"
    zoo.batch(models[0] | {"preset": "mixed", "samples": 15}, *models[1:])
    assert zoo.plan(batch) == {"a": "changed: preset, samples", "b": "up to date", "c": "up to date"}
    zoo.run(batch)
    after = seen(zoo)
    assert {name for name in before if before[name] != after[name]} == {"a.xml", "a.bin", "a.html", "a.json"}
    config.write_text("name: DefaultQuantization\nparams: {preset: mixed}\n")
    zoo.code("def samples():\n    return np.zeros((12, 1, 3, 8, 8))\n")
    (zoo.folder / "a.bin").write_bytes((zoo.folder / "a.bin").read_bytes() + b"more")
    assert zoo.plan(batch) == {"a": "changed: model", "b": "changed: preset", "c": "changed: data"}


def test_a_result_that_was_changed_or_deleted_is_made_again(zoo: Zoo, undisturbed: Undisturbed) -> None:
    batch = zoo.batch()
    zoo.run(batch)
    (zoo.results / "a.bin").write_bytes(b"spoilt")
    (zoo.results / "b.xml").unlink()
    (zoo.results / "c.json").write_text("{")
    changed = "the result was changed or deleted"
    assert zoo.plan(batch) == {"a": changed, "b": changed, "c": "new"}
    zoo.run(batch)
    assert zoo.models() == undisturbed(batch)


def test_what_failed_is_tried_again(zoo: Zoo) -> None:
    zoo.code("def samples():\n    return []\n")
    batch = zoo.batch({"model": "a.xml", "data": "mine.py:samples"})
    zoo.run(batch, expected=1)
    assert zoo.plan(batch) == {"a": "failed the last time"}


def test_a_run_that_is_killed_anytime_goes_on_where_it_was(zoo: Zoo, undisturbed: Undisturbed) -> None:
    batch = zoo.batch(*({"name": f"m{index}", "model": f"{'abc'[index % 3]}.xml"} for index in range(6)))
    chance, done = random.Random(), dict[str, Any]()
    for _ in range(4):
        process = zoo.start(batch, "--jobs", 2)
        time.sleep(chance.uniform(0.5, 4))
        workers = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        assert psutil.wait_procs(workers, timeout=20)[1] == [], "workers end with who supervises them"
        now = seen(zoo) if zoo.results.exists() else {}
        assert {name: now[name] for name in done} == done, "nothing is done twice"
        records = [path.stem for path in zoo.results.glob("m*.json")]
        done = {name: now[name] for name in now if name.split(".")[0] in records and name[0] == "m"}
    zoo.run(batch)
    assert {name: seen(zoo)[name] for name in done} == done
    assert zoo.models() == undisturbed(batch)
    assert sorted(path.name for path in zoo.results.glob(".*")) == [".zoo.lock"], "nothing is left behind"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_an_interrupted_run_says_how_to_go_on(zoo: Zoo, name: str) -> None:
    zoo.code("def samples():\n    Path(__file__).with_name('begun').touch()\n    time.sleep(600)\n")
    batch, number = zoo.batch({"model": "a.xml", "data": "mine.py:samples"}), getattr(signal, name)
    process = zoo.start(batch, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    wait_for(zoo.folder / "begun")
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert said == (
        "a: started\n1 model: 0 ran; 1 not done\n"
        "interrupted with 1 of 1 model left; the same command continues the run\n"
    )
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert [row[1] for row in table(zoo.results / "report.html")] == ["… not done"]
    assert zoo.plan(batch) == {"a": "new"}


def test_a_signal_to_all_processes_of_a_run_fails_no_model(zoo: Zoo) -> None:
    zoo.code("def samples():\n    Path(__file__).with_name('begun').touch()\n    time.sleep(600)\n")
    batch = zoo.batch({"model": "a.xml", "data": "mine.py:samples"})
    process = zoo.start(batch)
    wait_for(zoo.folder / "begun")
    for each in [*psutil.Process(process.pid).children(recursive=True)[::-1], process]:  # as a service manager does
        each.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert zoo.rows()["a"]["state"] == "not done"
    assert not (zoo.results / "a.json").exists()


def test_rows_are_those_of_the_run_that_wrote_them_even_if_it_is_killed(zoo: Zoo) -> None:
    zoo.run(zoo.batch())
    first = zoo.rows()
    assert {row["why"] for row in first.values()} == {"new"}
    assert all(
        row["ran"] and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", row["started"]) for row in first.values()
    )
    assert first["a"]["irquant"] == version("irquant")
    assert first["a"]["openvino"] == version("openvino")
    zoo.code("def samples():\n    Path(__file__).with_name('begun').touch()\n    time.sleep(600)\n")
    batch = zoo.batch(
        {"model": "a.xml"}, {"model": "b.xml", "preset": "mixed"}, {"model": "c.xml", "data": "mine.py:samples"}
    )
    process = zoo.start(batch, "--jobs", 1)
    wait_for(zoo.folder / "begun")
    process.kill()
    process.communicate(timeout=20)
    rows = zoo.rows()
    said = {name: (row["state"], row["ran"], row["why"]) for name, row in rows.items()}
    assert said == {
        "a": ("done", False, "up to date"),
        "b": ("done", True, "changed: preset"),
        "c": ("not done", False, "changed: data"),
    }
    assert {row["started"] for row in rows.values()}.isdisjoint({row["started"] for row in first.values()})
    assert not (zoo.results / "report.html").exists(), "that of the run before would look valid"


def test_two_runs_do_not_share_a_folder(zoo: Zoo) -> None:
    zoo.code("def samples():\n    Path(__file__).with_name('begun').touch()\n    time.sleep(600)\n")
    batch = zoo.batch({"model": "a.xml", "data": "mine.py:samples"})
    process = zoo.start(batch)
    wait_for(zoo.folder / "begun")
    said = zoo.run(batch, expected=2).stderr
    assert said == f"error: {zoo.results}: another run is at work there; wait for it, or give another --output-dir\n"
    process.kill()
    process.communicate()


# ---------------------------------------------------------------------------------------------------------- on a cluster


@pytest.mark.filterwarnings("default")  # Dask leaves sockets and loops to the collector when a worker is killed
def test_on_a_cluster_what_a_dead_worker_had_another_does(zoo: Zoo, undisturbed: Undisturbed) -> None:
    distributed = pytest.importorskip("distributed")
    zoo.code(
        "data = Path(__file__).with_name('samples.npz')\n"
        "def samples():\n    data.with_name('begun').touch()\n    time.sleep(2)\n"
        "    return np.load(data)['image'][:, None]\n"
    )
    slow = {"model": "a.xml", "data": "mine.py:samples"}
    batch = zoo.batch(slow, {"model": "b.xml"}, {"name": "d", **slow}, {"model": "c.xml"})
    with distributed.LocalCluster(2, threads_per_worker=1, dashboard_address=None) as cluster:
        process = zoo.start(batch, "--cluster", cluster.scheduler_address)
        wait_for(zoo.folder / "begun")
        pids = [worker.pid for worker in cluster.workers.values()]
        victim = next(pid for pid in pids if psutil.Process(pid).children())
        os.kill(victim, signal.SIGKILL)
        said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert {row["state"] for row in zoo.rows().values()} == {"done"}
    assert zoo.models() == undisturbed(batch)


@pytest.mark.filterwarnings("default")
def test_a_cluster_that_is_not_there_is_told_of(zoo: Zoo) -> None:
    pytest.importorskip("distributed")
    said = zoo.run(zoo.batch(), "--cluster", "nonsense://", expected=2).stderr
    assert said.startswith("error: nonsense://: no Dask scheduler answers: ")


def seen(zoo: Zoo) -> dict[str, tuple[int, int]]:
    """Which files there are: written anew they have other numbers or times."""
    found = dict[str, tuple[int, int]]()
    for path in zoo.results.iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return {name: each for name, each in found.items() if name not in ("results.jsonl", "report.html", ".zoo.lock")}


def wait_for(path: Path) -> None:
    """Until there is such a file."""
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    pytest.fail(f"{path} does not come")
