"""One line for each error of pydantic: the path in the file, what was found, and what was expected."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..ir.errors import quoted
from ..ir.suggestions import closest, did_you_mean

#: What to write instead of an unknown key of a model, by its name and value; empty: nothing is known about it.
Instead = Callable[[type[BaseModel], str, object], str]
#: The most keys of a mapping that a message lists.
_MOST_KEYS = 12
#: Types of errors of pydantic whose own words mean Python's types, or say nothing.
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("dict_type", "mapping_type", "model_type"), "should be a mapping of keys to values"),
    **dict.fromkeys(("list_type", "is_instance_of"), "should be a list"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "should be an integer"),
    **dict.fromkeys(("float_type", "float_parsing"), "should be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "should be true or false"),
    "string_type": "should be a text",
    "too_short": "should have at least 1 entry",
}


def _nothing(model: type[BaseModel], name: str, value: object) -> str:
    return ""


def explain(error: ValidationError, model: type[BaseModel], instead: Instead = _nothing) -> str:
    """The first mistake, as `path: what was found; what was expected`, with a suggestion if there is one."""
    return _explained(first_mistake(error), model, instead)


def explain_all(error: ValidationError, model: type[BaseModel], instead: Instead = _nothing) -> list[str]:
    """All mistakes, in the same form."""
    return [_explained(each, model, instead) for each in _mistakes(error)]


def path_text(location: Sequence[int | str]) -> str:
    """A location in a file as text: `rules[0].where`, without "[key]", pydantic's word for the key of a mapping."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in location if part != "[key]"]
    return "".join(parts).lstrip(".")


def _explained(mistake: ErrorDetails, model: type[BaseModel], instead: Instead) -> str:
    path = path_text(mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        owner, name = _model_at(model, mistake["loc"][:-1]), str(mistake["loc"][-1])
        if advice := instead(owner, name, mistake["input"]):
            return f"unknown key '{path}': {advice}"
        known = list(owner.model_fields)
        close = closest(name, known)
        return did_you_mean(f"unknown key '{path}'", close, f"known keys: {', '.join(known)}")
    if mistake["type"] == "missing":
        return "; ".join(filter(None, [f"'{path}' is missing", _choices(model, mistake["loc"])]))
    if mistake["type"] in ("literal_error", "enum"):
        known = [word.strip("'") for word in str(mistake.get("ctx", {})["expected"]).replace(" or ", ", ").split(", ")]
        close = closest(str(mistake["input"]), known)
        given = mistake["input"]
        found = f"'{given}'" if quoted(given) == repr(given) else quoted(given)
        return did_you_mean(f"{path} is {found}", close, f"there are: {', '.join(known)}")
    if mistake["type"] == "value_error":  # the message of a validator
        return f"{path and f'{path}: '}{mistake['msg'].removeprefix('Value error, ')}"
    given = mistake["input"]
    found = "empty" if given is None and not path else quoted(given)
    return f"{path or 'the content'} is {found}; {_expected(mistake, model)}"


def _expected(mistake: ErrorDetails, model: type[BaseModel]) -> str:
    """What was expected, in the words of files: tuples are lists there, and models are mappings."""
    given = mistake["input"]
    if mistake["type"] == "tuple_type":
        return f"should be a list, e.g. [{given!r}]" if isinstance(given, (str, int, float)) else "should be a list"
    if mistake["type"] == "model_type" and len(keys := _model_at(model, mistake["loc"]).model_fields) <= _MOST_KEYS:
        return f"should be a mapping; its keys: {', '.join(keys)}"
    return _WORDS.get(mistake["type"]) or mistake["msg"].removeprefix("Input ")


def first_mistake(error: ValidationError) -> ErrorDetails:
    """The most useful mistake: a misspelt key is both unknown and missing, and the unknown key says more."""
    errors = _mistakes(error)
    return next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])


def _mistakes(error: ValidationError) -> list[ErrorDetails]:
    """All mistakes; of a value that may be a flag or a word, one: a text is a misspelt word, the rest no flag."""
    errors = error.errors(include_url=False)
    words = {each["loc"][:-1] for each in errors if str((each["loc"] or [""])[-1]).startswith("literal[")}
    found: list[ErrorDetails] = []
    for each in errors:
        is_either = bool(each["loc"]) and each["loc"][:-1] in words
        if is_either and (each["type"] == "literal_error") != isinstance(each["input"], str):
            continue
        found.append(ErrorDetails({**each, "loc": each["loc"][:-1]}) if is_either else each)
    return found


def _choices(model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """The values of the key at a path, if they are listed."""
    key = str(path[-1])
    annotation = _model_at(model, path[:-1]).model_fields[key].annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        values = [str(each.value) for each in annotation]
    else:
        values = [str(each) for each in get_args(annotation)] if get_origin(annotation) is Literal else []
    return f"there are: {', '.join(values)}" if values else ""


def _model_at(model: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel]:
    """The model at a path; after the key of a mapping, a path has a name that the user chose."""
    parts = iter(path)
    for part in parts:
        if isinstance(part, str):
            annotation: Any = model.model_fields[part].annotation
            is_mapping = get_origin(annotation) is Mapping
            if is_mapping:
                next(parts)
            model = annotation if isinstance(annotation, type) else get_args(annotation)[-1 if is_mapping else 0]
    return model
