"""The seconds that a run takes besides its passes: for checks, trials and latency."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Stages:
    """The stages of a run.

    Attributes:
        seconds: Stage -> its wall seconds, in the order of their first use; repeats add up.
    """

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    _began: float = field(default_factory=time.perf_counter)

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Times a stage; nothing is noted if it raises."""
        start = time.perf_counter()
        yield
        self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Adds to the seconds of a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @property
    def spent(self) -> dict[str, float]:
        """The stages that took a millisecond or more."""
        return {name: seconds for name, seconds in self.seconds.items() if seconds >= 1e-3}

    @property
    def total(self) -> float:
        """The seconds since the run began."""
        return time.perf_counter() - self._began
