"""What a run has written is read off the disk."""

from pathlib import Path

from irquant.ir.watched_files import watch, watched_files


def test_files_are_told_that_are_new_or_changed(tmp_path: Path) -> None:
    new, changed, same, never = (tmp_path / name for name in ("new", "changed", "same", "never"))
    changed.write_text("old")
    same.write_text("old")
    with watched_files() as written:
        for path in (new, changed, same, never):
            watch(path)
        assert written() == []
        new.write_text("text")
        changed.write_text("longer")
        assert written() == [new, changed]
    assert written() == [new, changed]


def test_a_file_that_is_gone_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    with watched_files() as written:
        watch(tmp_path / "old")
        (tmp_path / "old").unlink()
        assert written() == []


def test_nobody_need_want_to_know(tmp_path: Path) -> None:
    watch(tmp_path / "a")
    with watched_files() as written:
        (tmp_path / "a").write_text("text")
        assert written() == []
