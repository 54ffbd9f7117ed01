"""The places of numbers on the axis of a chart."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """The axis of a chart.

    Attributes:
        low: The number at its start.
        high: The number at its end.
    """

    low: float
    high: float

    def place(self, value: float) -> float | None:
        """The place of a number in percent, limited to 0 .. 100; None for NaN and infinity."""
        if math.isnan(value) or value == math.inf:
            return None
        if self.high <= self.low:
            return 50.0
        return round(min(max(100 * (value - self.low) / (self.high - self.low), 0.0), 100.0), 2)

    def ticks(self, step: float) -> list[float]:
        """The multiples of a step on the axis, both ends included."""
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [step * index for index in range(first, last + 1)]
