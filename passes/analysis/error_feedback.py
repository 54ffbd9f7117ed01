"""Rounds a matrix of weights column by column, and lets later columns make up for the errors of earlier ones (GPTQ).

Source: Frantar, Ashkboos, Hoefler, Alistarh, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers" (arXiv 2210.17323): algorithm 1, with the order of columns by the power of their inputs.
"""

import os
from typing import Any

import numpy as np

from .weight_codes import Codes, Floats, Grid, Scales, find_scales, in_parallel, weighted_error

#: The share of the mean power that is added to the power of each input (section 3.3, step 3).
DAMPING = 0.01
#: The columns whose errors are added to all later columns at once (section 3.3, step 2).
_LAZY = 128
#: The most weights and the fewest rows that are rounded at a time.
_AT_ONCE, _FEWEST = 1 << 24, 64
_Order = np.ndarray[Any, np.dtype[np.intp]]


def fed_back(weights: Floats, moments: Floats, grid: Grid, group: int) -> Codes:
    """A matrix W rounded to Q with a small error tr((W - Q) H (W - Q)^T) of the layer's outputs.

    Columns are rounded in the order of their power in H, with scales that are found before (`find_scales`).

    Args:
        weights: W, [rows, columns].
        moments: H, the second moments of the layer's inputs: the sum of x x^T, [columns, columns].
        grid: The numbers.
        group: The columns that share a scale; divides the columns.
    """
    power = np.diagonal(moments).astype(np.float32)
    scales = find_scales(weights.reshape(len(weights), -1, group), grid, power)
    order = np.argsort(-power, kind="stable")
    factor = _feedback(moments, order)
    count = min(max(_FEWEST, -(-len(weights) // (os.cpu_count() or 1))), max(1, _AT_ONCE // weights.shape[1]))
    blocks = [slice(start, start + count) for start in range(0, len(weights), count)]
    steps = in_parallel(blocks, lambda rows: _rounded(weights[rows], _rows(scales, rows), grid, order, factor))
    return Codes(grid, np.concatenate(steps).reshape(len(weights), -1, group), scales)


def output_error(weights: Floats, found: Codes, moments: Floats) -> float:
    """The squared error of a layer's outputs, summed over all inputs: tr((W - Q) H (W - Q)^T)."""
    error = weights - found.values
    return output_power(error, moments)


def output_power(weights: Floats, moments: Floats) -> float:
    """The power of a layer's outputs, summed over all inputs: tr(W H W^T)."""
    return float(np.einsum("rc,rc->", weights @ moments, weights))


def share_of_error(weights: Floats, found: Codes, moments: Floats | None) -> float:
    """The squared error of a layer's outputs as a share of their power; without moments, that of its weights."""
    if moments is not None:
        power, error = output_power(weights, moments), output_error(weights, found, moments)
    else:
        power, error = float(np.einsum("rc,rc->", weights, weights)), weighted_error(weights, found)
    return error / power if power else 0.0


def _rows(scales: Scales, rows: slice) -> Scales:
    return Scales(scales.scales[rows], scales.zeros[rows])


def _feedback(moments: Floats, order: _Order) -> Floats:
    """The upper triangular U of H^-1 = U^T U, with damping, for columns in that order.

    With H = R R^T for an upper triangular R, which is a Cholesky factor with rows and columns reversed, U is R^-1.
    """
    damped = moments[np.ix_(order, order)].astype(np.float64)
    mean = float(np.diagonal(damped).mean())
    damped[np.diag_indices_from(damped)] += DAMPING * mean if mean > 0 else 1.0
    upper = np.linalg.cholesky(damped[::-1, ::-1])[::-1, ::-1]
    found: Floats = np.triu(np.linalg.inv(upper)).astype(np.float32)
    return found


def _rounded(weights: Floats, scales: Scales, grid: Grid, order: _Order, factor: Floats) -> Floats:
    """The steps of some rows, [rows, columns]."""
    group = weights.shape[1] // scales.scales.shape[1]
    left = np.ascontiguousarray(weights[:, order].T)  # [columns, rows]: a column at a time
    steps = np.empty_like(left)
    for start in range(0, len(left), _LAZY):
        stop = min(start + _LAZY, len(left))
        errors = np.empty_like(left[start:stop])
        for column in range(start, stop):
            at = order[column] // group
            scale, zero = scales.scales[:, at, 0], scales.zeros[:, at, 0]
            steps[column] = grid.steps(left[column] / scale, zero)
            error = (left[column] - steps[column] * scale) / factor[column, column]
            left[column:stop] -= np.outer(factor[column, column:stop], error)
            errors[column - start] = error
        left[stop:] -= factor[start:stop, stop:].T @ errors
    found = np.empty((weights.shape[0], weights.shape[1]), np.float32)
    found[:, order] = steps.T
    return found
