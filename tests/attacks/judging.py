"""What must hold of the folder after a command that was disturbed, whatever disturbed it, and of a next run."""

import json
import re
import signal
from collections.abc import Iterator

from .scene import INPUTS, Command, End, Look

_INTERRUPTED = (130, 143)
_WRITTEN = re.compile(r"; written: (.*?)(?: and (\d+) more)?$")
_CLAIMS = re.compile(r"^error: (\S+): (cannot be written|is written)")


def faults_after(command: Command, before: Look, end: End, after: Look, wanted: Look) -> Iterator[str]:
    """What is wrong right after the disturbed run.

    Args:
        command: What was run.
        before: The folder before it.
        end: How it ended.
        after: The folder behind it.
        wanted: The folder behind an undisturbed run.
    """
    for name in INPUTS:
        if after.files.get(name) != before.files[name]:
            yield f"input changed: {name}"
    for name in command.outputs:
        now, old, new = (each.files.get(name) for each in (after, before, wanted))
        if now not in (None, old) and not _is_whole(name, now, new):
            yield f"neither old nor new: {name}"
        if old is not None and now is None and not (_is_unfinished(name, after) or _is_dismissed(name, after)):
            yield f"lost: {name}"
    yield from _torn_pairs(command, before, after, wanted)
    yield from _lies(command, before, end, after)


def _is_whole(name: str, now: bytes | None, new: bytes | None) -> bool:
    """Whether a file is new; files with measured times in them need only be complete."""
    if now is None or now == new:
        return True
    if name.endswith(".html"):
        return now.rstrip().endswith(b"</html>")
    if not name.endswith((".json", ".jsonl")):
        return False
    try:
        return bool([json.loads(line) for line in ([now] if name.endswith(".json") else now.splitlines())])
    except ValueError:
        return False


def _is_unfinished(name: str, after: Look) -> bool:
    """Whether a model is missing only because its move into place was broken off, and the next reader completes it."""
    folder, _, file = name.rpartition("/")
    journal = f"{folder}/.{file.removesuffix('.xml')}.commit".removeprefix("/")
    return file.endswith(".xml") and journal in after.files


def _is_dismissed(name: str, after: Look) -> bool:
    """Whether a file is missing since it would look like a new one: that of a model that failed, or the page of a run."""
    if name == "z/report.html":
        return True
    record = after.files.get(f"{name.rpartition('.')[0]}.json")
    return record is not None and json.loads(record)["state"] != "done"


def _torn_pairs(command: Command, before: Look, after: Look, wanted: Look) -> Iterator[str]:
    """Models whose files do not belong together."""
    for xml in (each for each in command.outputs if each.endswith(".xml")):
        pair = (xml, xml.replace(".xml", ".bin"))
        found = [tuple(look.files.get(name) for name in pair) for look in (before, after, wanted)]
        if after.files.get(xml) is not None and found[1] not in (found[0], found[2]):
            yield f"torn: {xml}"


def _lies(command: Command, before: Look, end: End, after: Look) -> Iterator[str]:
    """Messages that are no single line, or that say what is not so."""
    if _is_early(before, end, after):
        return
    if "Traceback" in end.said or end.code == 70:
        yield f"traceback: {_last(end.said)}"
        return
    if end.code in (-9, -15, 71):
        return
    said, changed = _last(end.said), before.changed(after, command.outputs)
    if end.code == 0 and command.name != "zoo" and changed != set(command.outputs):
        yield f"exit code 0, but not written: {sorted(set(command.outputs) - changed)}"
    if end.code not in (0, 1, 2, *_INTERRUPTED) or (end.code == 1 and command.name != "zoo"):
        yield f"exit code {end.code}: {said}"
    if end.code in (2, *_INTERRUPTED) and said.startswith("error:"):
        yield from _wrong_lists(said, changed)
    if end.code == 2 and len(end.said.strip().splitlines()) != 1 and command.name != "zoo":
        yield f"more than one line: {end.said}"


def _is_early(before: Look, end: End, after: Look) -> bool:
    """Whether an interrupt came while Python itself started, before the first line of irquant: nobody can say a word."""
    is_said = end.said.endswith("KeyboardInterrupt\n") and "irquant/tools/cli" not in end.said
    return before.files == after.files and ((end.code == 1 and is_said) or end == End(-signal.SIGINT, ""))


def _wrong_lists(said: str, changed: set[str]) -> Iterator[str]:
    """What an error says of files that it lists or names, but is not so."""
    found = _WRITTEN.search(said)
    listed = {each.strip() for each in found[1].split(",")} if found else set[str]()
    more = int(found[2] or 0) if found else 0
    names = {next((name for name in changed if f"/{each}".endswith(f"/{name}")), each) for each in listed}
    if not names <= changed or len(names) + more != len(changed):
        yield f"says {said!r}, but written: {sorted(changed)}"
    if claim := _CLAIMS.match(said):
        is_there = any(f"/{claim[1]}".endswith(f"/{name}") for name in changed)
        if is_there != (claim[2] == "is written"):
            yield f"says {said!r}, but written: {sorted(changed)}"


def _last(said: str) -> str:
    lines = said.strip().splitlines()
    return lines[-1] if lines else ""


def leftovers(after: Look, before: Look, wanted: Look) -> list[str]:
    """Files that are neither inputs nor outputs."""
    known = before.files.keys() | wanted.files.keys()
    found = (name for name in after.files if not name.endswith(".log") and not name.startswith("z/earlier/"))
    return sorted(name for name in found if name not in known)


def faults_of_next(end: End, after: Look, wanted: Look) -> Iterator[str]:
    """What is wrong with the same command when nobody disturbs it: it must end well, and leave what it always leaves."""
    if end.code:
        yield f"the next run ends with {end.code}: {_last(end.said)}"
        return
    for name in sorted(after.files.keys() | wanted.files.keys()):
        now, new = after.files.get(name), wanted.files.get(name)
        if new is None:
            yield f"the next run leaves {without_token(name)}"
        elif now is None or not _is_whole(name, now, new):
            yield f"after the next run, {name} is not what it should be"


def without_token(name: str) -> str:
    """A text without the random parts of hidden names."""
    return re.sub(r"\.[0-9a-f]{16}\.", ".*.", name)
