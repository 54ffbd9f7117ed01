"""What kind of value a keyword of the entry points takes: another one would fail late, or be passed over."""

import os
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ...ir.errors import quoted
from ..options.config_error import ConfigError


def _is_path(given: object) -> bool:
    return isinstance(given, (str, os.PathLike))


def _is_list(given: object) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, (str, bytes, os.PathLike))


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float, np.number)) and not isinstance(given, bool)


def _is_flag(given: object) -> bool:
    return isinstance(given, (bool, np.bool_))


def _is_text(given: object) -> bool:
    return isinstance(given, str)


_PATH = (_is_path, "the path of a file")
_FLAG = (_is_flag, "True or False")
#: Keyword -> whether a value is of its kind, and the kind in words.
_KINDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    **dict.fromkeys(("output", "statistics", "save_statistics", "resume", "tuning"), _PATH),
    **dict.fromkeys(("tune", "force"), _FLAG),
    "tune_seconds": (_is_number, "a number"),
    "cluster": (_is_text, "the address of a Dask scheduler, or 'local'"),
    "extensions": (_is_list, "a list of extensions"),
    "transform": (callable, "a function of an item of the data, which gives a sample"),
    "report": (callable, "a function of the report; for a page, write quantize_model(...).report.save('report.html')"),
}


def refuse_other_kinds(named: Mapping[str, object]) -> None:
    """Refuses values of other kinds before any work; None stands for the default.

    Args:
        named: The keywords of a call.

    Raises:
        ConfigError: a value is of another kind.
    """
    for keyword, (is_one, kind) in _KINDS.items():
        if (given := named.get(keyword)) is not None and not is_one(given):
            message = f"{keyword} is {quoted(given)}, expected {kind}"
            raise ConfigError(message)
