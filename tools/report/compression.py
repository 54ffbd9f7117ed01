"""The results of a weight-only quantization as plain values for scripts."""

import dataclasses
import math
from typing import Any

from irquant.passes import CompressionReport
from irquant.passes.infra.compressed_layers import CompressedLayer
from irquant.tools.report.values import finite, output_values


def compression_values(report: CompressionReport, model: str, result: str) -> dict[str, Any]:
    """The results: stable keys, ratios in dB, null for numbers that are not finite."""
    check = report.check
    return {
        "model": model,
        "result": result,
        "device": report.device,
        "weights": report.weights,
        "samples": report.samples,
        "held_out": report.held_out,
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
        "four_bit_share": report.four_bit_share and finite(report.four_bit_share, 4),
        "compressed_layers": len(check.kept),
        "folded_layers": [name for name, _ in check.folded],
        "outputs": None if check.outputs is None else [output_values(each) for each in check.outputs],
        "outputs_by_default": [output_values(each) for each in check.outputs_by_default or ()] or None,
        "layers": [_layer_values(each) for each in report.layers],
        "seconds": round(report.seconds, 4),
        "warnings": list(report.warnings),
    }


def _layer_values(layer: CompressedLayer) -> dict[str, Any]:
    ratio = finite(-10 * math.log10(layer.error), 2) if layer.error else None
    return {**dataclasses.asdict(layer), "kind": layer.kind or None, "error": ratio}
