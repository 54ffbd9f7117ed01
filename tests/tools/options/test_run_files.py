"""No run writes over what it reads, or two things to one place, whatever the files are called."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from irquant.ir import UserError
from irquant.ir.watched_files import watched_files
from irquant.passes import quantize
from irquant.passes.files.run_files import check_run_files
from irquant.passes.runtime.load_model import model_files
from irquant.tools.cli import run

Place = Callable[..., str]


@pytest.fixture(scope="module")
def seen(model: Path, arrays: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the result and the statistics of an earlier run."""
    folder = tmp_path_factory.mktemp("seen")
    options = ["-o", str(folder / "seen.xml"), "--save-statistics", str(folder / "seen.npz")]
    assert run(["quantize", str(model), "--data", str(arrays), *options]) == 0
    return folder


@pytest.fixture
def place(
    model: Path, arrays: Path, pictures: Path, seen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A folder with all that a run can read, of which nothing may change."""
    shutil.copy(model, tmp_path / "m.xml")
    shutil.copy(model.with_suffix(".bin"), tmp_path / "m.bin")
    shutil.copy(model.with_suffix(".bin"), tmp_path / "other.bin")
    shutil.copy(arrays, tmp_path / "data.npz")
    shutil.copytree(pictures, tmp_path / "photos")
    (tmp_path / "photos" / "list.txt").write_text("00.png\n01.png\n")
    (tmp_path / "config.json").write_text('{"compression": {"algorithms": [{"name": "DefaultQuantization"}]}}')
    (tmp_path / "code.py").write_text("def samples():\n    return []\ndef metric(predict):\n    return 1\n")
    (tmp_path / "pipe.yaml").write_text("- normalize\n")
    monkeypatch.chdir(tmp_path)
    for each in seen.iterdir():
        shutil.copy(each, each.name)
    os.link("m.bin", "hard.npz")
    Path("soft.npz").symlink_to("m.bin")
    os.link("photos/01.png", "picture.html")
    os.link("code.py", "code.html")
    return tmp_path


def content(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and "pycache" not in str(path)
    }


QUANTIZE = "quantize m.xml --data data.npz"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{QUANTIZE} --save-statistics m.bin", "m.bin: is the model's weights that is being read; give another path for the statistics"),
        (f"{QUANTIZE} --save-statistics m.xml", "m.xml: is the model that is being read; give another path for the statistics"),
        (f"{QUANTIZE} --save-statistics hard.npz", "hard.npz: is the model's weights that is being read; give another path for the statistics"),
        (f"{QUANTIZE} --save-statistics soft.npz", "soft.npz: is the model's weights that is being read; give another path for the statistics"),
        (f"{QUANTIZE} --save-statistics ./photos/../data.npz", "photos/../data.npz: is the data that is being read; give another path for the statistics"),
        (f"{QUANTIZE} -w other.bin -o other.xml", "other.bin: is the model's weights that is being read; give another path for the weights of the result"),
        (f"{QUANTIZE} -c config.json --save-statistics config.json", "config.json: is the configuration that is being read; give another path for the statistics"),
        (f"{QUANTIZE} --metric code.py:metric --resume code.py", "code.py: is the metric that is being read; give another path for the measurements"),
        (f"{QUANTIZE} --metric code.py:metric --metric-data photos --resume photos/07.png", "photos/07.png: is the metric's data that is being read; give another path for the measurements"),
        ("quantize m.xml --data photos --report picture.html", "picture.html: is the data that is being read; give another path for the report"),
        ("quantize m.xml --data photos/list.txt --report picture.html", "picture.html: is the data that is being read; give another path for the report"),
        ("quantize m.xml --data photos/list.txt --save-statistics photos/list.txt", "photos/list.txt: is the data that is being read; give another path for the statistics"),
        ("quantize m.xml --data code.py:samples --report code.html", "code.html: is the data that is being read; give another path for the report"),
        ("quantize m.xml --data code:samples --report code.html", "code.html: is the data that is being read; give another path for the report"),
        (f"{QUANTIZE} -o o.xml --save-statistics o.bin", "o.bin: the weights of the result and the statistics would both be written there; give one another path"),
        (f"{QUANTIZE} -o o.xml --metric code.py:metric --resume o.npz --save-statistics o.npz", "o.npz: the statistics and the measurements would both be written there; give one another path"),
        ("analyze m.xml --statistics seen.npz --data photos --report picture.html", "picture.html: is the data that is being read; give another path for the report"),
        ("compare m.xml seen.xml --data photos --report picture.html", "picture.html: is the data that is being read; give another path for the report"),
        ("opt m.xml -p normalize -o m.xml", "m.xml: is the model that is being read; give another path for the result"),
        ("opt m.xml -p normalize -o dump/00_normalize.xml --dump-dir dump", "dump/00_normalize.xml: the dumps and the result would both be written there; give one another path"),
    ],
)  # fmt: skip
def test_a_command_that_would_destroy_what_it_reads_is_refused(
    place: Path, command: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    before = content(place)
    assert run(command.split()) == 2
    assert capfd.readouterr() == ("", f"error: {said}\n")
    assert content(place) == before


def test_a_result_that_was_broken_off_between_its_files_needs_no_force(place: Path) -> None:
    Path("seen.xml").replace(".seen.0123456789abcdef.xml")  # a kill between the two moves; the .bin is in place
    Path(".seen.commit").write_text('[".seen.0123456789abcdef.bin", ".seen.0123456789abcdef.xml"]')
    with watched_files() as written:
        assert run(["quantize", "m.xml", "--data", "none.npz", "-o", "seen.xml"]) == 2
        assert written() == [], "what an earlier run wrote is not what this one did"
    assert run(["quantize", "m.xml", "--data", "data.npz", "-o", "seen.xml"]) == 0
    assert not [*place.glob(".seen*")]


def test_results_of_an_earlier_run_may_be_replaced(place: Path) -> None:
    assert run([*QUANTIZE.split(), "-o", "seen.xml", "--save-statistics", "seen.npz", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("options", "name", "what"),
    [
        (["--save-statistics", "mine.npz"], "mine.npz", "the statistics"),
        (["--save-statistics", "mine.txt"], "mine.txt", "the statistics"),
        pytest.param(["--report", "mine.html"], "mine.html", "the report", marks=pytest.mark.slow),
        (["-o", "mine.xml"], "mine.xml", "the result"),
        (["-o", "mine.xml"], "mine.bin", "the weights of the result"),
    ],
)
def test_what_irquant_did_not_make_is_only_replaced_by_force(
    place: Path, options: list[str], name: str, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / name).write_text("<x>my own work</x>")
    capfd.readouterr()
    before = content(place)
    command = [*QUANTIZE.split(), "--no-guard", "--quiet", *options]
    assert run(command) == 2
    said = f"exists, and irquant did not make it; give another path for {what}, or add --force"
    assert capfd.readouterr() == ("", f"error: {name}: {said}\n")
    assert content(place) == before
    assert run([*command, "--force"]) == 0
    assert run(command) == 0


def test_python_replaces_it_only_if_told(place: Path) -> None:
    (place / "o.xml").write_text("<x>my own work</x>")
    data = [np.zeros((1, 3, 8, 8), np.float32)]
    with pytest.raises(UserError, match=r"^o\.xml: exists, and irquant did not make it; "):
        quantize("m.xml", data, output="o.xml")
    quantize("m.xml", data, report=lambda _: None, output="o.xml", force=True)
    assert (place / "o.bin").is_file()


@pytest.mark.parametrize("name", ["link.npz", "pipe.npz", "x" * 300])
def test_what_is_no_place_for_a_file_is_refused_before_the_work(
    place: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (place / "link.npz").symlink_to("nowhere.npz")
    os.mkfifo(place / "pipe.npz")
    said = {
        "link.npz": "is a symbolic link; give the real path of a file to write",
        "pipe.npz": "is no regular file; give another path for the statistics",
    }.get(name, "is no path for a file: File name too long")
    capfd.readouterr()
    assert run([*QUANTIZE.split(), "--save-statistics", name]) == 2
    assert capfd.readouterr() == ("", f"error: {name}: {said}\n")
    assert not (place / "m_int8.xml").exists()


def test_a_run_that_fails_at_its_end_writes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        message = "r.html: cannot be written: No space left on device"
        raise UserError(message)

    monkeypatch.setattr("irquant.tools.report.quantization.write_quantization_page", fails)
    before = content(place)
    assert run([*QUANTIZE.split(), "--save-statistics", "new.npz", "-o", "new.xml", "--report", "r.html"]) == 2
    assert content(place) == before


def test_python_is_kept_from_it_too(place: Path) -> None:
    data = [np.zeros((1, 3, 8, 8), np.float32)]
    before = content(place)
    with pytest.raises(UserError) as caught:
        quantize("m.xml", data, output="o.xml", save_statistics="hard.npz")
    assert (
        str(caught.value) == "hard.npz: is the model's weights that is being read; give another path for the statistics"
    )
    with pytest.raises(UserError) as caught:
        quantize(ov.Core().read_model("m.xml"), data, config="config.json", save_statistics="config.json")
    assert (
        str(caught.value)
        == "config.json: is the configuration that is being read; give another path for the statistics"
    )
    assert content(place) == before


def test_a_zoo_is_kept_from_it_too(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (place / "batch.yaml").write_text("models:\n- {name: config, model: m.xml, data: photos, config: config.json}\n")
    capfd.readouterr()
    before = content(place)
    assert run(["zoo", "batch.yaml", "-o", "."]) == 2
    said = "config.json: is the configuration that is being read; give another path for the result 'config'"
    assert capfd.readouterr() == ("", f"error: {place / said}\n")
    assert run(["zoo", "batch.yaml", "--report", "picture.html"]) == 2
    said = "picture.html: is the data that is being read; give another path for the report"
    assert capfd.readouterr() == ("", f"error: {said}\n")
    assert content(place) == before


def test_each_format_has_its_files(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "saved_model.pb").touch()
    entry = b"\n\x08location\x12\x0adeep/w.f32"
    (tmp_path / "m.onnx").write_bytes(b"begin" + entry + b"middle" + entry)
    for name in ("m.meta", "m.index", "m.data-00000-of-00001", "mine.index"):
        (tmp_path / name).touch()

    def names(name: str) -> list[str]:
        return sorted({str(path.relative_to(tmp_path)) for _, path in model_files(tmp_path / name)})

    assert names("m.xml") == ["m.bin", "m.xml"]
    assert names("m.onnx") == ["deep/w.f32", "m.onnx"]
    assert names("m.pdmodel") == ["m.pdiparams", "m.pdmodel"]
    assert names("m.meta") == ["m.data-00000-of-00001", "m.index", "m.meta", "m.onnx"]
    assert names("saved") == ["saved/saved_model.pb"]
    assert names("m.tflite") == ["m.tflite"]
    assert names("gone.onnx") == ["gone.onnx"]


def test_what_is_read_is_only_looked_at_if_something_is_written_over(tmp_path: Path) -> None:
    def fails() -> object:
        raise AssertionError

    check_run_files((fails() for _ in range(1)), [("the report", tmp_path / "new.html")])  # type: ignore[misc]
