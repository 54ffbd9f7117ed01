"""The target that Python gives."""

from enum import Enum
from pathlib import Path
from typing import Any, cast

from ...ir.errors import quoted
from ...targets import Target
from ..options.config_error import ConfigError


def given_target(given: Any) -> str | Target | None:
    """The target itself, its name or path, or the name that a member of NNCF's enumeration stands for.

    Raises:
        ConfigError: it is something else.
    """
    target = str(given) if isinstance(given, Path) else cast(object, given.value if isinstance(given, Enum) else given)
    if target is None or isinstance(target, (str, Target)):
        return target
    message = f"target is {quoted(target)}, expected the name of a target, the path of a target file, or a Target"
    raise ConfigError(message)
