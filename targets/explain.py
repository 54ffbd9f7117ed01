"""One line out of what pydantic found wrong: the path in the file, what stands there, and what could."""

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """The first mistake, as `path: what was found; what was expected`, with a near miss where there is one."""
    first = first_mistake(error)
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    if first["type"] == "extra_forbidden":
        known = _known_keys(model, first["loc"][:-1])
        return f"unknown key '{path}'; {_near_miss(str(first['loc'][-1]), known)}known keys: {', '.join(known)}"
    if first["type"] == "missing":
        return f"'{path}' is missing"
    if first["type"] == "literal_error":
        known = [word.strip("'") for word in str(first.get("ctx", {})["expected"]).replace(" or ", ", ").split(", ")]
        return f"{path} is '{first['input']}'; {_near_miss(str(first['input']), known)}there are: {', '.join(known)}"
    return f"{path or 'the content'} is {first['input']!r}; {first['msg'].removeprefix('Input ')}"


def first_mistake(error: ValidationError) -> ErrorDetails:
    """The mistake to speak of: a misspelt key is unknown here and missing there, and the unknown one tells more."""
    errors = error.errors(include_url=False)
    return next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])


def _near_miss(given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f"did you mean '{close[0]}'? " if close else ""


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys of the model that a path leads to."""
    for part in path:
        if isinstance(part, str):
            annotation: Any = model.model_fields[part].annotation
            model = annotation if isinstance(annotation, type) else get_args(annotation)[0]
    return list(model.model_fields)
