"""What is wrong, from the messages of the runtime."""

import re

#: Lines of the runtime's messages that name places in its source, its parts and its own exceptions.
_PLACES = re.compile(
    r"Exception from|Check '|.*Exception from \S+:\d+:$"
    r"|FrontEnd API failed|Loading input model|Model wasn't fully converted|Summary:"
)
_NODE = re.compile(r"While validating node '.*' with friendly_name (?P<name>'.*'):$")


def first_line(error: Exception) -> str:
    """The first line of a message that says what is wrong; earlier lines name places in the runtime's source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not _PLACES.match(line)] or lines or ["no reason given"]
    node = _NODE.match(telling[0])
    return f"{node['name']}: {telling[-1]}" if node else telling[0].removeprefix("-- ")
