"""Devices as data: what each can run in int8, with which ranges, fused how."""

from .explain import explain, explain_all
from .lines import Lines
from .load import TargetError, check_target, load_target, parse_target, target_names, target_text
from .target import FloatPattern, Granularity, Mode, QuantSpec, Rule, Step, Target, Transparent

__all__ = [
    "FloatPattern",
    "Granularity",
    "Lines",
    "Mode",
    "QuantSpec",
    "Rule",
    "Step",
    "Target",
    "TargetError",
    "Transparent",
    "check_target",
    "explain",
    "explain_all",
    "load_target",
    "parse_target",
    "target_names",
    "target_text",
]
