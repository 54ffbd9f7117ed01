"""The lines about latency."""

import pytest

from irquant.passes.evaluation.latency import Latencies, Latency, Mode
from irquant.tools.terminal.latency import latency_lines

CAVEAT = " by the medians, but the times scatter too much to be sure (a busy machine?)"


def measured(median: float, p10: float, p90: float) -> Latency:
    return Latency(median * 1e-3, p10 * 1e-3, p90 * 1e-3, p90 * 1e-3)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (measured(10.0, 9.5, 11.0), "2.00x as fast"),
        (measured(10.0, 9.0, 14.5), "2.00x as fast"),  # wide, but not as wide as the gain
        (measured(15.9, 12.6, 35.4), "1.26x as fast" + CAVEAT),
        (measured(40.0, 19.0, 60.0), "0.50x as fast" + CAVEAT),
    ],
)
def test_times_that_scatter_more_than_the_models_differ_are_told(second: Latency, said: str) -> None:
    found = Latencies(measured(20.0, 19.0, 21.0), second, 30, 2, Mode("f32", "latency"))
    first, *_ = latency_lines(found)
    assert first.endswith(f"): {said}")
