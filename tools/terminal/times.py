"""Where the time of a run went, as one line."""

from collections.abc import Iterator, Mapping

from irquant.passes.infra.base import Results

#: The least share of the whole time that is worth a word.
_LEAST_SHARE = 0.02


def time_line(seconds: float, results: Results, stages: Mapping[str, float]) -> str:
    """The whole time, and what took most of it.

    Args:
        seconds: The whole time.
        results: The results of the passes.
        stages: Other parts of the run -> their seconds.
    """
    return f"time: {', '.join(_parts(seconds, {name: each.seconds for name, each in results.items()} | {**stages}))}"


def _parts(total: float, each: Mapping[str, float]) -> Iterator[str]:
    shown = {name: seconds for name, seconds in each.items() if seconds >= max(_LEAST_SHARE * total, 0.005)}
    yield f"{total:.2f} s{' in all' if shown else ''}"
    yield from (f"{name} {seconds:.2f} s" for name, seconds in shown.items())
    if shown and (rest := total - sum(shown.values())) >= 0.005:
        yield f"other {rest:.2f} s"
