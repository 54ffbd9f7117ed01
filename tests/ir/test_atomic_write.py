"""An .xml and its .bin appear together or not at all."""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from irquant.ir import IRError, read_model, write_model
from irquant.ir.atomic_write import (
    NotSyncedError,
    UnfinishedWriteError,
    finish_interrupted_write,
    write_bytes,
    write_failure,
    write_pair,
    written_together,
)
from irquant.ir.weights import Weights, open_weights

OLD, NEW = (b"old xml", b"old bin"), (b"new xml", b"new bin")
PAIR = ["mo[d]el.bin", "mo[d]el.xml"]


def pair(path: Path) -> tuple[bytes, bytes]:
    return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def write(path: Path, content: tuple[bytes, bytes]) -> None:
    def write_bin(file: BinaryIO) -> None:
        file.write(content[1])

    write_pair(path, write_bin, content[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mo[d]el.xml"


class Killed(BaseException):
    """What stands for a kill: nothing is cleaned up behind it."""


def before_each_change(monkeypatch: pytest.MonkeyPatch, call: Callable[[], None]) -> None:
    """Calls a function in front of each change of the folder."""

    def calling(name: str) -> None:
        real = getattr(Path, name)

        def change(self: Path, *args: object, **options: object) -> object:
            call()
            return real(self, *args, **options)

        monkeypatch.setattr(Path, name, change)

    for name in ("replace", "unlink"):
        calling(name)


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Kills the writer in front of the n-th change of the folder."""
    left: list[int] = []

    def kill() -> None:
        if left:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

    before_each_change(monkeypatch, kill)
    return left


@pytest.mark.parametrize("changes", range(8))
def test_a_kill_at_any_point_leaves_one_of_the_two(path: Path, kill_at: list[int], changes: int) -> None:
    write(path, OLD)
    kill_at.append(changes)
    try:
        write(path, NEW)
        killed = False
    except Killed:
        killed = True
    kill_at.clear()
    if path.exists():
        assert pair(path) in (OLD, NEW)
    finish_interrupted_write(path)
    assert pair(path) == (OLD if killed and changes == 0 else NEW)
    write(path, OLD)
    assert sorted(each.name for each in path.parent.iterdir()) == ["mo[d]el.bin", "mo[d]el.xml"]


@pytest.mark.parametrize("changes", range(5))
def test_a_kill_at_the_first_write_leaves_nothing_or_what_the_next_reader_completes(
    path: Path, kill_at: list[int], changes: int
) -> None:
    kill_at.append(changes)
    with suppress(Killed):
        write(path, NEW)
    kill_at.clear()
    finish_interrupted_write(path)
    assert [each for each in names(path.parent) if each[0] != "."] == ([] if changes == 0 else PAIR)


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lets the changes of the folder with these numbers fail."""
    numbers: list[int] = []
    seen = itertools.count()

    def fail() -> None:
        if numbers and next(seen) in numbers:
            raise OSError(5, "Input/output error")

    before_each_change(monkeypatch, fail)
    return numbers


@pytest.mark.parametrize("number", range(5))
def test_a_change_that_fails_once_gives_one_of_the_two(path: Path, fail_at: list[int], number: int) -> None:
    write(path, OLD)
    fail_at.append(number)
    with pytest.raises(OSError, match="error") if number == 0 else nullcontext():
        write(path, NEW)
    assert pair(path) == (OLD if number == 0 else NEW)
    assert names(path.parent) == PAIR


def test_moves_that_fail_again_are_told_and_the_next_reader_completes_them(path: Path, fail_at: list[int]) -> None:
    write(path, OLD)
    fail_at += range(2, 9)
    with pytest.raises(UnfinishedWriteError) as caught:
        write(path, NEW)
    assert write_failure(path, caught.value) == (
        f"{path}: is whole, but not in place yet (Input/output error): `irquant inspect {path}` completes it"
    )
    fail_at.clear()
    finish_interrupted_write(path)
    assert pair(path) == NEW
    assert names(path.parent) == PAIR


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("together", ["nullcontext", "written_together"])
def test_an_interrupt_between_two_moves_comes_after_them(tmp_path: Path, together: str, signal_name: str) -> None:
    script = (
        "import signal, sys; from contextlib import nullcontext; from pathlib import Path\n"
        "from irquant.ir.atomic_write import write_pair, written_together\n"
        f"signal.signal(signal.{signal_name}, signal.default_int_handler)\n"
        "replace = Path.replace\n"
        "def interrupted(part, target):\n"
        f"    signal.raise_signal(signal.{signal_name})\n"
        "    return replace(part, target)\n"
        "Path.replace = interrupted\n"
        "try:\n"
        f"    with {together}(): write_pair(Path(sys.argv[1]), lambda file: file.write(b'new bin'), b'new xml')\n"
        f"except KeyboardInterrupt: print(signal.getsignal(signal.{signal_name}) is signal.default_int_handler)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "m.xml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert pair(tmp_path / "m.xml") == NEW
    assert names(tmp_path) == ["m.bin", "m.xml"]


@pytest.mark.slow
def test_two_hundred_killed_writers_leave_no_torn_pair(tmp_path: Path) -> None:
    program = Path(__file__).parents[1] / "programs" / "killed_writers.py"
    command = [sys.executable, str(program), str(tmp_path), "200", "20261123"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found.pop("left behind") == []
    assert sum(found.values()) == 200
    assert len(found) > 1


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from irquant.ir.atomic_write import write_pair\n"
        "for _ in range(30): write_pair(Path(sys.argv[1]), lambda f: f.write(sys.argv[2].encode()), sys.argv[2].encode())"
    )
    commands = [[sys.executable, "-c", script, str(tmp_path / "m.xml"), text] for text in ("one" * 9000, "two" * 9000)]
    writers = [subprocess.Popen(command) for command in commands]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    xml, binary = pair(tmp_path / "m.xml")
    assert xml == binary
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_reader_sees_one_model_while_another_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(path: Path) -> Weights:
        time.sleep(0.01)  # long enough for a writer to come between the two files
        return open_weights(path)

    monkeypatch.setattr("irquant.ir.reader.open_weights", slowly)
    script = (
        "import sys; import numpy as np; from irquant.ir import Graph, write_model\n"
        "def model(value):\n"
        "    graph = Graph()\n"
        "    constant = graph.add_constant(f'value {value}', np.full(9, value, np.float32))\n"
        "    graph.add('Result', 'out', [constant.output()], [])\n"
        "    return graph\n"
        "models = [model(1.0), model(2.0)]\n"
        "write_model(models[0], sys.argv[1]); print('ready', flush=True)\n"
        "while True:\n"
        "    for each in models: write_model(each, sys.argv[1])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "m.xml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            seen: set[str] = set()
            for _ in range(100):
                (constant,) = read_model(tmp_path / "m.xml").nodes("Const")
                assert constant.name == f"value {constant.array[0]}"
                seen.add(constant.name)
        finally:
            writer.kill()
    assert len(seen) == 2


def test_the_reader_finishes_what_was_begun(conv: Path, tmp_path: Path, kill_at: list[int]) -> None:
    graph, output = read_model(conv), tmp_path / "o.xml"
    write_model(graph, output)
    graph.rename(graph.node("relu"), "renamed")
    kill_at.append(3)
    with pytest.raises(Killed):
        write_model(graph, output)
    kill_at.clear()
    assert not output.exists()
    assert read_model(output).node("renamed").type == "ReLU"


@pytest.mark.parametrize(
    "journal", [b"", b"{}", b'["../a", "../b"]', b'[".mo[d]el.a", 1]', b'[".mo[d]el.a/../b", ".mo[d]el.c"]', b"\xff"]
)
def test_a_journal_that_is_not_ours_moves_nothing(path: Path, journal: bytes) -> None:
    write(path, OLD)
    path.with_name(".mo[d]el.commit").write_bytes(journal)
    before = {each: each.read_bytes() for each in path.parent.iterdir()}
    finish_interrupted_write(path)
    assert {each: each.read_bytes() for each in path.parent.iterdir()} == before


def test_other_files_are_no_orphans(path: Path) -> None:
    for name in (".mo[d]el.notes.bin", ".other.0123456789abcdef.bin", "model.0123456789abcdef.bin"):
        path.with_name(name).write_text("mine")
    path.with_name(".mo[d]el.0123456789abcdef.bin").write_text("left by a writer that was killed")
    write(path, NEW)
    assert sorted(each.name for each in path.parent.iterdir()) == [
        ".mo[d]el.notes.bin",
        ".other.0123456789abcdef.bin",
        "mo[d]el.bin",
        "mo[d]el.xml",
        "model.0123456789abcdef.bin",
    ]


def test_weights_that_changed_since_they_were_read_are_refused(conv: Path, tmp_path: Path) -> None:
    graph, weights = read_model(conv), conv.with_suffix(".bin")
    weights.write_bytes(bytes(weights.stat().st_size))
    with pytest.raises(IRError) as caught:
        write_model(graph, tmp_path / "o.xml")
    assert str(caught.value) == f"{weights}: changed since the model was read; read it again"
    assert not (tmp_path / "o.xml").exists()


# ------------------------------------------------------------------------------------------------------------ together


def test_files_appear_together_at_the_end(path: Path) -> None:
    with written_together():
        write_bytes(path.with_name("s.npz"), b"statistics")
        write(path, NEW)
        assert not [name for name in names(path.parent) if not name.startswith(".")]
    assert names(path.parent) == ["mo[d]el.bin", "mo[d]el.xml", "s.npz"]
    assert pair(path) == NEW


def test_an_error_leaves_none_of_them_and_what_was_there(path: Path) -> None:
    write(path, OLD)

    def run() -> None:
        with written_together():
            write_bytes(path.with_name("s.npz"), b"statistics")
            write(path, NEW)
            raise Killed

    with pytest.raises(Killed):
        run()
    assert names(path.parent) == ["mo[d]el.bin", "mo[d]el.xml"]
    assert pair(path) == OLD


def test_a_file_that_cannot_be_moved_is_named_and_those_behind_it_stay_away(path: Path) -> None:
    taken = path.with_name("s.npz")

    def run() -> None:
        with written_together():
            write_bytes(path.with_name("first"), b"1")
            write_bytes(taken, b"2")
            write(path, NEW)
            taken.mkdir()
            (taken / "mine").touch()

    with pytest.raises(IRError) as caught:
        run()
    assert str(caught.value) == f"{taken}: cannot be written: Is a directory"
    assert names(path.parent) == ["first", "s.npz"]


def test_inside_another_run_files_appear_at_the_end_of_the_inner_one(path: Path) -> None:
    with written_together():
        write_bytes(path.with_name("outer"), b"1")
        with written_together():
            write_bytes(path.with_name("inner"), b"1")
        assert [name for name in names(path.parent) if not name.startswith(".")] == ["inner"]
    assert names(path.parent) == ["inner", "outer"]


def test_a_folder_that_cannot_be_synced_is_no_reason_to_say_that_nothing_was_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, OLD)
    path.unlink()

    def fails(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").resolve() == path.parent.resolve():
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", fails)
    with pytest.raises(NotSyncedError) as caught:
        write(path, NEW)
    assert pair(path) == NEW
    assert write_failure(path, caught.value) == (
        f"{path}: is written, but the disk does not confirm it (Input/output error): check the disk"
    )


def test_a_model_is_replaced_where_folders_cannot_be_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path) -> None:
        raise NotSyncedError(22, "Invalid argument")

    write(path, OLD)
    monkeypatch.setattr("irquant.ir.atomic_write._sync", fails)
    with pytest.raises(NotSyncedError):
        write(path, NEW)
    assert pair(path) == NEW


def test_after_a_file_that_may_not_last_the_others_are_moved_all_the_same(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Path) -> None:
        raise NotSyncedError(22, "Invalid argument")

    first = path.with_name("s.npz")

    def run() -> None:
        with written_together():
            write_bytes(first, b"statistics")
            write(path, NEW)

    monkeypatch.setattr("irquant.ir.atomic_write._sync", fails)
    with pytest.raises(IRError) as caught:
        run()
    assert str(caught.value) == (
        f"{first}: is written, but the disk does not confirm it (Invalid argument): check the disk"
    )
    assert names(path.parent) == ["mo[d]el.bin", "mo[d]el.xml", "s.npz"]


@pytest.mark.parametrize("is_together", [False, True])
def test_files_are_closed_before_they_are_moved(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, is_together: bool
) -> None:
    moved: list[str] = []
    replace = Path.replace

    def replaced(part: Path, target: Path) -> Path:
        handles = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
        assert str(part) not in handles
        moved.append(target.name)
        return replace(part, target)

    monkeypatch.setattr(Path, "replace", replaced)
    with written_together() if is_together else nullcontext():
        write_bytes(path.with_name("s.npz"), b"statistics")
        write(path, NEW)
    assert moved == ["s.npz", ".mo[d]el.commit", "mo[d]el.bin", "mo[d]el.xml"]


@pytest.mark.parametrize("letter", ["x", "\N{SNOWMAN}"])
def test_the_longest_name_that_a_file_can_have_is_written(tmp_path: Path, letter: str) -> None:
    path = tmp_path / f"{letter * (251 // len(letter.encode()))}.xml"
    write(path, OLD)
    write(path, NEW)
    assert pair(path) == NEW
    write_bytes(path.with_suffix(".npz"), b"whole")
    assert len(names(tmp_path)) == 3
