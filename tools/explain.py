"""`irquant explain`: what would become of each layer, and why."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import click

from irquant.ir import printable, read_model
from irquant.passes import Config, Explanation, Quantized, explain, find_layer, read_config
from irquant.targets import load_target


@click.command("explain")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", help="A target's name, or a target file (.yaml).  [default: cpu]")
@click.option("--preset", help="performance (symmetric activations) or mixed (asymmetric).  [default: performance]")
@click.option("-c", "--config", type=click.Path(path_type=Path), help="A configuration file (.json or .yaml).")
@click.option("--node", metavar="NAME", help="The whole story of one layer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
def explain_command(
    model: Path, target: str | None, preset: str | None, config: Path | None, node: str | None, *, as_json: bool
) -> None:
    """Shows which layers of MODEL would run in int8, and why the others would not. Needs no data."""
    file = read_config(config) if config else None
    options = Config.checked(**((file.config.model_dump() if file else {}) | ({"preset": preset} if preset else {})))
    device = load_target(target or (file.target if file else "cpu"))
    layers = explain(read_model(model), device, options)
    shown = [find_layer(layers, node)] if node else layers
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(layer) for layer in shown], indent=2))
        return
    for line in _story(shown[0]) if node else _table(shown):
        click.echo(printable(line))


def _table(layers: list[Explanation]) -> Iterable[str]:
    for layer in layers:
        if layer.weights is None:
            yield f"float {layer.type} '{layer.name}': {layer.reason}"
            continue
        data = ", ".join(f"{each.mode} {each.granularity} at '{each.tensor}'" for each in layer.data)
        weights = f"{layer.weights.mode} {layer.weights.granularity}"
        yield f"int8  {layer.type} '{layer.name}': data {data}; weights {weights}"
    yield f"{sum(layer.int8 for layer in layers)} of {len(layers)} layers would run in int8"


def _story(layer: Explanation) -> Iterable[str]:
    yield f"{layer.type} '{layer.name}'"
    yield f"would run in {'int8' if layer.int8 else 'float'}: {layer.reason}"
    for what, found in (("data", layer.data), ("weights", (layer.weights,) if layer.weights else ())):
        for each in found:
            yield f"{what}: {_described(each)}"


def _described(each: Quantized) -> str:
    tied = f", with the range of {_names(each.same_range)}" if each.same_range else ""
    return (
        f"'{each.tensor}' is quantized by '{each.name}', {each.mode} {each.granularity}, {each.levels} levels{tied}, "
        f"for {_names(each.readers)}"
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
