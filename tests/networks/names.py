"""What exporters call their operations and tensors."""

from typing import Any

import openvino as ov

from .net import Chance

ODD = (
    "größe",
    "層",
    "with space",
    "a,b",
    "x/y/z",
    "w[0]",
    "f(x)",
    "a:0",
    "b;c",
    "d'e",
    'f"g',
    "<h>",
    "&i",
    "tab\there",
    "*",
    "?",
)


def rename(model: ov.Model, chance: Chance, *, is_plain: bool) -> None:
    """Gives all operations the names of some exporter, or odd ones, some of them twice; inputs and outputs theirs."""
    style = "runtime" if is_plain else chance.one(["runtime", "onnx", "tensorflow", "odd", "twice"])
    for index, each in enumerate(model.get_ordered_ops()):
        kind = each.get_type_name()
        if style != "runtime":
            each.set_friendly_name(_name(style, kind, index, chance))
    for index, port in enumerate(model.inputs):
        port.set_names({f"in{index}" if style != "odd" else f"{ODD[index % len(ODD)]}{index}"})
    named: set[Any] = set()
    for index, port in enumerate(model.outputs):
        source = port.get_node().input_value(0)
        if source not in named and source.get_node().get_type_name() != "Parameter" and (is_plain or chance.maybe(0.8)):
            named.add(source)
            source.set_names({f"out{index}" if style != "odd" else f"{chance.one(ODD)}_{index}"})


def _name(style: str, kind: str, index: int, chance: Chance) -> str:
    if style == "onnx":
        return f"/model.{index // 4}/{kind.lower()}/{kind}_{index}"
    if style == "tensorflow":
        return f"network/block{index // 4}/{kind}_{index}:0"
    if style == "twice":
        return kind if chance.maybe(0.5) else f"{kind}_{index // 2}"
    return f"{chance.one(ODD)}/{index}{chance.one(ODD)}"
