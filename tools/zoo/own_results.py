"""Which files in a folder of results are irquant's: those may be replaced without a question."""

import re
from pathlib import Path

from irquant.passes.files.own_files import is_own_file
from irquant.tools.zoo.job import MISSED
from irquant.tools.zoo.record import is_as_written, read_record

#: How a line of `results.jsonl` begins.
_ROW = re.compile(rb'\{"name":"(?:[^"\\]|\\.)*","state":"')
_HEAD = 4096


def is_own_result(path: Path) -> bool:
    """Whether a file is the list of all results, a file of one result, or what other commands make.

    A file of a result is its record, or a log, model or weights beside the record or in the folder `missed` there. An
    unreadable record is irquant's if the model beside it is; a model or weights with a record are irquant's if they are
    unchanged.
    """
    folder = path.parent.parent if path.parent.name == MISSED else path.parent
    record = read_record((folder / path.name).with_suffix(".json"))
    if path.suffix in (".json", ".log") and (record or is_own_file(path.with_suffix(".xml"))):
        return True
    if record and path.name in record.files and is_as_written(path, record.files[path.name]):
        return True
    try:
        with path.open("rb") as file:
            return bool(_ROW.match(file.read(_HEAD))) or is_own_file(path)
    except OSError:
        return False
