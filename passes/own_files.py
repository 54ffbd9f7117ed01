"""Which files irquant made, told by what is in them: those may be replaced without a question."""

import re
import zipfile
from pathlib import Path

from ..ir.atomic_write import finish_interrupted_write
from ..ir.weights import open_weights
from .provenance import SECTION
from .statistics.file import StatisticsFileError, open_statistics

#: What stands in each page that irquant writes, and how each line of its measurements begins.
PAGE_MARK, JOURNAL_MARK = b'<meta name="generator" content="irquant">', b'{"irquant"'
#: How far into a page its mark is looked for.
_HEAD = 4096


def is_own_file(path: Path) -> bool:
    """Whether a file is a model, statistics, a page or measurements of irquant's, or empty.

    Weights are irquant's if the .xml beside them is.
    """
    try:
        if not path.stat().st_size:
            return True
        if path.suffix == ".bin":
            return _is_own_model(path.with_suffix(".xml"))
        if path.suffix == ".xml":
            return _is_own_model(path)
        with path.open("rb") as file:
            head = file.read(_HEAD)
        return head.startswith(JOURNAL_MARK) or PAGE_MARK in head or _is_statistics(path)
    except OSError:
        return False


def _is_own_model(path: Path) -> bool:
    """Whether a model says where it comes from; in names and texts there is no "<"."""
    finish_interrupted_write(path)
    return re.search(f"<{SECTION}>".encode(), open_weights(path).data.data) is not None


def _is_statistics(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        open_statistics(path)
    except StatisticsFileError:
        return False
    return True
