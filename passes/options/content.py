"""The content of a configuration, as plain dictionaries and lists, before validation."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...ir.user_files import is_too_large, read_user_text
from ...targets import Lines, YamlMistake, why_too_long
from .config_error import ConfigError
from .json_mistakes import json_mistake

#: A JSON text that begins with a key, after comments.
_BARE = re.compile(r'(?:\s|//[^\n]*+|(?>/\*.*?\*/))*+"(?:[^"\\\n]|\\.)*+"\s*+:', re.DOTALL)
#: The most characters of a text with comments: their parser takes a second for a few thousand.
_MOST_COMMENTED = 100_000
_ONE, _TWO = "\\", "\\\\"
#: Comments and strings of JSON5; the text between them has no backslash.
_TOKEN = re.compile(r"""//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'""", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)


def plain(given: object) -> Any:
    """Python objects in the types of a file: numpy numbers become numbers, tuples lists, mappings dictionaries."""
    if isinstance(given, np.generic):
        return cast(object, given.item())
    if isinstance(given, Mapping):
        return {key: plain(value) for key, value in cast(Mapping[object, object], given).items()}
    if isinstance(given, (list, tuple)):
        return [plain(each) for each in cast(Sequence[object], given)]
    return given


def content_of(path: Path) -> Any:
    """The content of a file: JSON with comments and trailing commas, or YAML.

    Raises:
        ConfigError: the file is neither, or a key is given twice.
    """
    if path.suffix not in (".json", ".yaml", ".yml"):
        message = f"{path}: a configuration ends in .json, .yaml or .yml"
        raise ConfigError(message)
    try:
        text = read_user_text(path)
        return _json(text) if path.suffix == ".json" else _yaml(text)
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, YamlMistake) as error:
        reason = " ".join(str(error).split())
    except RecursionError:
        reason = "it is nested too deeply"
    message = f"{path}: cannot be read: {reason}"
    raise ConfigError(message)


def _json(text: str) -> Any:
    import json5  # imported here: most runs read no configuration

    if not text.strip():
        return None
    _refuse_escapes(text)
    # The published description prints an algorithm without braces around it.
    whole = f"{{{text}}}" if _BARE.match(text) else text
    try:
        return json.loads(whole, object_pairs_hook=_unique, parse_int=_integer)
    except json.JSONDecodeError:
        if is_too_large(len(whole), _MOST_COMMENTED):
            found = f"{len(whole):,} characters of JSON with comments or mistakes"
            message = f"{found}, expected {_MOST_COMMENTED:,} or less"
            raise ValueError(message) from None
    try:
        return json5.loads(whole, object_pairs_hook=_unique, parse_int=_integer)
    except ValueError as error:
        raise ValueError(json_mistake(whole, error)) from None


def _yaml(text: str) -> Any:
    lines = Lines(text)
    for line, mistake in lines.lost():
        message = f"line {line}: {mistake}"
        raise ValueError(message)
    for _, key, _ in lines.repeated():
        raise _given_twice(key)
    return lines.content()


def _refuse_escapes(text: str) -> None:
    r"""Refuses single backslashes, for example in Windows paths and in regular expressions.

    JSON5 ignores the backslash of an unknown escape ("\d" is "d"), and reads others as characters that no configuration
    holds ("\new" begins with a line break).
    """
    for token in _TOKEN.finditer(text):
        if token[0][0] in "\"'" and any(_is_lost(escape[1]) for escape in _ESCAPE.finditer(token[0])):
            line = text.count("\n", 0, token.start()) + 1
            written = token[0].replace("\\\\", "\\").replace("\\", "\\\\")
            hint = "" if "re:" in token[0] else f", or {token[0].replace(_TWO, '/').replace(_ONE, '/')} if it is a path"
            message = f"line {line}: {token[0]}: a backslash is written twice in JSON: {written}{hint}"
            raise ValueError(message)


def _is_lost(escape: str) -> bool:
    """Whether an escape loses its text: JSON5 does not know it, or reads it as an unprintable character."""
    if escape[0] in "ux":
        code = escape[1:]
        return not (len(code) == {"u": 4, "x": 2}[escape[0]] and chr(int(code, 16)).isprintable())
    return escape not in ("\\", "/", '"', "'", "\n")


def _integer(text: str, base: int = 10) -> int:
    """An integer; a very long one is refused, as in YAML."""
    if message := why_too_long(text):
        raise ValueError(message)
    return int(text, base)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses a duplicate key: the parsers would silently take the last one."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise _given_twice(key)
        content[key] = value
    return content


def _given_twice(key: str) -> ValueError:
    return ValueError(f"key '{key}' is given twice: leave one out")
