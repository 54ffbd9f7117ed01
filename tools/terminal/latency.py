"""The latencies of two models, as text."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from irquant.ir.listing import number_of

if TYPE_CHECKING:  # what most runs do not measure
    from irquant.passes.evaluation.latency import Latencies, Latency


def latency_lines(found: "Latencies") -> Iterator[str]:
    """One line for each mode, the one that users without options get first."""
    for each in found.each_mode:
        default = ", the default here" if each.mode.is_default else ""
        yield f"{each.mode.hint} in {each.mode.precision}{default}: {_change(each)}: {_faster(each)}"
    yield f"  {number_of(found.threads, 'threads')}, models in turn; {counts(found)}"


def _faster(each: "Latencies") -> str:
    """How many times as fast the second model is, as far as the figures say so."""
    ratio = f"{each.ratio:.2f}x as fast"
    return (
        f"{ratio} by the medians, but the times scatter too much to be sure (a busy machine?)"
        if each.is_unclear
        else ratio
    )


def counts(found: "Latencies") -> str:
    """How many inferences the figures of each mode come from."""
    alone = ", ".join(f"{each.rounds} in {each.mode.precision}" for each in found.each_mode if _is_alone(each))
    at_once = next((f"; throughput: {each.at_once} at a time" for each in found.each_mode if not _is_alone(each)), "")
    return f"latency: one inference at a time, {alone}{at_once}"


def percentiles(latency: "Latency") -> str:
    """The median of a latency with its spread, for people."""
    return f"{milliseconds(latency.median)} ms (p10 {milliseconds(latency.p10)}, p90 {milliseconds(latency.p90)})"


def milliseconds(seconds: float) -> str:
    """A time in milliseconds with three digits."""
    return f"{seconds * 1e3:.3g}"


def _is_alone(each: "Latencies") -> bool:
    return each.mode.hint == "latency"


def _change(each: "Latencies") -> str:
    if _is_alone(each):
        return f"{percentiles(each.first)} -> {percentiles(each.second)}"
    return f"{1 / each.first.median:,.0f} -> {1 / each.second.median:,.0f} inferences a second"
