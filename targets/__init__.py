"""Devices as data: what each runs in int8, with which ranges, and what it fuses."""

# pyright: reportUnusedImport=false

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .explain import explain, explain_all
    from .lines import Lines, YamlMistake, why_too_long
    from .load import TargetError, check_target, load_target, parse_target, target_names, target_text
    from .target import FloatPattern, Granularity, Mode, QuantSpec, Rule, Step, Target, Transparent

#: What is public; all else that is imported here is what the other folders take from this one.
__all__ = ["Target", "load_target"]

#: Module, imported when one of its names is used first -> these names; type checkers read the imports above.
_NAMES = {
    "explain": ("explain", "explain_all"),
    "lines": ("Lines", "YamlMistake", "why_too_long"),
    "load": ("TargetError", "check_target", "load_target", "parse_target", "target_names", "target_text"),
    "target": ("FloatPattern", "Granularity", "Mode", "QuantSpec", "Rule", "Step", "Target", "Transparent"),
}

if not TYPE_CHECKING:
    import lazy_loader

    __getattr__, __dir__, _ = lazy_loader.attach(__name__, submod_attrs=_NAMES)
