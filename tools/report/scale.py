"""Where numbers lie on a line that a chart draws."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A line from one number to another.

    Attributes:
        low: Where it begins.
        high: Where it ends.
    """

    low: float
    high: float

    def place(self, value: float) -> float | None:
        """Percent of the way from begin to end, where what lies beyond is put, too; None for what has no place."""
        if math.isnan(value) or value == math.inf:
            return None
        if self.high <= self.low:
            return 50.0
        return round(min(max(100 * (value - self.low) / (self.high - self.low), 0.0), 100.0), 2)

    def ticks(self, step: float) -> list[float]:
        """The multiples of a step on it, both ends included."""
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [step * index for index in range(first, last + 1)]
