"""Samples are decoded ahead, but not far; errors and interrupts come out where they belong."""

import threading
import time
from collections.abc import Iterator

import pytest

from irquant.passes.calibration.prefetch import prefetched


def test_items_come_in_their_order_from_another_thread() -> None:
    threads: set[str] = set()

    def items() -> Iterator[int]:
        for item in range(100):
            threads.add(threading.current_thread().name)
            yield item

    with prefetched(items()) as ready:
        assert list(ready) == list(range(100))
    assert threads == {"irquant-reader_0"}


def test_only_a_few_items_wait() -> None:
    pulled: list[int] = []

    def items() -> Iterator[int]:
        for item in range(1000):
            pulled.append(item)
            yield item

    with prefetched(items()) as ready:
        assert next(ready) == 0
        time.sleep(0.1)
        assert len(pulled) < 8
    assert len(pulled) < 8


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_an_error_comes_out_behind_the_items_before_it(error: BaseException) -> None:
    def items() -> Iterator[int]:
        yield 0
        yield 1
        raise error

    seen: list[int] = []
    with prefetched(items()) as ready, pytest.raises(type(error)):
        seen.extend(iter(ready))
    assert seen in ([], [0, 1])  # list.extend keeps nothing if the iterator raises
    assert not [each for each in threading.enumerate() if each.name.startswith("irquant-reader")]


def test_leaving_early_ends_the_thread() -> None:
    def endless() -> Iterator[int]:
        while True:
            yield 1

    with prefetched(endless()) as ready:
        assert next(ready) == 1
    assert not [each for each in threading.enumerate() if each.name.startswith("irquant-reader")]


def test_ctrl_c_does_not_wait_for_a_source_that_is_stuck() -> None:
    free = threading.Event()

    def stuck() -> Iterator[int]:
        yield 1
        free.wait(60)

    def interrupted() -> None:
        with prefetched(stuck()) as ready:
            next(ready)
            raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - start < 30
    free.set()


def test_no_items_are_no_items() -> None:
    with prefetched(iter(range(0))) as ready:
        assert list(ready) == []
