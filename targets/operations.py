"""The operations that OpenVINO has, and their attributes: what a target file can speak of."""

import difflib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from .target import Target

#: Where conditions stand in a file, and the lists of op types besides.
_CONDITIONS = ("rules", "transparent")
_LISTS = ("unified", "bodies")
_Location = tuple[int | str, ...]


@functools.cache
def operation_table() -> Mapping[str, Sequence[str]]:
    """Op type, as the .xml spells it -> its attributes, of all opsets (see tests/programs/operation_table.py)."""
    text = (resources.files("irquant.targets") / "operations.json").read_text(encoding="utf-8")
    found: Mapping[str, Sequence[str]] = json.loads(text)["operations"]
    return found


def unknown_words(target: Target) -> Iterator[tuple[_Location, str]]:
    """Op types and attributes in a target that OpenVINO does not have: where each stands, and what is wrong with it."""
    for key in _CONDITIONS:
        for index, each in enumerate(getattr(target, key)):
            yield from _in_condition(each, (key, index))
    for index, pattern in enumerate(target.stays_float):
        for link, each in enumerate(pattern.chain):
            yield from _in_condition(each, ("stays_float", index, "chain", link))
    for index, rule in enumerate(target.rules):
        yield from _in_types(rule.needs_bias_before, ("rules", index, "needs_bias_before"))
    for key in _LISTS:
        yield from _in_types(getattr(target, key), (key,))


def _in_condition(condition: Any, place: _Location) -> Iterator[tuple[_Location, str]]:
    yield from _in_types(condition.op, (*place, "op"))
    known = {name for each in condition.op for name in operation_table().get(each, ())}
    for key in ("where", "unless"):
        for name in getattr(condition, key):
            if name not in known and all(each in operation_table() for each in condition.op):
                message = f"no attribute '{name}' of {', '.join(condition.op)}; {_near(name, known)}"
                yield (*place, key, name), f"{message}there are: {', '.join(sorted(known)) or 'none'}"


def _in_types(types: Sequence[str], place: _Location) -> Iterator[tuple[_Location, str]]:
    for name in types:
        if name not in operation_table():
            near = _near(name, operation_table()) or "spell it as the .xml does"
            yield place, f"no operation '{name}'; {near.removesuffix(' ')}"


def _near(name: str, known: Sequence[str] | Mapping[str, Any] | set[str]) -> str:
    alike = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), alike, n=1)
    return f"did you mean '{alike[close[0]]}'? " if close else ""
