"""Whether a correction of a layer's bias would help on samples that it was not made from."""

from dataclasses import dataclass

import numpy as np

from .ranges import Floats

#: How many of the samples a correction must bring nearer to the float model, and how much of the error it may leave.
MOST, REST = 0.75, 0.9


@dataclass(frozen=True)
class Correction:
    """A correction of a layer's bias, and the evidence for it.

    Attributes:
        largest: Its largest number.
        remaining: Squared mean error with it over that without it, on samples left out one at a time.
        improved: The share of those samples on which it makes the error smaller.
    """

    largest: float
    remaining: float
    improved: float

    @property
    def is_accepted(self) -> bool:
        """Whether both say that it helps.

        The share of samples is asked, too, since errors have two causes. Rounding shifts the mean of all samples alike.
        Clipping shifts that of the loudest only, but by so much that the squared error is theirs: what they lack would
        be added where nothing is missing. (Measured on a pitch tracker whose corrections all made the squared error
        smaller, on a third of the samples: its output fell from 34 to 19 dB.) What takes off less than a tenth is as
        likely to be outweighed by what else changes the layer's output.
        """
        return self.remaining < REST and self.improved >= MOST


def judged(errors: Floats, *, believes_one: bool = True) -> Correction:
    """The evidence for taking off the mean of some errors.

    Leaving out sample s, the correction is the mean of the others, so that of its error e_s remains

        e_s - (n * mean - e_s) / (n - 1) = (e_s - mean) * n / (n - 1)

    with the mean over all n samples (leave-one-out cross-validation; Stone 1974).

    Args:
        errors: [samples, channels].
        believes_one: Whether the error of a single sample is taken for that of all, for want of evidence. That of
            rounded weights is: it only depends on the mean of the data.
    """
    count, mean = len(errors), errors.mean(axis=0)
    largest = float(np.abs(mean).max(initial=0))
    if count == 1:
        return Correction(largest, remaining=float(not believes_one), improved=float(believes_one))
    before = np.square(errors).sum(axis=1)
    after = np.square((errors - mean) * (count / (count - 1))).sum(axis=1)
    total = float(before.sum())
    return Correction(largest, float(after.sum()) / total if total else 1.0, float((after < before).mean()))
