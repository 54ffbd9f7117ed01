"""The page about a batch of models."""

import math
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from irquant.passes.analysis.agreement import Verdict
from irquant.tools.report.page import render, write_page
from irquant.tools.report.quantization import versions
from irquant.tools.zoo.display import NOT_VERIFIED, beside_others, latency
from irquant.tools.zoo.record import State
from irquant.tools.zoo.rows import Row

#: The states, in the order of the attention that they need.
_STATES = (
    State.INTERNAL,
    State.CRASHED,
    State.MEMORY,
    State.TIMEOUT,
    State.FAILED,
    State.MISSED,
    State.UNCHANGED,
    State.NOT_DONE,
    State.DONE,
)
_VERDICTS = (Verdict.UNKNOWN, Verdict.POOR, Verdict.FAIR, Verdict.GOOD)
_WITHOUT_RESULT = _STATES[:5]
#: State -> the verdict with the same look.
_LOOKS = {
    State.DONE: Verdict.GOOD,
    State.MISSED: Verdict.FAIR,
    State.UNCHANGED: Verdict.UNKNOWN,
    State.NOT_DONE: Verdict.UNKNOWN,
}


@dataclass(frozen=True)
class BatchSubject:
    """The subject of a page.

    Attributes:
        batch: The path of the batch file.
        folder: The folder of the results.
        up_to_date: The names of the models whose results are from earlier runs.
        links: The name of a model -> its own page, as a path from this one.
    """

    batch: Path
    folder: Path
    up_to_date: Collection[str]
    links: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class BatchRow:
    """A model in the table.

    Attributes:
        row: The result of the model.
        look: The look of its state.
        latency: The latencies of both models; empty if they were not measured.
        share: What is said of int8; empty if nothing is known.
        ranks: Name of an order of the rows -> its place in that order.
    """

    row: Row
    look: str
    latency: str
    share: str
    ranks: dict[str, int]


def links_from(page: Path, folder: Path, rows: Sequence[Row]) -> dict[str, str]:
    """The pages of models, by name, as paths from the page about all of them.

    Args:
        page: The page about all models.
        folder: The folder of the results.
        rows: The results.
    """
    pages = {row.name: (folder / row.result).with_suffix(".html") for row in rows if row.result}
    return {
        name: Path(os.path.relpath(each, page.absolute().parent)).as_posix()
        for name, each in pages.items()
        if each.is_file()
    }


def write_batch_page(path: Path, rows: Sequence[Row], subject: BatchSubject) -> None:
    """Writes the page.

    Raises:
        PageError: it cannot be written.
    """
    write_page(path, batch_page(rows, subject))


def batch_page(rows: Sequence[Row], subject: BatchSubject) -> str:
    """The page as text."""
    verdicts = Counter(row.verdict for row in rows if row.verdict)
    judged = [row for row in rows if row.verdict]
    values = {
        "subject": subject,
        "rows": _ranked(rows),
        "states": Counter(row.state.value for row in rows),
        "failed": [row for row in rows if row.state in _WITHOUT_RESULT],
        "missed": [row for row in rows if row.state is State.MISSED],
        "unchanged": [row for row in rows if row.state is State.UNCHANGED],
        "floating": [row for row in rows if row.float_layers],
        "verdicts": {each.value: verdicts[each] for each in _VERDICTS if verdicts[each]},
        "worst": min(judged, key=_quality, default=None),
        "beside_others": beside_others(rows),
        "told": [row for row in rows if row.warnings],
        "before": sum(row.bytes_before or 0 for row in rows),
        "after": sum(row.bytes_after or 0 for row in rows),
        "versions": versions(),
        "now": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return render("batch.html.j2", values)


def _ranked(rows: Sequence[Row]) -> list[BatchRow]:
    """The rows, each with its place in each order."""
    places = {name: _places(rows, key) for name, key in _ORDERS.items()}
    return [
        BatchRow(
            row,
            _LOOKS.get(row.state, Verdict.POOR),
            latency(row),
            NOT_VERIFIED if row.verified is False else "" if row.int8_share is None else f"{row.int8_share:.1%}",
            {name: each[index] for name, each in places.items()},
        )
        for index, row in enumerate(rows)
    ]


def _places(rows: Sequence[Row], key: Callable[[Row], tuple[float, ...]]) -> list[int]:
    order = sorted(range(len(rows)), key=lambda index: key(rows[index]))
    found = dict(zip(order, range(len(rows)), strict=True))
    return [found[index] for index in range(len(rows))]


def _quality(row: Row) -> tuple[float, ...]:
    """A sort key from the worst output to the best, then models without a known output."""
    place = _VERDICTS.index(Verdict(row.verdict)) if row.verdict else len(_VERDICTS)
    return (place, math.inf if row.sqnr is None else row.sqnr)


_ORDERS: dict[str, Callable[[Row], tuple[float, ...]]] = {
    "place": lambda _: (),
    "state": lambda row: (_STATES.index(row.state),),
    "quality": _quality,
    "share": lambda row: (math.inf if row.int8_share is None else row.int8_share,),
    "size": lambda row: (-(row.bytes_before or 0),),
    "seconds": lambda row: (-row.seconds,),
    "memory": lambda row: (-row.peak_mb,),
}
