"""Files of users are opened in one way: regular ones, of a size that makes sense, without waiting."""

import os
from pathlib import Path

import pytest

from irquant.ir.user_files import ANY_SIZE, no_such_file, open_user_file, read_user_file, read_user_text


def reason(path: Path, most: int = 10) -> str | None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the text is what is returned
        read_user_file(path, most)
    return caught.value.strerror


def test_a_regular_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789")
    assert read_user_file(tmp_path / "a", 10) == b"0123456789"


def test_a_link_to_one_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    (tmp_path / "b").symlink_to("a")
    assert read_user_text(tmp_path / "b") == "text"


def test_lines_end_in_one_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one\r\ntwo\rthree\n")
    assert read_user_text(tmp_path / "a") == "one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a\nb\xff", "no text in UTF-8: byte 0xff in line 2"),
        ("a: 1".encode("utf-16"), "a text in UTF-16: save it as UTF-8"),
    ],
)
def test_what_is_no_text_is_told(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(OSError, match=r"a'$") as caught:
        read_user_text(tmp_path / "a")
    assert caught.value.strerror == said


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert reason(tmp_path / "pipe") == "no regular file"


def test_a_pointer_of_git_lfs_is_no_file(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (tmp_path / "a").write_text(pointer)
    assert reason(tmp_path / "a") == "a pointer of Git LFS in place of the file: fetch it, git lfs pull"


def test_a_device_has_no_end_and_is_refused() -> None:
    assert reason(Path("/dev/zero")) == "no regular file"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none", "No such file or directory"),
        (".", "Is a directory"),
        ("x" * 300, "File name too long"),
        ("a\0b", "no path of a file"),
    ],
)
def test_what_is_no_file_is_told(tmp_path: Path, name: str, said: str) -> None:
    assert reason(tmp_path / name) == said


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"0123456789a")
    assert reason(tmp_path / "a") == "11 bytes, expected 10 or less; IRQUANT_ANY_SIZE=1 allows it"


def test_the_environment_lifts_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ANY_SIZE, "1")
    (tmp_path / "a").write_bytes(b"0123456789a")
    assert len(read_user_file(tmp_path / "a", 10)) == 11


def test_a_file_that_is_refused_is_not_left_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(IsADirectoryError):
            open_user_file(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_what_is_not_on_this_disk_is_told() -> None:
    assert no_such_file("https://x.org/m.xml") == (
        "https://x.org/m.xml: no such file; https addresses are not read: download it first"
    )
    assert no_such_file(Path("hf://x/m.xml")).endswith("; hf addresses are not read: download it first")
    assert no_such_file("-") == "-: no such file; standard input is not read: save it to a file"


def test_a_file_of_a_similar_name_is_suggested(tmp_path: Path) -> None:
    (tmp_path / "model.xml").touch()
    wanted = tmp_path / "model.xlm"
    assert no_such_file(wanted) == f"{wanted}: no such file; did you mean '{tmp_path / 'model.xml'}'?"
    other = tmp_path / "weights.bin"
    assert no_such_file(other) == f"{other}: no such file"
    lost = tmp_path / "gone" / "model.xml"
    assert no_such_file(lost) == f"{lost}: no such file"
