"""A correction of a bias is accepted if it helps on samples that it was not made from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from irquant.passes.analysis.bias_cross_validation import judged

errors = arrays(np.float64, st.tuples(st.integers(2, 8), st.integers(1, 3)), elements=st.floats(-8, 8, width=32))


@given(errors)
def test_the_closed_form_is_leaving_out_one_at_a_time(found: np.ndarray) -> None:
    before = after = 0.0
    better = 0
    for index, error in enumerate(found):
        correction = np.delete(found, index, axis=0).mean(axis=0)
        remains = float(np.square(error - correction).sum())
        before, after = before + float(np.square(error).sum()), after + remains
        better += remains < np.square(error).sum() * (1 - 1e-12)
    correction = judged(found)
    if before > 1e-12:
        assert correction.remaining == pytest.approx(after / before, rel=1e-6, abs=1e-9)
        assert abs(correction.improved - better / len(found)) <= 1 / len(found)  # ties fall either way
    assert correction.largest == pytest.approx(np.abs(found.mean(axis=0)).max())


def test_an_error_that_all_samples_share_is_taken_off() -> None:
    assert judged(np.array([[1.0], [1.1], [0.9], [1.2]])).is_accepted


def test_an_error_without_a_mean_is_left_alone() -> None:
    assert not judged(np.array([[1.0], [-1.1], [0.9], [-0.8]])).is_accepted


def test_an_error_of_few_loud_samples_is_left_alone() -> None:
    """Taking off its mean makes the squared error smaller, but most samples worse."""
    found = judged(np.array([[0.0]] * 6 + [[8.0], [9.0], [10.0], [9.0]]))
    assert found.remaining < 1
    assert not found.is_accepted


def test_no_error_needs_no_correction() -> None:
    assert not judged(np.zeros((4, 2))).is_accepted


def test_a_single_sample_is_believed_only_where_there_is_no_other_cause_than_rounding() -> None:
    assert judged(np.array([[0.5, 0.0]])).is_accepted
    assert not judged(np.array([[0.5, 0.0]]), believes_one=False).is_accepted
