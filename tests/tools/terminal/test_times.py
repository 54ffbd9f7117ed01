"""The line about the time: the whole, and what took most of it."""

from irquant.passes.infra.base import PassResult
from irquant.tools.terminal.times import time_line


def test_small_parts_are_added_up() -> None:
    results = {"normalize": PassResult(0, 0.001), "calibrate": PassResult(0, 8.2), "set-ranges": PassResult(3, 0.5)}
    assert time_line(67.1, results, {"check": 12.0, "guard": 40.0}) == (
        "time: 67.10 s in all, calibrate 8.20 s, check 12.00 s, guard 40.00 s, other 6.90 s"
    )


def test_a_run_without_parts_says_its_time_alone() -> None:
    assert time_line(0.004, {"normalize": PassResult(0, 0.001)}, {}) == "time: 0.00 s"
