"""What is wrong, from the messages of the runtime."""

import itertools
import re
from collections.abc import Sequence

from ...ir.listing import first_few

#: The most inputs that a message names.
_NAMED = 3
#: Lines of the runtime's messages that name places in its source, its parts and its own exceptions.
_PLACES = re.compile(
    r"Exception from|Check '|.*Exception from \S+:\d+:$"
    r"|FrontEnd API failed|Loading input model|Model wasn't fully converted|Summary:"
    r"|\[.* Frontend\] Conversion failed for |While validating ONNX node "
)
#: How a converter's list of failed operations begins one; the lines up to the next one say why.
_FAILED_OPERATION = re.compile(r"-- (?P<name>\S+) with a message:$")
#: What the runtime says of a type that an opset does not have, and of operations that its converters do not know.
_UNKNOWN_TYPE = re.compile(r"Opset \S+ doesn't contain the operation with type: (?P<type>\S+)")
_UNKNOWN_OPERATIONS = "No conversion rule found for operations"
#: How to name the extension of an operation.
HOW_TO_EXTEND = "name its library (--extension FILE, key 'extension' of a batch file, extensions=[...])"
#: What the runtime says of an input of unknown rank, which the CPU plugin does not run.
_UNKNOWN_RANK = re.compile(r"Parameter operation with dynamic rank\. Operation name: (?P<name>.*)")
_NODE = re.compile(r"While validating node '.*' with friendly_name (?P<name>'.*'):$")


def first_line(error: Exception) -> str:
    """The first line of a message that says what is wrong; earlier lines name places in the runtime's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _PLACES.match(line)] or lines or ["no reason given"]
    if unknown := next((line for line in telling if _UNKNOWN_OPERATIONS in line), ""):  # others fail because of them
        return unknown.removeprefix("-- ")
    if rank := next((found for line in telling if (found := _UNKNOWN_RANK.search(line))), None):
        return f"it does not run an input of unknown rank; give '{rank['name']}' one, for example with Model.reshape"
    if operation := _FAILED_OPERATION.match(telling[0]):
        reasons = list(itertools.takewhile(lambda line: not line.startswith("-- "), telling[1:])) or ["no reason given"]
        return f"{operation['name']}: {reasons[-1]}"
    node = _NODE.match(telling[0])
    return f"{node['name']}: {telling[-1]}" if node else telling[0].removeprefix("-- ")


def unknown_type(reason: str) -> str:
    """The type of operation that a message says an opset does not have; empty if it says something else."""
    found = _UNKNOWN_TYPE.search(reason)
    return found["type"] if found else ""


def is_about_unknown_operations(reason: str) -> bool:
    """Whether a message says that a converter does not know operations, which an extension may define."""
    return _UNKNOWN_OPERATIONS in reason


def sizes_hint(inputs: Sequence[str]) -> str:
    """A hint that the runtime may take a model with fixed sizes: some operations need them to know their rank.

    Args:
        inputs: The names of the inputs that have dynamic sizes.
    """
    named = first_few([f"'{each}'" for each in inputs], _NAMED)
    return f"; it may work with fixed sizes of {named} (docs/troubleshooting.md)" if named else ""
