"""Cross-validates the correction of a layer's bias: does it help on samples that it was not computed from?"""

from dataclasses import dataclass

import numpy as np

from .ranges import Floats

#: The share of samples that a correction must improve, and the share of the error that it may leave.
MOST, REST = 0.75, 0.9


@dataclass(frozen=True)
class Correction:
    """A correction of a layer's bias, and the evidence for it.

    Attributes:
        largest: Its largest value.
        remaining: The squared mean error with it divided by that without it, on samples left out one at a time.
        improved: The share of those samples whose error it reduces.
    """

    largest: float
    remaining: float
    improved: float

    @property
    def is_accepted(self) -> bool:
        """Whether both numbers show that it helps.

        The share of samples counts, too, since errors have two causes. Rounding shifts the mean of all samples alike.
        Clipping shifts the mean of the loudest samples only, but by so much that they dominate the squared error: their
        correction would spoil all others. (Measured on a pitch tracker: all corrections reduced the squared error, but
        only on a third of the samples, and its output fell from 34 to 19 dB.) Other changes of the layer's output may
        outweigh a correction that removes less than a tenth.
        """
        return self.remaining < REST and self.improved >= MOST


def judged(errors: Floats, *, believes_one: bool = True) -> Correction:
    """The evidence for subtracting the mean of some errors.

    Without sample s, the correction is the mean of the other errors. It leaves this part of the error e_s:

        e_s - (n * mean - e_s) / (n - 1) = (e_s - mean) * n / (n - 1)

    with the mean over all n samples (leave-one-out cross-validation; Stone 1974).

    Args:
        errors: [samples, channels].
        believes_one: Whether a single sample is enough evidence. It is for rounded weights: their error depends only on
            the mean of the data.
    """
    count, mean = len(errors), errors.mean(axis=0)
    largest = float(np.abs(mean).max(initial=0))
    if count == 1:
        return Correction(largest, remaining=float(not believes_one), improved=float(believes_one))
    before = np.square(errors).sum(axis=1)
    after = np.square((errors - mean) * (count / (count - 1))).sum(axis=1)
    total = float(before.sum())
    return Correction(largest, float(after.sum()) / total if total else 1.0, float((after < before).mean()))
