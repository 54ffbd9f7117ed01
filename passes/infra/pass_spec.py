"""The text form of a pass: its name and, in braces, its options; printing gives the same form.

    calibrate{save-to=measured.npz cluster=local}

Options are the fields of the pass, with hyphens for underscores. Spaces separate them, commas the elements of one that
takes several; a text with other marks in it is written as a JSON string. A flag may stand alone.
"""

import dataclasses
import json
import re
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Union, cast, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from ...ir import UserError
from ...ir.suggestions import closest, did_you_mean
from .base import Pass

_STRING = r'"(?:[^"\\]|\\.)*"'
_PASS = re.compile(rf"\s*(?P<name>[^\s,{{}}][^,{{}}]*?)\s*(?:\{{(?P<options>(?:{_STRING}|[^\"{{}}])*)\}})?\s*(?:,|$)")
_OPTION = re.compile(rf"\s*(?P<name>[A-Za-z][\w-]*)(?:=(?P<value>{_STRING}|[^\s\"]*))?(?:\s+|$)")
_PLAIN = re.compile(r'[^\s"{},]+')
_WORDS: Mapping[object, str] = {bool: "true|false", int: "INTEGER", float: "NUMBER", str: "TEXT", Path: "PATH"}
_SEVERAL = (tuple, list, set, frozenset)


class PassSpecError(UserError):
    """A pass or one of its options is unknown or malformed."""


class _Dataclass(Protocol):
    """An object with fields."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True)
class PassSpec:
    """The specification of a pass.

    Attributes:
        name: Its name, or the place of its class: `module:Class`.
        options: Its options, as texts or as values.
    """

    name: str
    options: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True)
class PassOption:
    """An option that a pass takes.

    Attributes:
        name: With hyphens.
        hint: The type of the field.
        default: Its default; `dataclasses.MISSING`: it must be given.
    """

    name: str
    hint: Any
    default: object

    @property
    def takes(self) -> str:
        """The accepted values, for people."""
        return _takes(self.hint)

    def __str__(self) -> str:
        return f"{self.name}={self.takes}"


def read_specs(text: str) -> list[PassSpec]:
    """The passes that a text lists, commas between them.

    Raises:
        PassSpecError: the text is not such a list.
    """
    found: list[PassSpec] = []
    at = 0
    while at < len(text):
        match = _PASS.match(text, at)
        if match is None:
            message = f"cannot read '{text[at:].strip()}' as passes; write name{{option=value}},name"
            raise PassSpecError(message)
        found.append(PassSpec(match["name"], dict(_read_options(match["name"], match["options"] or ""))))
        at = match.end()
    return found


def _read_options(pass_name: str, text: str) -> Iterator[tuple[str, object]]:
    at = 0
    while text[at:].strip():
        match = _OPTION.match(text, at)
        if match is None:
            message = (
                f"pass '{pass_name}': cannot read '{text[at:].strip()}' as options; write option=value option=value"
            )
            raise PassSpecError(message)
        value = match["value"]
        yield match["name"], "true" if value is None else json.loads(value) if value.startswith('"') else value
        at = match.end()


def options_of(class_: type[Pass]) -> list[PassOption]:
    """The options that a pass takes."""
    if not dataclasses.is_dataclass(class_):
        return []
    hints = get_type_hints(class_)
    return [PassOption(each.name.replace("_", "-"), hints[each.name], _default(each)) for each in _fields(class_)]


def _fields(owner: object) -> Sequence[dataclasses.Field[Any]]:
    return [each for each in dataclasses.fields(cast(_Dataclass, owner)) if each.init]


def _default(of: dataclasses.Field[Any]) -> object:
    return of.default if of.default_factory is dataclasses.MISSING else of.default_factory()


def make_pass(class_: type[Pass], options: Mapping[str, object]) -> Pass:
    """A pass with the given options.

    Args:
        class_: Its class.
        options: Texts, which are converted to the types of the fields, or values that fit them.

    Raises:
        PassSpecError: an option is unknown or missing, or has a wrong value.
    """
    known = {each.name: each for each in options_of(class_)}
    values = {name.replace("_", "-"): value for name, value in options.items()}
    for name in values:
        _refuse_unknown(class_.name, name, known)
    for name, option in known.items():
        if name not in values and option.default is dataclasses.MISSING:
            message = f"pass '{class_.name}' needs the option {option}"
            raise PassSpecError(message)
    fields = {name.replace("-", "_"): _converted(class_.name, known[name], value) for name, value in values.items()}
    try:
        return class_(**fields)
    except (ValueError, TypeError) as error:  # its own __post_init__
        message = f"pass '{class_.name}': {error}"
        raise PassSpecError(message) from None


def _refuse_unknown(pass_name: str, name: str, known: Mapping[str, PassOption]) -> None:
    if name in known:
        return
    there = f"it has: {', '.join(map(str, known.values()))}" if known else "it has none"
    raise PassSpecError(did_you_mean(f"pass '{pass_name}' has no option '{name}'", closest(name, known), there))


def _converted(pass_name: str, option: PassOption, value: object) -> object:
    parts = value.split(",") if isinstance(value, str) and _takes_several(option.hint) else value
    try:
        return TypeAdapter(option.hint).validate_python(parts)
    except ValidationError:
        message = f"pass '{pass_name}': {option.name} is '{value}', expected {option.takes}"
        raise PassSpecError(message) from None


def spec_text(pass_: Pass) -> str:
    """The text form of a pass, without options that have their defaults."""
    given = [
        f"{option.name}={_text(value)}"
        for option in options_of(type(pass_))
        if (value := getattr(pass_, option.name.replace("-", "_"))) != option.default
    ]
    return f"{pass_.name}{{{' '.join(given)}}}" if given else pass_.name


def _text(value: object) -> str:
    if isinstance(value, _SEVERAL):
        several = [_text(each) for each in cast(Collection[object], value)]
        return ",".join(several if isinstance(value, (tuple, list)) else sorted(several))
    text = str(value).lower() if isinstance(value, bool) else str(value.value if isinstance(value, Enum) else value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    """The types of a union, without None; else the type itself."""
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(each for each in get_args(hint) if each is not type(None))
    return (hint,)


def _takes_several(hint: Any) -> bool:
    return any(get_origin(each) in _SEVERAL or each in _SEVERAL for each in _alternatives(hint))


def _takes(hint: Any) -> str:
    return "|".join(_takes_one(each) for each in _alternatives(hint))


def _takes_one(hint: Any) -> str:
    if get_origin(hint) in _SEVERAL:
        return f"{_takes(get_args(hint)[0])},.."
    if get_origin(hint) is Literal:
        return "|".join(map(str, get_args(hint)))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "|".join(str(each.value) for each in hint)
    return _WORDS.get(cast(object, hint), "VALUE")
