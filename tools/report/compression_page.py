"""The page about a weight-only quantization."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from irquant.passes import CompressionReport
from irquant.passes.infra.compressed_layers import CompressedLayer
from irquant.tools.report.page import render, write_page
from irquant.tools.report.quantization import decibel_scale, versions, worst
from irquant.tools.report.scale import Scale
from irquant.tools.terminal.console import counted


@dataclass(frozen=True)
class WeightRow:
    """A layer in the table.

    Attributes:
        layer: The layer.
        place: Its place in the model.
        rank: Its place by the error of its weights, the largest first; layers that stay as they were are last.
        sqnr: The SQNR of its weights in dB; None: they stay as they were, or are exact.
        own: The place of that on the scale in percent; None: there is none.
        folded: What the device reads instead of the compressed weights; empty: it reads these.
    """

    layer: CompressedLayer
    place: int
    rank: int
    sqnr: float | None
    own: float | None
    folded: str


def write_compression_page(path: Path, report: CompressionReport, model: Path, result: Path) -> None:
    """Writes the page.

    Raises:
        PageError: it cannot be written.
    """
    write_page(path, compression_page(report, model, result))


def compression_page(report: CompressionReport, model: Path, result: Path) -> str:
    """The page as text."""
    scale = decibel_scale(ratio for each in report.layers if (ratio := _sqnr(each)) is not None)
    values = {
        "report": report,
        "model": model,
        "result": result,
        "worst": worst(report.check.outputs or ()),
        "held_out": counted(report.held_out, "held-out samples"),
        "scale": scale,
        "rows": list(_rows(report, scale)),
        "versions": versions(),
        "now": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }
    return render("compression.html.j2", values)


def _rows(report: CompressionReport, scale: Scale) -> Iterator[WeightRow]:
    """The rows in the order of the report."""
    folded = dict(report.check.folded)
    order = sorted(range(len(report.layers)), key=lambda index: _of_ranking(report.layers, index))
    ranks = {index: rank for rank, index in enumerate(order, 1)}
    for place, layer in enumerate(report.layers):
        ratio = _sqnr(layer)
        own = None if ratio is None else scale.place(ratio)
        yield WeightRow(layer, place, ranks[place], ratio, own, folded.get(layer.name, ""))


def _of_ranking(layers: Sequence[CompressedLayer], index: int) -> float:
    return -layers[index].error if layers[index].kind else 1.0


def _sqnr(layer: CompressedLayer) -> float | None:
    """The SQNR of the weights in dB."""
    return -10 * math.log10(layer.error) if layer.kind and layer.error > 0 else None
