"""The file that keeps measurements: what it takes, what it passes over, what it refuses."""

import json
from pathlib import Path

import pytest

from irquant.passes.accuracy.journal import Journal, JournalEntry, JournalError, fingerprint

ONE, TWO = JournalEntry({"top1": 0.75}, 3, 4), JournalEntry({"top1": 0.5, "mrr": 0.1 + 0.2}, 4, 4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    journal = Journal.read(tmp_path / "trials.jsonl")
    journal.add("one", ONE, what="for people")
    journal.add("two", TWO)
    return tmp_path / "trials.jsonl"


def test_what_was_measured_is_there_again(path: Path) -> None:
    journal = Journal.read(path)
    assert (journal.known, journal.warnings) == ({"one": ONE, "two": TWO}, [])


def test_each_line_says_what_it_was(path: Path) -> None:
    first = json.loads(path.read_text().splitlines()[0])
    assert first == {"irquant": 1, "key": "one", "values": {"top1": 0.75}, "int8": 3, "layers": 4, "what": "for people"}


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal.read(None)
    journal.add("one", ONE)
    assert journal.known == {"one": ONE}
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_half_written_last_line_is_passed_over_and_the_next_begins_anew(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:-cut])
    journal = Journal.read(path)
    if cut > 1:  # else only the end of the line is gone
        assert journal.known == {"one": ONE}
        assert journal.warnings == [f"{path}: line 2 is damaged and was skipped: that model is measured again"]
    journal.add("three", ONE)
    assert Journal.read(path).known["three"] == ONE


def test_a_file_whose_only_line_is_half_written_is_one_of_ours(tmp_path: Path) -> None:
    for text in ('{"irq', '{"irquant": 1, "key": "on', ""):
        (tmp_path / "t").write_text(text)
        assert Journal.read(tmp_path / "t").known == {}


@pytest.mark.parametrize("text", ["<?xml version='1.0'?>", "epoch,loss\n1,2\n", '{"name": 1}\n', "\x00\x01"])
def test_another_file_is_refused_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises(JournalError, match="t: does not hold measurements; name a new file"):
        Journal.read(tmp_path / "t")
    assert (tmp_path / "t").read_text() == text


@pytest.mark.parametrize(
    "line", ['{"irquant": 1}', '{"irquant": 1, "key": "k", "values": 3, "int8": 0, "layers": 0}', "3", "null", "{}"]
)
def test_a_line_that_is_no_measurement_is_passed_over(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line + "\n")
    journal = Journal.read(path)
    assert journal.known == {"one": ONE, "two": TWO}
    assert journal.warnings == [f"{path}: line 3 is damaged and was skipped: that model is measured again"]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"gone/t: cannot be written: name a file in an existing folder"):
        Journal.read(tmp_path / "gone" / "t")
    with pytest.raises(JournalError, match=r"Is a directory: name a file that can be written"):
        Journal.read(tmp_path)


def test_fingerprints_tell_every_fact_apart() -> None:
    facts: list[dict[str, object]] = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": 1, "b": None}, {"a": "1"}, {"a": [1]}]
    assert len({fingerprint(**each) for each in facts}) == len(facts)
    assert fingerprint(a=1, b=2) == fingerprint(b=2, a=1)
