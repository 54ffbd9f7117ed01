"""Refuses what is not a pass in a pipeline of the user's own, with what to write instead."""

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from ..options.config_error import ConfigError
from .base import Pass
from .registry import ALIASES, PASSES


def checked_passes(passes: object) -> Sequence[Pass]:
    """A pipeline from the user's code.

    Raises:
        ConfigError: it is no list, or holds an object that is not a pass.
    """
    if isinstance(passes, (str, Path)) or not isinstance(passes, Iterable):
        message = f"passes is {passes!r}, expected a list of passes; the command line reads files: --pipeline FILE"
        raise ConfigError(message)
    found: list[Pass] = []
    for each in cast(Iterable[object], passes):
        if not isinstance(each, Pass):
            raise ConfigError(_no_pass(each))
        found.append(each)
    return found


def _no_pass(given: object) -> str:
    """What to write instead of an object that is not a pass."""
    if inspect.isclass(given) and issubclass(given, Pass):
        return f"passes holds the class {given.__name__}, expected an object: write {given.__name__}()"
    if isinstance(given, str) and (place := PASSES.get(ALIASES.get(given, given))):
        module, _, name = place.partition(":")
        return f"passes holds the name '{given}', expected an object: write {name}(), from irquant.passes.{module}"
    return f"passes holds {given!r}, expected objects of classes that are derived from irquant.passes.Pass"
