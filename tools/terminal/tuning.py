"""What a tuning by measured latency found, as text."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from irquant.ir.listing import first_few, number_of
from irquant.tools.terminal.latency import milliseconds, percentiles

if TYPE_CHECKING:  # what most runs do not measure
    from irquant.passes.tuning.tune import TuningTimes
    from irquant.passes.tuning.tuner import TuningReport

#: The most layers that a line names.
_NAMED = 3


def tuning_lines(tuning: "TuningReport") -> Iterator[str]:
    """The lines of a report about a tuning."""
    whence = f"{tuning.file} says" if tuning.file else "measured latency says"
    yield f"tuned: {len(tuning.layers)} layers went back to float, as {whence}"
    if tuning.times:
        yield from _times_lines(tuning.times)


def _times_lines(times: "TuningTimes") -> Iterable[str]:
    models = {"float": times.float_model, "before the tuning": times.int8, "tuned": times.tuned}
    yield f"  latency: {', '.join(f'{name} {percentiles(each)}' for name, each in models.items())}"
    how = f"one inference at a time on {number_of(times.threads, 'threads')}, {times.rounds} of each in turn"
    yield f"  {how}; floats are {times.mode.precision}, the default here"
    if not times.is_confirmed:
        yield "  the last race does not confirm the gain of the trials: their layers stay in int8"
    for step in times.steps:
        change = f"{milliseconds(step.before)} ms -> {milliseconds(step.after)} ms"
        names = first_few([f"'{name}'" for name in step.layers], _NAMED)
        yield f"  float: {names}: {change}: {f'dropped: {step.why_dropped}' if step.why_dropped else 'kept'}"
