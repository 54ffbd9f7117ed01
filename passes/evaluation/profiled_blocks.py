"""The times of layers in several blocks of rounds: one profile over all rounds shows whatever else the machine did."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ..analysis.layer_times import Profile
from ..runtime.engine import Engine, Mark

#: The number of blocks, if there are as many rounds.
_BLOCKS = 5


@dataclass
class ProfiledBlocks:
    """Marks the profiles of engines at the ends of blocks, while the engines run in turn.

    Attributes:
        engines: The engines, with profiling.
        seconds: The seconds of all rounds together.
        most: The most rounds.
        marks: For each end of a block, the state of each engine's profile; the first are those before the first block.
        rounds: The number of rounds so far.
    """

    engines: Sequence[Engine]
    seconds: float
    most: int
    marks: list[list[Mark]] = field(default_factory=list[list[Mark]])
    rounds: int = 0
    _began: float = 0.0
    _marked: int = 0

    def begin(self) -> None:
        """Called before the first round."""
        self._began = time.perf_counter()
        self._mark()

    def done(self) -> None:
        """Called after each round."""
        self.rounds += 1
        share = len(self.marks) / _BLOCKS
        if time.perf_counter() - self._began >= share * self.seconds or self.rounds >= share * self.most:
            self._mark()

    def profiles(self) -> list[list[Profile]]:
        """For each engine, the profile of each block; one or more."""
        if self._marked < self.rounds:
            self._mark()
        return [
            [engine.profile(*pair) for pair in pairwise(marks)]
            for engine, *marks in zip(self.engines, *self.marks, strict=True)
        ]

    def _mark(self) -> None:
        self.marks.append([each.mark() for each in self.engines])
        self._marked = self.rounds
