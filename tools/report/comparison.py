"""The page that compares two models."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from irquant.passes.evaluation.compare_models import Comparison
from irquant.passes.evaluation.layer_probes import LayerError
from irquant.tools.report.page import render, write_page
from irquant.tools.report.quantization import decibel_scale, versions
from irquant.tools.report.scale import Scale
from irquant.tools.terminal.console import compared_on


@dataclass(frozen=True)
class LayerRow:
    """A layer in the chart.

    Attributes:
        error: Its error.
        place: Its place in the model.
        rank: Its place by error, the largest first.
        own: The place of its SQNR on the scale in percent; None: there is no error.
        rest: The place of its SQNR apart from the scales of channels; None: the scales did not change.
    """

    error: LayerError
    place: int
    rank: int
    own: float | None
    rest: float | None


def write_comparison_page(path: Path, found: Comparison, first: str, second: str) -> None:
    """Writes the page.

    Raises:
        PageError: it cannot be written.
    """
    write_page(path, comparison_page(found, first, second))


def comparison_page(found: Comparison, first: str, second: str) -> str:
    """The page as text."""
    layers = found.layers or ()
    scale = decibel_scale(ratio for each in layers for ratio in (each.sqnr, each.but_for_scale))
    values = {
        "found": found,
        "samples": compared_on(found.samples, held_out=found.held_out, is_spread=found.is_spread),
        "first": Path(first),
        "second": Path(second),
        "worst": found.worst,
        "scale": scale,
        "rows": list(_rows(layers, scale)),
        "versions": versions(),
        "now": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return render("comparison.html.j2", values)


def _rows(layers: Sequence[LayerError], scale: Scale) -> Iterator[LayerRow]:
    """The rows in the model's order."""
    order = sorted(range(len(layers)), key=lambda index: _rest(layers[index]))
    ranks = {index: rank for rank, index in enumerate(order, 1)}
    for index, each in enumerate(layers):
        rest = scale.place(each.but_for_scale) if each.is_rescaled else None
        yield LayerRow(each, index, ranks[index], scale.place(each.sqnr), rest)


def _rest(each: LayerError) -> float:
    """The SQNR for the ranking; an unknown one is last."""
    ratio = each.but_for_scale if each.is_rescaled else each.sqnr
    return math.inf if math.isnan(ratio) else ratio
