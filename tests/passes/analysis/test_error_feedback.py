"""Rounding with error feedback, against the textbook form of it, and against rounding to the nearest."""

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irquant.passes.analysis.error_feedback import DAMPING, fed_back, output_error, output_power
from irquant.passes.analysis.weight_codes import GRIDS, Grid, find_scales, rounded
from irquant.targets.target import WeightType

Floats = np.ndarray[Any, np.dtype[np.float32]]


def layer(seed: int, rows: int = 12, columns: int = 32, *, rank: int = 8) -> tuple[Floats, Floats]:
    """Weights, and second moments of correlated inputs of unlike power."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(400, rank)) @ rng.normal(size=(rank, columns)) + 0.3 * rng.normal(size=(400, columns))
    inputs = mixed * np.exp(rng.normal(size=columns))
    return rng.normal(size=(rows, columns)).astype(np.float32), (inputs.T @ inputs).astype(np.float32)


@functools.cache
def narrow_layer(columns: int) -> tuple[Floats, Floats, list[tuple[list[int], Any]]]:
    """A layer of three rows, and the inverses of the rest of H, each computed anew, with the columns of that rest."""
    weights, moments = layer(0, rows=3, columns=columns)
    power = np.diagonal(moments).astype(np.float64)
    damped = moments.astype(np.float64) + DAMPING * power.mean() * np.eye(columns)
    order = [int(each) for each in np.argsort(-power, kind="stable")]
    rests = [order[position:] for position in range(columns)]
    return weights, moments, [(rest, np.linalg.inv(damped[np.ix_(rest, rest)])) for rest in rests]


def textbook(columns: int, grid: Grid, group: int) -> Floats:
    """Optimal brain quantization in a fixed order, of the narrow layer."""
    weights, moments, inverses = narrow_layer(columns)
    scales = find_scales(weights.reshape(len(weights), -1, group), grid, np.diagonal(moments).copy())
    left, found = weights.astype(np.float64), np.zeros_like(weights)
    for rest, inverse in inverses:
        column = rest[0]
        for row in range(len(weights)):
            scale, zero = (each[row, column // group] for each in (scales.scales, scales.zeros))
            steps = grid.steps((left[row, column] / scale).astype(np.float32), zero)
            found[row, column] = (steps * scale).item()
            error = (left[row, column] - found[row, column]) / inverse[0, 0]
            left[row, rest] -= error * inverse[0]
    return found


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize("columns", [32, 160])
def test_the_result_is_that_of_the_textbook(kind: WeightType, columns: int) -> None:
    weights, moments, _ = narrow_layer(columns)
    expected = textbook(columns, GRIDS[kind], 16)
    found = fed_back(weights, moments, GRIDS[kind], 16).values
    is_same = np.isclose(found, expected, rtol=1e-4)
    assert is_same.mean() > 0.97  # a tie that falls otherwise moves what comes after it
    assert output_error(weights, fed_back(weights, moments, GRIDS[kind], 16), moments) == pytest.approx(
        output_power(weights - expected, moments), rel=0.05
    )


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["i4", "u4", "nf4", "i8"]), st.sampled_from([8, 32]))
def test_the_outputs_are_no_farther_off_than_with_the_nearest_numbers(seed: int, kind: WeightType, group: int) -> None:
    weights, moments = layer(seed)
    importance = np.diagonal(moments).copy()
    nearest = output_error(weights, rounded(weights, GRIDS[kind], group, importance), moments)
    assert output_error(weights, fed_back(weights, moments, GRIDS[kind], group), moments) < nearest * 1.02


def test_correlated_inputs_gain_much() -> None:
    weights, moments = layer(1, rows=64, columns=128, rank=4)
    nearest, found = rounded(weights, GRIDS["i4"], 32), fed_back(weights, moments, GRIDS["i4"], 32)
    assert output_error(weights, found, moments) < output_error(weights, nearest, moments) / 5


def test_inputs_without_correlation_gain_nothing() -> None:
    weights, _ = layer(2)
    moments = np.eye(32, dtype=np.float32)
    np.testing.assert_array_equal(
        fed_back(weights, moments, GRIDS["i4"], 32).values, rounded(weights, GRIDS["i4"], 32).values
    )


def test_inputs_that_are_always_zero_are_no_trouble() -> None:
    weights, moments = layer(3)
    moments[:8], moments[:, :8] = 0, 0
    assert np.isfinite(fed_back(weights, moments, GRIDS["i4"], 8).values).all()
    assert np.isfinite(fed_back(weights, np.zeros_like(moments), GRIDS["i4"], 8).values).all()


@pytest.mark.parametrize("rows", [1, 63, 200])
def test_rows_do_not_depend_on_one_another(rows: int) -> None:
    weights, moments = layer(4, rows=200)
    whole = fed_back(weights, moments, GRIDS["i4"], 16).values
    np.testing.assert_array_equal(fed_back(weights[:rows], moments, GRIDS["i4"], 16).values, whole[:rows])


def test_power_and_error_are_those_of_the_outputs() -> None:
    rng = np.random.default_rng(5)
    inputs, weights = rng.normal(size=(50, 32)).astype(np.float32), layer(5)[0]
    moments, found = inputs.T @ inputs, rounded(weights, GRIDS["i4"], 16)
    assert output_power(weights, moments) == pytest.approx(float(((inputs @ weights.T) ** 2).sum()), rel=1e-4)
    error = inputs @ (weights - found.values).T
    assert output_error(weights, found, moments) == pytest.approx(float((error**2).sum()), rel=1e-4)
