"""The runtime itself: its version, its threads, and extensions for operations that are not its own."""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import openvino as ov

from ...ir import UserError
from ...targets.target import HERE
from .messages import first_line

#: The environment variable with the number of threads of the runtime; default: the number of cores.
THREADS = "IRQUANT_THREADS"
#: A definition of operations for the runtime: the path of a library, an extension, or the class of an operation.
Extension: TypeAlias = str | Path | ov.Extension | type[ov.Op]


class RuntimeRejectedError(UserError):
    """The runtime cannot read or compile a model; it may need an extension."""


class ExtensionError(UserError):
    """An extension cannot be loaded."""


def runtime_version() -> str:
    """The version of OpenVINO, with its build."""
    return str(ov.get_version())


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_share_of_cores() -> bool:
    """Whether the environment allows fewer threads than there are cores, since other work runs beside."""
    threads = os.environ.get(THREADS, "")
    return threads.isdecimal() and int(threads) < cores()


@functools.cache
def own_precision() -> str:
    """The device's default precision for floats: "f32", or "bf16" if it is faster."""
    return str(ov.Core().get_property(HERE, "INFERENCE_PRECISION_HINT").to_string())


def check_extensions(extensions: Sequence[Extension]) -> None:
    """Refuses extensions that cannot be loaded before any work is done.

    Raises:
        ExtensionError: an extension cannot be loaded.
    """
    open_core(extensions)


def open_core(extensions: Sequence[object]) -> Any:
    """The runtime with extensions for operations that are not its own."""
    core: Any = ov.Core()
    if threads := os.environ.get(THREADS):
        if not threads.isdecimal() or not int(threads):
            message = f"{THREADS} is '{threads}' in the environment, expected a number of threads"
            raise RuntimeRejectedError(message)
        core.set_property(HERE, {"INFERENCE_NUM_THREADS": threads})
    for extension in extensions:
        _extend(core, extension)
    return core


def _extend(core: Any, extension: object) -> None:
    if isinstance(extension, (str, Path)) and not Path(extension).is_file():
        message = f"{extension}: no such file: expected the library of an OpenVINO extension"
        raise ExtensionError(message)
    try:
        core.add_extension(str(extension) if isinstance(extension, Path) else extension)
    except (RuntimeError, TypeError) as error:
        reason = first_line(error).rpartition("This error happened: ")[2]
        message = f"{extension}: cannot be loaded as an OpenVINO extension: {reason}"
        raise ExtensionError(message) from error
