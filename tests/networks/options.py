"""Options that a network is quantized with."""

from collections.abc import Mapping
from typing import Any

from .net import Chance

#: Weighted by repetition. A further target changes what fixed seeds draw: some saved seeds then find other networks.
TARGETS = ("cpu", "cpu", "cpu", "cpu", "cpu", "cpu_avx2", "cpu_spr", "gpu", "npu")


def draw_options(chance: Chance) -> dict[str, Any]:
    """Keyword arguments of `quantize`, as plain objects; what is not there is as by default."""
    config: dict[str, Any] = {
        "guard": chance.maybe(0.3),
        "correct_biases": chance.one(["fast", "fast", "fast", "sequential", "no"]),
    }
    for name, share in (("align_across", 0.3), ("migrate_scales", 0.3), ("correct_float_layers", 0.1)):
        if chance.maybe(share):
            config[name] = True
    if chance.maybe(0.1):
        config["align"] = False
    if chance.maybe(0.15):
        config["range_estimator"] = {"preset": "quantile"}
    if chance.maybe(0.05):
        config["model_type"] = "transformer"
    if chance.maybe(0.05):
        config["saturation_fix"] = chance.one(["first_layer", "all"])
    if chance.maybe(0.05):
        config["activations"] = {"mode": "asymmetric"}
    options: dict[str, Any] = {
        "target": chance.one(TARGETS),
        "preset": chance.one([None, "performance", "mixed", "accuracy"]),
    }
    options |= {
        "config": config,
        "ignored": chance.maybe(0.15),
        "by": chance.one(["model", "model", "xml", "f16 xml"]),
    }
    if chance.maybe(0.3):  # drawn last: networks of known seeds keep their other options
        config["align_streams"] = True
    return options


def is_default(options: Mapping[str, Any]) -> bool:
    """Whether nothing in it was drawn."""
    return options == DEFAULTS


DEFAULTS: Mapping[str, Any] = {
    "target": "cpu",
    "preset": None,
    "config": {"guard": False},
    "ignored": False,
    "by": "model",
}
