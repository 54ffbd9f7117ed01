"""The distance of two tensors, also with rescaled channels, from sums, so that no tensor is kept."""

import math
from dataclasses import dataclass

import numpy as np

from ...ir import Array
from ..analysis.ranges import Floats


@dataclass
class ChannelSums:
    """Sums over a layer's values in two models, a and b, for each channel.

    Attributes:
        axis: The axis of the channels; None: there is none, or its size depends on the sample.
        sums: Count, and the sums of a, b, a^2, b^2 and ab: one row each. None: no sample yet.
        is_comparable: Whether both values had the same shape in all samples.
    """

    axis: int | None
    sums: Floats | None = None
    is_comparable: bool = True

    def add(self, one: Array, other: Array) -> None:
        """Adds a sample."""
        if one.shape != other.shape:
            self.is_comparable = False
            return
        a, b = (self._rows(each) for each in (one, other))
        count = np.full(len(a), a.shape[1], np.float64)
        products = [np.einsum("ij,ij->i", *pair) for pair in ((a, a), (b, b), (a, b))]
        sums = np.stack([count, a.sum(axis=1), b.sum(axis=1), *products])
        self.sums = sums if self.sums is None else self.sums + sums

    def _rows(self, values: Array) -> Floats:
        """A row for each channel."""
        values = values.astype(np.float64)
        if self.axis is None:
            return values.reshape(1, -1)
        return np.moveaxis(values, self.axis, 0).reshape(values.shape[self.axis], -1)

    @property
    def sqnr(self) -> float:
        """10 log10(sum a^2 / sum (a - b)^2)."""
        if self.sums is None or not self.is_comparable:
            return math.nan
        _, _, _, aa, bb, ab = self.sums
        return _ratio(float(aa.sum()), float((aa - 2 * ab + bb).sum()))

    @property
    def sqnr_but_for_scale(self) -> float:
        """The same ratio after each channel of b is scaled and shifted to be closest to a.

        This is linear regression of a on b: the error is n (var a - cov(a, b)^2 / var b), channel by channel.
        """
        if self.sums is None or not self.is_comparable:
            return math.nan
        n, a, b, aa, bb, ab = self.sums
        n = np.maximum(n, 1.0)
        spread_a, spread_b, together = aa - a * a / n, bb - b * b / n, ab - a * b / n
        explained = np.divide(together**2, spread_b, out=np.zeros_like(a), where=spread_b > 0)
        return _ratio(float(aa.sum()), float(np.maximum(spread_a - explained, 0.0).sum()))


def _ratio(signal: float, noise: float) -> float:
    """The ratio in dB; differences below the precision of the sums count as equal."""
    if noise <= signal * 1e-14:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
