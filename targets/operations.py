"""The operations of OpenVINO and their attributes, which a target file can name."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from ..ir.suggestions import closest, did_you_mean
from .target import Target

#: The keys of conditions in a file, and of lists of op types.
_CONDITIONS = ("rules", "transparent", "keeps_compressed")
_LISTS = ("unified", "bodies", "moves_scales_behind")
#: Names that other frameworks and device manuals use -> the operation in OpenVINO.
_ELSEWHERE = {
    **dict.fromkeys(("FullyConnected", "InnerProduct", "Gemm", "Dense", "Linear"), "MatMul"),
    **dict.fromkeys(("Conv", "Conv2D"), "Convolution"),
    **dict.fromkeys(("DepthwiseConvolution", "DepthwiseConv2D"), "GroupConvolution"),
    **dict.fromkeys(("Deconvolution", "ConvTranspose", "TransposedConvolution"), "ConvolutionBackpropData"),
}
#: The keys and indices that lead to an entry of a file.
Location = tuple[int | str, ...]
#: Op type -> its attributes; None: an operation of an extension, with unknown attributes.
_Known = Mapping[str, Sequence[str] | None]


@functools.cache
def operation_table() -> Mapping[str, Sequence[str]]:
    """Op type, as the .xml spells it -> its attributes, of all opsets (see tests/programs/operation_table.py)."""
    text = (resources.files("irquant.targets") / "operations.json").read_text(encoding="utf-8")
    found: Mapping[str, Sequence[str]] = json.loads(text)["operations"]
    return found


def unknown_words(target: Target) -> Iterator[tuple[Location, str]]:
    """Op types and attributes of a target that are not in OpenVINO or its `operations`: location and message."""
    table: _Known = {**dict.fromkeys(target.operations), **operation_table()}
    for key in _CONDITIONS:
        for index, each in enumerate(getattr(target, key)):
            yield from _in_condition(each, (key, index), table)
    for index, pattern in enumerate(target.stays_float):
        for link, each in enumerate(pattern.chain):
            yield from _in_condition(each, ("stays_float", index, "chain", link), table)
    for index, rule in enumerate(target.rules):
        for key in ("fuses", "needs_bias_before"):
            yield from _in_types(getattr(rule, key), ("rules", index, key), table)
    for key in _LISTS:
        yield from _in_types(getattr(target, key), (key,), table)


def _in_condition(condition: Any, place: Location, table: _Known) -> Iterator[tuple[Location, str]]:
    yield from _in_types(condition.op, (*place, "op"), table)
    attributes = [table.get(each) for each in condition.op]
    if None in attributes:
        return
    known = {name for each in attributes for name in each or ()}
    for key in ("where", "unless"):
        for name in getattr(condition, key):
            if name not in known:
                problem = f"no attribute '{name}' of {', '.join(condition.op)}"
                there = f"there are: {', '.join(sorted(known)) or 'none'}"
                yield (*place, key, name), did_you_mean(problem, closest(name, known, ignore_case=True), there)


def _in_types(types: Sequence[str], place: Location, table: _Known) -> Iterator[tuple[Location, str]]:
    for name in types:
        if name not in table:
            close = _ELSEWHERE.get(name) or closest(name, table, ignore_case=True)
            rest = "" if close else "spell it as the .xml does, and name it in 'operations' if an extension has it"
            yield place, did_you_mean(f"no operation '{name}'", close, rest)
