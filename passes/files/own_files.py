"""Recognizes files that irquant made by their content: such files may be replaced without a question."""

import re
import zipfile
from pathlib import Path

from ...ir.atomic_write import finish_interrupted_write
from ...ir.weights import open_weights
from ..tuning.goals import MARK
from .provenance import SECTION

#: The mark in each page that irquant writes, and the beginning of each line of its measurements.
PAGE_MARK, JOURNAL_MARK = b'<meta name="generator" content="irquant">', b'{"irquant"'
#: The beginning of each graph that irquant writes for Model Explorer.
GRAPH_MARK = b'{\n "label": "irquant: '
#: The number of first bytes of a page that are searched for its mark.
_HEAD = 4096


def is_own_file(path: Path) -> bool:
    """Whether a file is a model, statistics, a page, a graph, measurements or a tuning of irquant's, or empty.

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
        return head.startswith((JOURNAL_MARK, MARK, GRAPH_MARK)) or PAGE_MARK in head or _is_statistics(path)
    except OSError:
        return False


def _is_own_model(path: Path) -> bool:
    """Whether a model has irquant's section; names and texts hold no "<"."""
    finish_interrupted_write(path)
    return re.search(f"<{SECTION}>".encode(), open_weights(path).data.data) is not None


def _is_statistics(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    from ..statistics.file import StatisticsFileError, open_statistics  # here: most runs replace no such file

    try:
        open_statistics(path)
    except StatisticsFileError:
        return False
    return True
