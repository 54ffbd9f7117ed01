"""Compares the rows of two runs: which models became worse, and which are new, gone or changed.

A row of an earlier version of irquant lacks the newer fields; what only one of two rows says is not compared.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import ValidationError

from irquant.ir import UserError
from irquant.ir.listing import first_few
from irquant.ir.user_files import read_user_text
from irquant.passes.analysis.agreement import Verdict
from irquant.tools.zoo.record import State
from irquant.tools.zoo.rows import Row
from irquant.tools.zoo.run import RESULTS

#: The states from the best to the worst; those that are not listed give no result.
_BEST_FIRST = (State.DONE, State.UNCHANGED, State.MISSED)
#: Changes of an SQNR in dB, factors between latencies, and changes of int8 shares (the runtime merges layers otherwise)
#: that may be noise.
_SAME_DECIBELS, _SAME_LATENCY, _SAME_SHARE = 0.1, 1.2, 0.005
#: The most layers that a line names.
_MOST_NAMED = 3


class ComparisonError(UserError):
    """A file is no list of results."""


class Change(StrEnum):
    """What became of a model between two runs."""

    WORSE = "worse"
    CHANGED = "changed"
    NEW = "new"
    GONE = "gone"
    SAME = "the same"


@dataclass(frozen=True)
class Compared:
    """A model in both runs.

    Attributes:
        name: The name of its result.
        change: What became of it.
        why: What differs, for people.
    """

    name: str
    change: Change
    why: tuple[str, ...] = ()


def read_rows(path: Path) -> list[Row]:
    """The rows of a run.

    Args:
        path: The folder of its results, or a `results.jsonl`.

    Raises:
        ComparisonError: there are none.
    """
    file = path / RESULTS if path.is_dir() else path
    try:
        lines = read_user_text(file).splitlines()
    except OSError as error:
        message = f"{file}: cannot be read: {error.strerror}"
        raise ComparisonError(message) from None
    return [_row(file, number, line) for number, line in enumerate(lines, 1)]


def _row(file: Path, number: int, line: str) -> Row:
    try:
        return Row.model_validate_json(line)
    except ValidationError:
        message = f"{file}: line {number}: no row of irquant zoo, or one of a newer version"
        raise ComparisonError(message) from None


def compare_rows(old: Sequence[Row], new: Sequence[Row], max_loss: float) -> list[Compared]:
    """What became of each model, the worst changes first.

    Args:
        old: The rows of the earlier run.
        new: Those of the later one.
        max_loss: By how many dB an output may lose.
    """
    before, after = ({row.name: row for row in rows} for rows in (old, new))
    found = [_compared(before.get(name), after.get(name), max_loss) for name in {**before, **after}]
    return sorted(found, key=lambda each: [*Change].index(each.change))


def _compared(old: Row | None, new: Row | None, max_loss: float) -> Compared:
    if new is None:
        assert old is not None, "it is in one of both"
        return Compared(old.name, Change.GONE, (f"it was {old.state}",))
    if old is None:
        return Compared(new.name, Change.NEW, (_state(new),))
    if worse := tuple(_losses(old, new, max_loss)):
        return Compared(new.name, Change.WORSE, worse)
    changed = tuple(_differences(old, new))
    return Compared(new.name, Change.CHANGED if changed else Change.SAME, changed)


def _losses(old: Row, new: Row, max_loss: float) -> Iterator[str]:
    """What became worse by more than is allowed, or than may be noise."""
    if _rank(new) > _rank(old):
        yield f"{old.state} -> {_state(new)}"
    if _is_checked(old) and _is_checked(new) and _decibels(new) < _decibels(old) - max_loss:
        yield f"{_ratios(old, new)}: more than {max_loss:g} dB less"
    elif _is_checked(old) and _is_checked(new) and _grade(new) > _grade(old):
        yield f"verdict {old.verdict} -> {new.verdict}, {_ratios(old, new)}"
    elif _is_checked(old) and new.size_ratio is not None and not _is_checked(new):
        yield "its outputs are not checked any more"
    if old.int8_share is not None and new.int8_share is not None and new.int8_share < old.int8_share - _SAME_SHARE:
        yield f"{_shares(old, new)}{_now_float(old, new)}"
    if old.metric and new.metric and old.metric.name == new.metric.name:
        limit = new.metric.max_drop * (1 if new.metric.drop_type == "absolute" else abs(old.metric.int8))
        if new.metric.int8 < old.metric.int8 - limit:
            yield f"{_metrics(old, new)}: a drop of more than {new.metric.limit}"
    if old.latency and new.latency and _slowness(new) > _slowness(old) * _SAME_LATENCY:
        yield f"latency of int8 over float {_slowness(old):.2f} -> {_slowness(new):.2f}: measure it alone"


def _differences(old: Row, new: Row) -> Iterator[str]:
    """What differs and is not worse."""
    if old.state is not new.state:
        yield f"{old.state} -> {_state(new)}"
    if _is_checked(old) and _is_checked(new) and abs(_gain(old, new)) > _SAME_DECIBELS:
        yield _ratios(old, new)
    if old.int8_share is not None and new.int8_share is not None and new.int8_share > old.int8_share:
        yield _shares(old, new)
    if old.metric and new.metric and old.metric.int8 != new.metric.int8:
        yield _metrics(old, new)


def _rank(row: Row) -> int:
    return _BEST_FIRST.index(row.state) if row.state in _BEST_FIRST else len(_BEST_FIRST)


def _grade(row: Row) -> int:
    assert row.verdict is not None, "it was checked"
    return (Verdict.GOOD, Verdict.FAIR, Verdict.POOR).index(row.verdict)


def _state(row: Row) -> str:
    return f"{row.state}: {row.message}" if row.message else row.state


def _is_checked(row: Row) -> bool:
    return row.verdict is not None and row.verdict != "unknown"


def _decibels(row: Row) -> float:
    """The SQNR of the worst output of a checked model: infinite for equal outputs, -inf if they are no numbers."""
    if row.sqnr is None:
        return math.inf if row.verdict == Verdict.GOOD else -math.inf
    return row.sqnr


def _gain(old: Row, new: Row) -> float:
    before, after = _decibels(old), _decibels(new)
    return 0.0 if before == after else after - before


def _ratios(old: Row, new: Row) -> str:
    return f"worst output {_told(old)} -> {_told(new)}"


def _told(row: Row) -> str:
    found = _decibels(row)
    return f"{found:.1f} dB" if math.isfinite(found) else "equal" if found > 0 else "no numbers"


def _shares(old: Row, new: Row) -> str:
    return f"int8 {old.int8_share or 0:.1%} -> {new.int8_share or 0:.1%}"


def _now_float(old: Row, new: Row) -> str:
    """Which layers are float that were not, and why."""
    before = {each.name for each in old.float_layers}
    found = [each for each in new.float_layers if each.name not in before]
    named = first_few([f"{each.name}: {each.reason}" for each in found], _MOST_NAMED, "; ")
    return f" ({named})" if named else ""


def _metrics(old: Row, new: Row) -> str:
    assert old.metric is not None, "both have one"
    assert new.metric is not None, "both have one"
    return f"{new.metric.name} {old.metric.int8:.5g} -> {new.metric.int8:.5g}"


def _slowness(row: Row) -> float:
    """The latency of the result over that of the float model in the same run, which other load changes least."""
    assert row.latency, "it was measured"
    return row.latency.int8_ms / row.latency.float_ms
