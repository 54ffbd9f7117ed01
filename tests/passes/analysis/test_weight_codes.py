"""Rounding of weights, against slow and obvious formulas, and what holds of any weights."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from irquant.ir.packing import NF4_VALUES, pack
from irquant.passes.analysis.weight_codes import (
    GRIDS,
    Codes,
    Grid,
    Scales,
    each_block,
    find_scales,
    group_size,
    rounded,
    scale_type,
    weighted_error,
)
from irquant.targets.target import WeightType

RNG = np.random.default_rng(0)
Floats = np.ndarray[Any, np.dtype[np.float32]]


def normal(rows: int, columns: int, spread: float = 0.05) -> Floats:
    return (spread * RNG.normal(size=(rows, columns))).astype(np.float32)


def numbers_of(grid: Grid) -> list[float]:
    """All codes of a grid."""
    return [float(each) for each in NF4_VALUES] if grid.kind == "nf4" else list(np.arange(grid.low, grid.high + 1))


def least_error(group: Floats, grid: Grid, scales: Floats, zeros: list[float]) -> float:
    """The least squared error of a group over many scales and zero points, one weight and one code at a time."""
    best = np.inf
    for scale, zero in itertools.product(scales, zeros):
        values = (np.array(numbers_of(grid)) - zero) * scale
        best = min(best, sum(float(np.min((values - weight) ** 2)) for weight in group))
    return best


@pytest.mark.parametrize("kind", ["i4", "u4", "nf4"])
def test_the_error_is_nearly_the_least_that_any_scale_gives(kind: WeightType) -> None:
    grid, weights = GRIDS[kind], normal(4, 32)
    found = weighted_error(weights, rounded(weights, grid, 32))
    least = 0.0
    for row in weights:
        span = np.abs(row).max() / (1 if kind == "nf4" else 8 if kind == "i4" else 4)
        scales = np.linspace(0.3, 1.2, 91) * span
        zeros = list(range(5, 12)) if grid.has_zero_point else [0]
        signs = scales if grid.has_zero_point else np.concatenate([scales, -scales])
        least += least_error(row, grid, signs.astype(np.float32), [float(each) for each in zeros])
    assert least * 0.999 <= found <= least * 1.12


@pytest.mark.parametrize("kind", GRIDS)
def test_the_values_are_what_the_operations_of_the_graph_make_of_the_codes(kind: WeightType) -> None:
    found = rounded(normal(3, 16), GRIDS[kind], 8)
    by_hand = [
        [(float(found.codes[row, column // 8, column % 8]) - float(found.scales.zeros[row, column // 8, 0]))
         * float(found.scales.scales[row, column // 8, 0]) for column in range(16)]
        for row in range(3)
    ]  # fmt: skip
    np.testing.assert_allclose(found.values, by_hand, rtol=1e-6)


@given(
    st.sampled_from(list(GRIDS)),
    arrays.arrays(np.float32, (3, 8), elements=st.floats(-4, 4, width=32)),
    st.sampled_from([2, 4, 8]),
)
def test_each_code_is_the_nearest_and_its_type_holds_it(kind: WeightType, weights: Floats, group: int) -> None:
    grid = GRIDS[kind]
    found = rounded(weights, grid, group)
    if kind not in ("i8", "u8"):
        pack(found.codes, kind)  # refuses what does not fit
    elif not np.array_equal(found.codes.astype(np.float32), found.steps + found.scales.zeros):
        pytest.fail("a code does not fit into 8 bits")
    assert np.isfinite(found.values).all()
    grouped = weights.reshape(3, -1, group)
    numbers = np.array(numbers_of(grid), np.float32)
    values = (numbers - found.scales.zeros[..., np.newaxis]) * found.scales.scales[..., np.newaxis]
    least = np.abs(values - grouped[..., np.newaxis]).min(axis=-1)
    error = np.abs(found.values.reshape(grouped.shape) - grouped)
    assert (error <= least * (1 + 1e-3) + 1e-5).all()


@given(arrays.arrays(np.float32, (2, 16), elements=st.floats(-1, 1, width=32)))
def test_weights_inside_the_range_are_off_by_half_a_step_at_most(weights: Floats) -> None:
    for grid in (GRIDS["i8"], GRIDS["u8"], GRIDS["i4"], GRIDS["u4"]):
        found = rounded(weights, grid, 16)
        step = np.abs(found.scales.scales)
        is_clipped = (found.steps + found.scales.zeros == grid.low) | (found.steps + found.scales.zeros == grid.high)
        off = np.abs(found.values - weights).reshape(found.steps.shape)
        assert (is_clipped | (off <= step * 0.5001 + 1e-7)).all()


@pytest.mark.parametrize("kind", GRIDS)
def test_zeros_stay_zeros(kind: WeightType) -> None:
    assert not rounded(np.zeros((2, 8), np.float32), GRIDS[kind], 4).values.any()


def test_an_important_column_is_rounded_better() -> None:
    weights, importance = normal(64, 32), np.ones(32, np.float32)
    importance[5] = 1000
    plain, weighted = rounded(weights, GRIDS["i4"], 32), rounded(weights, GRIDS["i4"], 32, importance)
    assert weighted_error(weights, weighted, importance) < 0.5 * weighted_error(weights, plain, importance)
    assert weighted_error(weights, weighted) > weighted_error(weights, plain)


def test_importance_without_any_is_as_none() -> None:
    weights = normal(4, 8)
    with_none, with_zeros = rounded(weights, GRIDS["i4"], 8), rounded(weights, GRIDS["i4"], 8, np.zeros(8, np.float32))
    np.testing.assert_array_equal(with_none.values, with_zeros.values)


def test_the_sign_of_a_scale_follows_the_longer_side() -> None:
    weights = np.array([[0.8, -0.7, 0.1, 0.0], [-0.8, 0.7, 0.1, 0.0]], np.float32)
    scales = find_scales(weights.reshape(2, 1, 4), GRIDS["i4"]).scales.ravel()
    np.testing.assert_allclose(scales, [-0.1, 0.1], rtol=1e-2)


@pytest.mark.parametrize(
    ("columns", "most", "least", "size"),
    [(256, 128, 4, 128), (192, 128, 4, 96), (384, 128, 4, 128), (31, 128, 4, 31), (62, 16, 4, 62), (12, 5, 4, 4),
     (64, 0, 4, 64), (3, 128, 4, 3), (8, 2, 4, 8)],
)  # fmt: skip
def test_a_group_divides_the_row(columns: int, most: int, least: int, size: int) -> None:
    assert group_size(columns, most, least) == size


@pytest.mark.parametrize(
    ("largest", "kind"),
    [(0.01, np.float16), (60000, np.float16), (1e-4, np.float32), (70000, np.float32), (0, np.float32)],
)
def test_scales_are_halves_where_these_have_the_digits(largest: float, kind: Any) -> None:
    assert scale_type(np.array([0, largest], np.float32)) == kind
    assert scale_type(np.array([0, -largest], np.float32)) == kind


def test_scales_have_the_digits_of_their_type_before_codes_are_chosen() -> None:
    scales = find_scales(normal(8, 64).reshape(8, 2, 32), GRIDS["i4"]).scales
    np.testing.assert_array_equal(scales, scales.astype(np.float16).astype(np.float32))


def test_the_weighted_error_is_a_sum_of_squares() -> None:
    codes = Codes(GRIDS["i8"], np.array([[[1.0, 2.0]]], np.float32), Scales(*np.ones((2, 1, 1, 1), np.float32)))
    assert weighted_error(np.array([[1.5, 4.0]], np.float32), codes) == pytest.approx(0.25 + 4)
    assert weighted_error(np.array([[1.5, 4.0]], np.float32), codes, np.array([2, 1], np.float32)) == pytest.approx(4.5)


@pytest.mark.parametrize("rows", [1, 5, 1 << 10])
def test_blocks_cover_all_rows_in_order(rows: int) -> None:
    found = each_block(rows, 1 << 16, lambda block: list(range(rows)[block]))
    assert [row for block in found for row in block] == list(range(rows))
