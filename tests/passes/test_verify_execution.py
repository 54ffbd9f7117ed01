"""The proof: the signal-to-noise ratio on known arrays, and what counts as int8."""

import math

import numpy as np
import pytest

from irquant.passes.runtime import Executed
from irquant.passes.verify_execution import sqnr


def test_the_ratio_is_that_of_the_powers_over_all_samples() -> None:
    references = [np.array([3.0, 4.0]), np.array([0.0])]
    outputs = [np.array([3.0, 4.5]), np.array([0.0])]
    assert sqnr(references, outputs) == pytest.approx(10 * math.log10(25 / 0.25))


def test_equal_outputs_have_no_noise_and_silent_ones_no_signal() -> None:
    assert sqnr([np.ones(2)], [np.ones(2)]) == math.inf
    assert sqnr([np.zeros(2)], [np.ones(2)]) == -math.inf


def test_outputs_of_other_sizes_cannot_be_compared() -> None:
    assert math.isnan(sqnr([np.ones(2)], [np.ones(3)]))


@pytest.mark.parametrize(
    ("primitive", "int8"),
    [
        ("brgconv_avx512_I8", True),
        ("brgemm_avx512_i8", True),
        ("brgconv_avx512_f32", False),
        ("brgemm_avx512_bf16", False),
        ("", False),
        ("brgemm_i8_f32", False),  # int8 weights, float arithmetic
    ],
)
def test_only_the_end_of_the_primitives_name_tells(primitive: str, *, int8: bool) -> None:
    assert Executed("layer", "FullyConnected", primitive).is_int8 is int8
