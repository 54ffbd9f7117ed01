"""A small dose of each attack; `python tests/programs/attack.py` runs as many as wanted."""

import errno
from pathlib import Path

import pytest

from .campaign import Tally
from .judging import faults_after, faults_of_next
from .scene import COMMANDS, Command, End, Look
from .stops import Attacker, Case

COMPRESS = next(each for each in COMMANDS if each.name == "compress")
OLD = {"m.xml": b"m", "m.bin": b"m", "d.npz": b"d", "given.npz": b"g", "batch.yaml": b"b", "o.xml": b"1", "o.bin": b"1"}
NEW = OLD | {"o.xml": b"2", "o.bin": b"2"}


def look(files: dict[str, bytes]) -> Look:
    return Look(files, {name: (0, 0, len(content), sum(content)) for name, content in files.items()})


@pytest.mark.parametrize(
    ("files", "end", "fault"),
    [
        (NEW, End(0, ""), None),
        (OLD, End(2, "error: o.xml: cannot be written: full"), None),
        (OLD, End(-9, ""), None),
        (NEW, End(130, "error: interrupted; written: o.xml, o.bin"), None),
        (OLD, End(1, "in <frozen site>\nKeyboardInterrupt\n"), None),
        (NEW, End(1, "in <frozen site>\nKeyboardInterrupt\n"), "exit code 1: KeyboardInterrupt"),
        (OLD, End(1, "Traceback\nirquant/tools/cli.py\nKeyboardInterrupt\n"), "traceback: KeyboardInterrupt"),
        (NEW | {"m.bin": b"x"}, End(0, ""), "input changed: m.bin"),
        (NEW | {"o.bin": b"half"}, End(-9, ""), "neither old nor new: o.bin"),
        (NEW | {"o.bin": b"1"}, End(-9, ""), "torn: o.xml"),
        ({name: OLD[name] for name in OLD if name != "o.bin"}, End(-9, ""), "lost: o.bin"),
        (OLD, End(0, ""), "exit code 0, but not written: ['o.bin', 'o.xml']"),
        (OLD, End(70, "error: this is"), "traceback: error: this is"),
        (OLD, End(3, "error: what"), "exit code 3: error: what"),
        (NEW, End(130, "error: interrupted; nothing was written"), "says 'error: interrupted; nothing was written', but written: ['o.bin', 'o.xml']"),
        (OLD, End(2, "error: x; written: o.xml"), "says 'error: x; written: o.xml', but written: []"),
    ],
)  # fmt: skip
def test_each_fault_is_seen(files: dict[str, bytes], end: End, fault: str | None) -> None:
    found = list(faults_after(COMPRESS, look(OLD), end, look(files), look(NEW)))
    assert fault in found if fault else not found


@pytest.mark.parametrize(("state", "faults"), [("crashed", 0), ("done", 2)])
def test_only_a_model_that_failed_in_a_batch_may_lose_its_former_result(state: str, faults: int) -> None:
    left = {name: OLD[name] for name in OLD if name not in ("o.xml", "o.bin")} | {
        "o.json": f'{{"state": "{state}"}}'.encode()
    }
    found = list(faults_after(COMPRESS, look(OLD), End(-9, ""), look(left), look(NEW)))
    assert len(found) == faults


def test_what_a_next_run_leaves_is_seen() -> None:
    hidden = ".o.0123456789abcdef.bin"
    assert list(faults_of_next(End(0, ""), look(NEW | {hidden: b""}), look(NEW))) == ["the next run leaves .o.*.bin"]
    assert list(faults_of_next(End(2, "error: no"), look(NEW), look(NEW))) == ["the next run ends with 2: error: no"]
    assert list(faults_of_next(End(0, ""), look(OLD), look(NEW))) == [
        f"after the next run, o.{suffix} is not what it should be" for suffix in ("bin", "xml")
    ]


def test_a_failure_is_printed_once_with_what_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    for number in (1, 2):
        tally.add(Case("compress fresh", "exit code 0, changed", (f"lost: {number}",)), f"stops --seed {number}")
    assert capsys.readouterr().out == "FAILED stops --seed 1: compress fresh: lost: 1\n"
    assert tally.report() == 1
    assert capsys.readouterr().out.endswith("     2 x FAILED lost: N\n2 runs, 2 failures\n")


def attacker(folder: Path, *commands: Command) -> Attacker:
    return Attacker(folder.resolve(), commands)


@pytest.mark.slow
def test_calls_are_counted_and_fail(tmp_path: Path) -> None:
    attacks = attacker(tmp_path, COMPRESS)
    calls = attacks.calls(COMPRESS, over_old=True)
    moves = [number for number, call in enumerate(calls, 1) if call.startswith("replace")]
    assert len(moves) == 3, "the journal, and the two files"
    failed = attacks.strike(COMPRESS, moves[0], errno.ENOSPC, over_old=True)
    assert failed.outcome == "exit code 2, as before"
    repeated = attacks.strike(COMPRESS, moves[1], errno.EIO, over_old=True)
    assert repeated.outcome == "exit code 0, changed"
    killed = attacks.strike(COMPRESS, moves[2], "SIGKILL", over_old=True)
    assert killed.outcome == "exit code 71, changed"
    assert [*failed.faults, *repeated.faults, *killed.faults] == []


@pytest.mark.slow
def test_each_second_call_of_compress_that_fails_leaves_old_or_new(tmp_path: Path) -> None:
    """The program runs all of them, and those of the other commands."""
    attacks = attacker(tmp_path, COMPRESS)
    count = len(attacks.calls(COMPRESS, over_old=True))
    assert count > 20
    for position in range(1, count + 1, 2):
        case = attacks.strike(COMPRESS, position, errno.EIO, over_old=True)
        assert not case.faults, f"{case.what}: {case.faults}"


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_stopped_commands_leave_old_or_new(tmp_path: Path, part: int) -> None:
    attacks = attacker(tmp_path, *COMMANDS)
    for seed in range(6 * part, 6 * part + 6):
        case = attacks.stop(seed)
        assert not case.faults, f"seed {seed}: {case.what}: {case.faults}"
