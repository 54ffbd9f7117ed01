"""Which files in a folder of results are irquant's: those may be replaced without a question."""

import re
from pathlib import Path

from irquant.passes.own_files import is_own_file
from irquant.tools.zoo.record import read_record

#: How a line of `results.jsonl` begins.
_ROW = re.compile(rb'\{"name":"(?:[^"\\]|\\.)*","state":"')
_HEAD = 4096


def is_own_result(path: Path) -> bool:
    """Whether a file is a record, a log beside a record, the list of all results, or what other commands make."""
    if path.suffix in (".json", ".log") and read_record(path.with_suffix(".json")):
        return True
    try:
        with path.open("rb") as file:
            return bool(_ROW.match(file.read(_HEAD))) or is_own_file(path)
    except OSError:
        return False
