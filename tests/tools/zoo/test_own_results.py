"""Which files in a folder of results may be replaced without a question."""

import contextlib
from pathlib import Path

import numpy as np
import pytest

import irquant
from irquant.tools.zoo.batch_file import Entry
from irquant.tools.zoo.cache_key import fingerprint
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.own_results import is_own_result
from irquant.tools.zoo.record import Record, State
from irquant.tools.zoo.settle import _set_aside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the result `a`, its record and its log; the model itself looks like anyone's."""
    for suffix in ("xml", "bin"):
        (tmp_path / f"a.{suffix}").write_text(f"<{suffix}/>")
    files = {f"a.{suffix}": fingerprint(tmp_path / f"a.{suffix}") for suffix in ("xml", "bin")}
    Record(state=State.DONE, files=files).write(tmp_path / "a.json")
    (tmp_path / "a.log").write_text("a word")
    (tmp_path / "results.jsonl").write_text('{"name":"a","state":"done"}\n')
    return tmp_path


@pytest.mark.parametrize("name", ["a.xml", "a.bin", "a.json", "a.log", "results.jsonl"])
def test_files_of_a_result_are_irquants(folder: Path, name: str) -> None:
    assert is_own_result(folder / name)


def test_weights_without_their_model_are_irquants_while_unchanged(folder: Path) -> None:
    (folder / "a.xml").unlink()
    assert is_own_result(folder / "a.bin")
    (folder / "a.bin").write_text("of someone else")
    assert not is_own_result(folder / "a.bin")


def test_a_changed_model_is_not(folder: Path) -> None:
    (folder / "a.xml").write_text("<net/>")
    assert not is_own_result(folder / "a.xml")


@pytest.mark.slow
def test_a_record_that_cannot_be_read_is_if_the_model_beside_it_is(folder: Path, model: Path, arrays: Path) -> None:
    (folder / "a.json").write_text("{")
    assert not is_own_result(folder / "a.json")
    irquant.quantize(model, np.load(arrays)["image"][:, None], output=folder / "a.xml", force=True)
    assert is_own_result(folder / "a.json")
    assert is_own_result(folder / "a.log")


@pytest.mark.parametrize("kept", range(3))
def test_what_is_left_of_a_result_that_is_being_set_aside_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    replace, done = Path.replace, list[str]()

    def killed(path: Path, target: Path) -> None:
        if path.parent == folder:
            if len(done) == kept:
                raise KeyboardInterrupt
            done.append(path.name)
        replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    entry = Entry.model_validate({"model": "m.xml"})
    job = Job("a", entry, "d.npz", folder, folder / "a.xml", {})
    with contextlib.suppress(KeyboardInterrupt):
        _set_aside(job)
    left = [each for place in (folder, job.earlier) for each in place.iterdir() if each.name.startswith("a.")]
    assert {each.name for each in left} == {"a.xml", "a.bin", "a.json", "a.log"}
    assert all(map(is_own_result, left))


def test_results_that_missed_are_irquants_while_unchanged(folder: Path) -> None:
    (folder / "missed").mkdir()
    for suffix in ("xml", "bin"):
        (folder / f"a.{suffix}").replace(folder / "missed" / f"a.{suffix}")
        assert is_own_result(folder / "missed" / f"a.{suffix}")
    (folder / "missed" / "a.bin").write_text("of someone else")
    assert not is_own_result(folder / "missed" / "a.bin")


@pytest.mark.parametrize("name", ["b.xml", "b.bin", "b.json", "b.log"])
def test_files_of_others_are_not(folder: Path, name: str) -> None:
    (folder / name).write_text("mine")
    assert not is_own_result(folder / name)


def test_a_file_that_is_not_there_is_not(folder: Path) -> None:
    assert not is_own_result(folder / "none.json")
