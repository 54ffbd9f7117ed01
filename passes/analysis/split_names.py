"""Finds files that are named as data to check with, among others that are named as data to calibrate with."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_TO_CALIBRATE = frozenset({"calib", "calibration", "train", "training"})
_TO_CHECK = frozenset({"eval", "evaluation", "val", "valid", "validation", "test", "testing"})
_WORD = re.compile(r"[a-z]+")


def about_splits(paths: Sequence[Path], *, by_folder: bool) -> Iterator[str]:
    """A warning if the names tell of both kinds.

    Args:
        paths: The files of a source.
        by_folder: Whether only the names of folders tell: images may be called anything.
    """
    found = {path: _purpose(path, by_folder=by_folder) for path in paths}
    to_check = [path for path, purpose in found.items() if purpose is _TO_CHECK]
    others = [path for path, purpose in found.items() if purpose is _TO_CALIBRATE]
    if to_check and others:
        count = f"{len(to_check)} of {len(paths)} files look like data to check with"
        yield f"{count} ({_short(to_check[0])}, beside {_short(others[0])}): give only those to calibrate with"


def _purpose(path: Path, *, by_folder: bool) -> frozenset[str] | None:
    """What the name says, or else the folder."""
    names = [path.parent.name] if by_folder else [path.stem, path.parent.name]
    for words in ({*_WORD.findall(name.lower())} for name in names):
        for purpose in (_TO_CHECK, _TO_CALIBRATE):
            if words & purpose:
                return purpose
    return None


def _short(path: Path) -> str:
    return str(Path(path.parent.name) / path.name)
