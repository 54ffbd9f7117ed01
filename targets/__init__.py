"""Devices as data: what each can run in int8, with which ranges, fused how."""

from .explain import explain
from .load import TargetError, load_target, parse_target, target_names
from .target import Granularity, Mode, QuantSpec, Rule, Target, Transparent

__all__ = [
    "Granularity",
    "Mode",
    "QuantSpec",
    "Rule",
    "Target",
    "TargetError",
    "Transparent",
    "explain",
    "load_target",
    "parse_target",
    "target_names",
]
