"""The work of `irquant explain`."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from irquant.passes import explain, load_model
from irquant.passes.explain import ExplainedPlan, Explanation, Quantized, find_layer
from irquant.tools.options.planned import planned_by
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.terminal.output import Output


def run_explain(
    model: Path,
    config: Path | None,
    target: str | None,
    preset: str | None,
    ignored: tuple[str, ...],
    extension: tuple[str, ...],
    node: str | None,
    output: Output,
) -> None:
    """Explains a model as the options of the command say."""
    planned = planned_by(config, target, preset, ignored)
    plan = explain(load_model(model, extensions=open_extensions(extension)), planned.target, planned.config)
    plan = dataclasses.replace(plan, warnings=(*planned.settings.warnings, *plan.warnings))
    if node:
        plan = dataclasses.replace(plan, layers=(find_layer((*plan.layers, *plan.others), node),))
    output.show(lambda: _values(plan), lambda: _details(plan.layers[0]) if node else _table(plan))


def _values(plan: ExplainedPlan) -> dict[str, Any]:
    values = dataclasses.asdict(plan)
    del values["others"]
    return values


def _table(plan: ExplainedPlan) -> Iterable[str]:
    for layer in plan.layers:
        if not layer.int8:
            yield f"float {layer.type} '{layer.name}': {layer.reason}"
            continue
        data = ", ".join(f"{_kind(each)} at '{each.tensor}'" for each in layer.data)
        weights = "".join(f"; weights {mode}" for mode in dict.fromkeys(_kind(each) for each in layer.weights))
        yield f"int8  {layer.type} '{layer.name}': data {data}{weights}"
    yield from (f"warning: {warning}" for warning in plan.warnings)
    yield f"preset: {plan.preset}"
    yield f"{sum(layer.int8 for layer in plan.layers)} of {len(plan.layers)} layers would run in int8"


def _details(layer: Explanation) -> Iterable[str]:
    yield f"{layer.type} '{layer.name}'"
    yield f"would run in {'int8' if layer.int8 else 'float'}: {layer.reason}"
    for what, found in (("data", layer.data), ("weights", layer.weights)):
        for each in found:
            yield f"{what}: {_described(each)}"
    yield from (f"nearly: {reason}" for reason in layer.nearly)


def _kind(each: Quantized) -> str:
    return f"{each.mode} {each.granularity}"


def _described(each: Quantized) -> str:
    tied = f", with the range of {_names(each.same_range)}" if each.same_range else ""
    return (
        f"'{each.tensor}' is quantized by '{each.name}', {_kind(each)}, {each.levels} levels{tied}, "
        f"for {_names(each.readers)}"
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
