"""`irquant inspect`: what is in a model."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import click

from irquant.ir import Summary, printable, read_model, summarize
from irquant.passes import find_quantized
from irquant.tools.console import megabytes


@click.command("inspect")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def inspect_command(model: Path, *, as_json: bool) -> None:
    """Shows what is in MODEL: inputs and outputs, operations, constants by type, and where it came from."""
    graph = read_model(model)
    summary, sign = summarize(graph), find_quantized(graph)
    if as_json:
        operations = [{"type": type_, "opset": opset, "count": n} for (type_, opset), n in summary.operations.items()]
        content = dataclasses.asdict(dataclasses.replace(summary, operations={})) | {
            "operations": operations,
            "quantized": sign is not None,
        }
        click.echo(json.dumps(content, indent=2))
        return
    for line in summary_lines(summary, f"yes: it holds {sign}" if sign else "no"):
        click.echo(printable(line))


def summary_lines(summary: Summary, quantized: str) -> Iterable[str]:
    """The summary as text."""
    layers = sum(summary.operations.values())
    yield f"model: '{summary.name}', IR version {summary.version}, {layers} layers"
    for side, tensors in (("input", summary.inputs), ("output", summary.outputs)):
        for tensor in tensors:
            yield f"{side}: {', '.join(tensor.names)} {tensor.element_type}[{tensor.shape}]"
    yield f"quantized: {quantized}"
    for kind, constants in summary.constants.items():
        yield f"constants: {constants.count} of {kind}: {constants.values} values, {megabytes(constants.bytes)}"
    yield f"weights file: {megabytes(summary.weights_bytes)}, of which no layer uses {summary.unused_bytes} bytes"
    for line in summary.control_flow:
        yield f"control flow: {line}"
    for state in summary.states:
        yield f"state: {state}"
    for name, value in summary.origin.items():
        yield f"origin: {name} = {value}"
    width = len(str(max(summary.operations.values(), default=0)))
    for (type_, opset), count in summary.operations.items():
        yield f"operation: {count:{width}} {type_} ({opset})"
