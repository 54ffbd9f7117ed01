"""The work of `irquant inspect`."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from irquant.ir import Summary, summarize
from irquant.passes import load_model
from irquant.passes.analysis.already_quantized import find_quantized
from irquant.passes.analysis.compressed_weights import CompressedWeights, compressed_weights
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.terminal.console import megabytes
from irquant.tools.terminal.output import Output


def run_inspect(model: Path, extension: tuple[str, ...], output: Output) -> None:
    """Shows the contents of a model."""
    graph = load_model(model, extensions=open_extensions(extension))
    summary, compressed = summarize(graph), compressed_weights(graph)
    quantized = find_quantized(graph, {constant for each in compressed for constant in each.constants})
    flags = {"quantized": quantized is not None or bool(compressed), "compressed_layers": len(compressed)}
    said = f"yes: it contains {quantized}" if quantized else "weights only" if compressed else "no"
    output.show(
        lambda: dataclasses.asdict(summary) | flags,
        lambda: (*summary_lines(summary, said), *_compressed_lines(compressed)),
    )


def _compressed_lines(compressed: Sequence[CompressedWeights]) -> Iterable[str]:
    for (type_, kind), count in Counter((each.layer.type, each.kind) for each in compressed).items():
        yield f"compressed weights: {count} x {type_} in {kind}"


def summary_lines(summary: Summary, quantized: str) -> Iterable[str]:
    """The summary as text."""
    layers = sum(operation.count for operation in summary.operations)
    yield f"model: '{summary.name}', IR version {summary.version}, {layers} layers"
    for side, tensors in (("input", summary.inputs), ("output", summary.outputs)):
        for tensor in tensors:
            yield f"{side}: {', '.join(tensor.names)} {tensor.element_type}[{tensor.shape}]"
    yield f"precision: {summary.precision}"
    yield f"quantized: {quantized}"
    for kind, constants in summary.constants.items():
        yield f"constants: {constants.count} of {kind}: {constants.values} values, {megabytes(constants.bytes)}"
    unused = f"; no layer uses {summary.unused_bytes:,} bytes of it" if summary.unused_bytes else ""
    yield f"weights file: {megabytes(summary.weights_bytes)}{unused}"
    for line in summary.control_flow:
        yield f"control flow: {line}"
    for state in summary.states:
        yield f"state: {state}"
    for name, value in summary.origin.items():
        yield f"origin: {name} = {value}"
    for each in summary.operations:
        parameters = f": {each.parameters} parameters, {megabytes(each.bytes)}" if each.parameters else ""
        yield f"operation: {each.count} x {each.type} ({each.opset}){parameters}"
