"""Devices as data: what each runs in int8, with which ranges, and what it fuses."""

# pyright: reportUnusedImport=false

from .explain import explain, explain_all
from .lines import Lines
from .load import TargetError, check_target, load_target, parse_target, target_names, target_text
from .target import FloatPattern, Granularity, Mode, QuantSpec, Rule, Step, Target, Transparent

#: What is public; all else that is imported here is what the other folders take from this one.
__all__ = ["Target", "load_target"]
