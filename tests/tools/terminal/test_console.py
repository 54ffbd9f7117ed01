"""How close an output is, in a line."""

import math
from dataclasses import replace

import pytest

from irquant.passes.analysis.agreement import Agreement
from irquant.passes.analysis.outputs import OutputKind
from irquant.tools.terminal.console import agreement_line, compared_on, counted

CLOSE = Agreement("y", OutputKind.VALUES, 31.84, 0.99971, whole=31.84)
GOOD, FAIR = (
    "no loss of accuracy was seen at this level",
    "a small loss of accuracy is possible; measure it with your own data",
)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (CLOSE, f"31.8 dB, cosine 0.9997: good ({GOOD})"),
        (
            replace(CLOSE, is_ascending=True),
            f"31.8 dB with picked rows by values in ascending order (an upper bound), cosine 0.9997: fair ({FAIR})",
        ),
        (
            replace(CLOSE, part="columns 4 to 83", whole=39.82),
            f"31.8 dB in columns 4 to 83 (39.8 dB as a whole), cosine 0.9997: good ({GOOD})",
        ),
        (
            replace(CLOSE, top1=0.95, decisions=10_000),
            f"31.8 dB, cosine 0.9997, 95.0% of 10000 decisions the same: fair, since so many decisions change ({FAIR})",
        ),
        (
            replace(CLOSE, top1=0.8, decisions=10_000),
            "31.8 dB, cosine 0.9997, 80.0% of 10000 decisions the same: poor, since so many decisions change "
            "(a loss of accuracy is likely)",
        ),
        (
            replace(CLOSE, sqnr=21.3, samples=3),
            f"21.3 dB, cosine 0.9997: fair, since good begins at 25.8 dB on 3 samples ({FAIR})",
        ),
        (
            replace(CLOSE, sqnr=21.3, samples=1, top1=0.95, decisions=10_000),
            f"21.3 dB, cosine 0.9997, 95.0% of 10000 decisions the same: fair, since so many decisions change ({FAIR})",
        ),
        (
            Agreement("y", OutputKind.RANDOM, math.nan, math.nan),
            "the outputs cannot be compared: it is random, and the float model itself gives other values each time",
        ),
        (
            Agreement("y", OutputKind.VALUES, math.nan, math.nan),
            "the outputs cannot be compared: their numbers of axes differ",
        ),
    ],
)
def test_the_line_says_what_counted(found: Agreement, line: str) -> None:
    assert agreement_line(found) == line


def test_few_samples_are_said_to_be_few() -> None:
    assert counted(7) == "7 samples (few: others may say otherwise)"
    assert counted(8) == "8 samples"


def test_it_says_which_samples_were_compared() -> None:
    seen = "which calibration may have seen (--held-out takes others)"
    assert compared_on(32, held_out=False, is_spread=False) == f"the first 32 samples, {seen}"
    assert compared_on(32, held_out=False, is_spread=True) == f"32 samples from all over the data, {seen}"
    assert compared_on(30, held_out=True, is_spread=False) == "30 samples that calibration with these data does not see"
