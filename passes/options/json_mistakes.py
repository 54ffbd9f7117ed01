"""Says what is wrong with a text that is no JSON: the parser only names the character where it gave up."""

import re

_UNEXPECTED = re.compile(r'<string>:(\d+) Unexpected (?:"(?P<found>.)"|end of input) at column (\d+)', re.DOTALL)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_ENDS_VALUE = re.compile(r"""["'\w}\]]\Z""")
_BEGINS = re.compile(r"""["'\w{\[-]""")


def json_mistake(text: str, error: ValueError) -> str:
    """The line, and what is missing there, as far as that can be told.

    Args:
        text: The text.
        error: The error of the parser of JSON5.
    """
    message = " ".join(str(error).split())
    if (place := _UNEXPECTED.search(str(error))) is None:
        return message
    line, column, found = int(place[1]), int(place[3]), place["found"]
    if found is None:
        return f"line {line}: the text ends inside a bracket or a quotation: one is not closed"
    lines = text.split("\n")
    before = "\n".join([*lines[: line - 1], lines[line - 1][: column - 1]])
    before = _COMMENT.sub("", before).rstrip()
    if not (_ENDS_VALUE.search(before) and _BEGINS.match(found)):
        return f"line {line}, column {column}: unexpected {found!r}"
    what = "a comma" if found in "\"'" else "a comma or a colon"
    last = before.count("\n") + 1
    where = f"in front of {found}" if last == line else f"at the end of line {last}"
    return f"line {line}, column {column}: {what} is missing {where}"
