"""What the attributes of an operation must be, for attributes that irquant reads: numbers, words and lists of numbers.

Spellings and ranges are those of the operation specifications of OpenVINO. Attributes and operations without a rule are
taken as they are.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .element_types import element_type
from .errors import IRError, printable
from .graph import Node
from .ops import REDUCTION_TYPES, is_standard

#: Up to 19 digits, as in 64 bits.
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,19}\s*")
_WORDS_OF_FLAGS = ("true", "false", "1", "0")


@dataclass(frozen=True)
class Attribute:
    """The values that an attribute can have.

    Attributes:
        expected: The values, as messages say it.
        fits: Whether a spelling is one of them.
        is_required: Whether the operation has no default for it.
    """

    expected: str
    fits: Callable[[str], bool]
    is_required: bool = False


def wrong_attribute(node: Node) -> str | None:
    """Which attribute of a node contradicts its operation, and how; None if no attribute does."""
    if not is_standard(node):
        return None
    given = node.attributes
    for name, rule in _RULES.get(node.type, {}).items():
        if name not in given:
            if rule.is_required:
                return f"it has no attribute '{name}', expected {rule.expected}"
        elif not rule.fits(given[name]):
            return f"its attribute '{name}' is '{printable(given[name])}', expected {rule.expected}"
    return _wrong_limits(node) if node.type == "Clamp" else None


def _wrong_limits(clamp: Node) -> str | None:
    low, high = clamp.attributes["min"], clamp.attributes["max"]
    if float(low) > float(high):
        return f"its attribute 'min' is '{printable(low)}', expected at most its 'max', '{printable(high)}'"
    return None


def _is_integer(text: str, least: int | None = None) -> bool:
    return _INTEGER.fullmatch(text) is not None and (least is None or int(text) >= least)


def _are_integers(text: str, least: int | None = None) -> bool:
    """Whether a text is a list of integers; empty entries do not count, as in `ops.integers`."""
    return all(_is_integer(part, least) for part in text.split(",") if part.strip())


def _is_float(text: str) -> bool:
    try:
        return not math.isnan(float(text))
    except ValueError:
        return False


def _is_element_type(text: str) -> bool:
    try:
        element_type(text)
    except IRError:
        return False
    return True


def _integer(least: int | None = None, *, is_required: bool = False) -> Attribute:
    expected = "an integer" if least is None else f"an integer of at least {least}"
    return Attribute(expected, lambda text: _is_integer(text, least), is_required)


def _integers(least: int | None = None) -> Attribute:
    kind = "integers" if least is None else f"integers of at least {least}"
    return Attribute(f"{kind}, separated by commas", lambda text: _are_integers(text, least))


def _word(*words: str) -> Attribute:
    """One of some words, in capital letters or not."""
    return Attribute(f"{', '.join(words[:-1])} or {words[-1]}", lambda text: text.lower() in words)


_FLAG = Attribute("true or false", lambda text: text.lower() in _WORDS_OF_FLAGS)
_LIMIT = Attribute("a number", _is_float, is_required=True)
_TYPE = Attribute("an element type", _is_element_type)
_AUTO_PAD = _word("explicit", "notset", "same_lower", "same_upper", "valid")
_BROADCAST = {"auto_broadcast": _word("explicit", "none", "numpy", "pdpd")}
_WINDOWS = {
    **dict.fromkeys(("strides", "dilations"), _integers(1)),
    **dict.fromkeys(("pads_begin", "pads_end", "output_padding"), _integers()),
    "auto_pad": _AUTO_PAD,
}
_POOLING = {**_WINDOWS, "kernel": _integers(1), "rounding_type": _word("ceil", "ceil_torch", "floor")}
_AXIS = {"axis": _integer()}
_NEEDED_AXIS = {"axis": _integer(is_required=True)}
_VARIABLE = {"variable_id": Attribute("the name of a variable", bool, is_required=True)}
_KEEP_DIMS = {"keep_dims": _FLAG}
_ELEMENT_WISE = (
    *("Add", "Divide", "Equal", "FloorMod", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr"),
    *("LogicalXor", "Maximum", "Minimum", "Mod", "Multiply", "NotEqual", "Power", "Select", "SquaredDifference"),
    "Subtract",
)
_CONVOLUTIONS = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "GroupConvolutionBackpropData")
#: Op type -> attribute -> rule.
_RULES: Mapping[str, Mapping[str, Attribute]] = {
    **dict.fromkeys(_ELEMENT_WISE, _BROADCAST),
    **dict.fromkeys(_CONVOLUTIONS, _WINDOWS),
    **dict.fromkeys(REDUCTION_TYPES, _KEEP_DIMS),
    **dict.fromkeys(("SoftMax", "LogSoftmax"), _AXIS),
    **dict.fromkeys(("Concat", "GatherElements", "TopK"), _NEEDED_AXIS),
    **dict.fromkeys(("Assign", "ReadValue"), _VARIABLE),
    "AvgPool": {**_POOLING, "exclude-pad": _FLAG},
    "Clamp": {"min": _LIMIT, "max": _LIMIT},
    "Convert": {"destination_type": _TYPE},
    "Einsum": {"equation": Attribute("an equation", bool, is_required=True)},
    "FakeQuantize": {**_BROADCAST, "levels": _integer(2, is_required=True)},
    "Gather": {"batch_dims": _integer()},
    "GatherND": {"batch_dims": _integer(0)},
    "Interpolate": {"pads_begin": _integers(), "pads_end": _integers()},
    "MaxPool": _POOLING,
    "MatMul": {"transpose_a": _FLAG, "transpose_b": _FLAG},
    "Pad": {"pad_mode": _word("constant", "edge", "reflect", "symmetric")},
    "Reshape": {"special_zero": _FLAG},
    "ScaledDotProductAttention": {"causal": _FLAG},
    "ShapeOf": {"output_type": _TYPE},
    "Split": {"num_splits": _integer(1, is_required=True)},
}
