"""The work of `irquant explain`."""

import dataclasses
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from irquant.passes import explain, load_model
from irquant.passes.explain import ExplainedPlan, Explanation, Quantized, find_layers
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
    if not node:
        output.show(lambda: _values(plan), lambda: _table(plan))
        return
    found = find_layers((*plan.layers, *plan.others), node)
    lines = [line for each in found for line in _details(each, _state(each, is_layer=each in plan.layers))]
    plan = dataclasses.replace(plan, layers=found, others=(), float_sums=())
    output.show(lambda: _values(plan), lambda: lines)


def _state(found: Explanation, *, is_layer: bool) -> str:
    if is_layer:
        return "would run in int8" if found.int8 else "would run in float"
    return "reads rounded numbers" if found.int8 else "reads floats"


def _values(plan: ExplainedPlan) -> dict[str, Any]:
    values = dataclasses.asdict(plan)
    for other in values["others"]:
        del other["weights"], other["nearly"]
    return values


def _table(plan: ExplainedPlan) -> Iterable[str]:
    for layer in plan.layers:
        if not layer.int8:
            yield f"float {layer.type} '{layer.name}': {layer.reason}"
            continue
        data = ", ".join(f"{_kind(each)} at '{each.tensor}'" for each in layer.data)
        weights = "".join(f"; weights {mode}" for mode in dict.fromkeys(_kind(each) for each in layer.weights))
        yield f"int8  {layer.type} '{layer.name}': data {data}{weights}"
    yield from (f"float Add '{each.name}': {each.reason}" for each in plan.float_sums)
    yield from (f"warning: {warning}" for warning in plan.warnings)
    yield f"preset: {plan.preset}{_exceptions(plan)}"
    if counts := Counter(each.type for each in plan.others if each.int8):
        found = ", ".join(f"{count} {type_}" for type_, count in sorted(counts.items()))
        yield f"also on rounded numbers: {found} (--node NAME shows one)"
    yield f"{sum(layer.int8 for layer in plan.layers)} of {len(plan.layers)} layers would run in int8"


def _exceptions(plan: ExplainedPlan) -> str:
    """How many FakeQuantizes of data have another mode than the preset asks for."""
    found = {each.name: each for layer in plan.layers for each in layer.data}
    modes = [each.mode for each in found.values() if each.overrides_preset]
    if not modes:
        return ""
    asked = "asymmetric" if modes[0] == "symmetric" else "symmetric"
    count = f"{len(modes)} of {len(found)} FakeQuantizes of data"
    return f"; {count}: {modes[0]} instead of {asked}, by target or options"


def _details(layer: Explanation, state: str) -> Iterable[str]:
    yield f"{layer.type} '{layer.name}'"
    yield f"{state}: {layer.reason}"
    for what, found in (("data", layer.data), ("weights", layer.weights)):
        for each in found:
            yield f"{what}: {_described(each)}"
    yield from (f"nearly: {reason}" for reason in layer.nearly)


def _kind(each: Quantized) -> str:
    return f"{each.mode} {each.granularity}"


def _described(each: Quantized) -> str:
    tied = f", with the range of {_names(each.same_range)}" if each.same_range else ""
    kind = f"{_kind(each)}{' (not as the preset asks: by target or options)' if each.overrides_preset else ''}"
    return (
        f"'{each.tensor}' is quantized by '{each.name}', {kind}, {each.levels} levels{tied}, for {_names(each.readers)}"
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
