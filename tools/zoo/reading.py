"""From a batch file to the models that it names. All mistakes are found before anything is done, each with its line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import ValidationError

from irquant.targets import Lines, explain_all
from irquant.tools.sources.data import seen_from
from irquant.tools.zoo.batch_errors import BatchError, Mistake
from irquant.tools.zoo.batch_file import Batch, Entry
from irquant.tools.zoo.entry_check import check_entry

Location = tuple[int | str, ...]


@dataclass(frozen=True)
class Named:
    """An entry of the batch file.

    Attributes:
        name: What its result is called.
        entry: What is said of it, defaults included; its paths are absolute.
    """

    name: str
    entry: Entry


def read_batch(path: Path, outputs: Path) -> list[Named]:
    """The models of a batch file, in its order.

    Args:
        path: Of the file.
        outputs: The folder of the results.

    Raises:
        BatchError: something is wrong; all that is.
    """
    return _Reader(path, outputs).models()


class _Reader:
    def __init__(self, path: Path, outputs: Path) -> None:
        self.path, self.outputs = path, outputs
        try:
            text = path.read_text(encoding="utf-8")
            self.lines, content = Lines(text), _with_text_keys(yaml.safe_load(text))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            message = f"not YAML: {getattr(error, 'problem', None) or ' '.join(str(error).split())}"
            raise BatchError(path, [Mistake(mark.line + 1 if mark else 1, message)]) from None
        except (OSError, ValueError, RecursionError) as error:  # a date that is none; an anchor that holds itself
            raise BatchError(path, [Mistake(1, f"cannot be read: {error}")]) from None
        self.mistakes = [Mistake(line, f"key '{key}' stands twice") for line, key in self.lines.repeated()]
        self.mistakes += [Mistake(line, message) for line, message in self.lines.lost()]
        self.content = self._well_formed(content)

    def models(self) -> list[Named]:
        """All of them, if nothing is wrong."""
        entries = dict(self._entries())
        found = [
            Named(entry.name or Path(entry.model).stem or f"model{place}", entry) for place, entry in entries.items()
        ]
        for place, named in zip(entries, found, strict=True):
            for key, message in check_entry(named.name, named.entry, self.path.absolute().parent, self.outputs):
                self._complain(self._place(place, key), message)
        self._check_names(list(entries), found)
        self._check_drops(list(entries), found)
        if self.mistakes:
            raise BatchError(self.path, self.mistakes)
        return found

    def _well_formed(self, content: Any) -> dict[str, Any]:
        """The content without what the schema has not."""
        try:
            Batch.model_validate(content)
        except ValidationError as error:
            locations = [each["loc"] for each in error.errors(include_url=False)]
            for location, message in zip(locations, explain_all(error, Batch), strict=True):
                self.mistakes.append(Mistake(self.lines.of(location), message))
            for location in locations:
                _remove(content, location)
        return _mapping(content)

    def _entries(self) -> Iterator[tuple[int, Entry]]:
        """What is said of each model, with its number; the path is empty where that is what lacks."""
        defaults = _mapping(self.content.get("defaults"))
        for index, own in enumerate(_list(self.content.get("models"))):
            if own:
                said = {"model": "", **defaults, **_mapping(own)}
                yield index, _absolute(Entry.model_validate(said), self.path.absolute().parent)

    def _check_names(self, places: Sequence[int], found: Sequence[Named]) -> None:
        """No two results may get one file, not even where file names have no case."""
        first: dict[str, int] = {}
        for place, named in zip(places, found, strict=True):
            other = first.setdefault(named.name.casefold(), place)
            if other != place:
                line = self.lines.of(("models", other))
                message = f"the name '{named.name}' is that of models[{other}] in line {line}, too; give it another"
                self._complain(self._place(place, "name"), message)

    def _check_drops(self, places: Sequence[int], found: Sequence[Named]) -> None:
        """What is said of drops is about a metric; in the defaults it may hold for some models only."""
        has_metrics = any(each.entry.metric for each in found)
        for place, named in zip(places, found, strict=True):
            said = [key for key in ("max_drop", "drop_type") if getattr(named.entry, key) is not None]
            for key in said if not named.entry.metric else ():
                where = self._place(place, key)
                if where[0] == "models" or not has_metrics:
                    self._complain(where, "is about a metric, and there is none: add 'metric: module:function'")

    def _place(self, index: int, key: str) -> Location:
        """Where the file says something of a model."""
        own = _mapping(_list(self.content.get("models"))[index])
        is_default = key not in own and key in _mapping(self.content.get("defaults"))
        return ("defaults", key) if is_default else ("models", index, key)

    def _complain(self, place: Location, message: str) -> None:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        self.mistakes.append(Mistake(self.lines.of(place), f"{path}: {message}"))


def _with_text_keys(content: Any) -> Any:
    """The content as JSON could hold it: YAML has keys of any type."""
    if isinstance(content, dict):
        return {str(key): _with_text_keys(value) for key, value in cast(dict[object, Any], content).items()}
    if isinstance(content, list):
        return [_with_text_keys(value) for value in _list(content)]
    return content


def _remove(content: Any, location: Location) -> None:
    """Takes out of the content the option that a location leads into; what is no mapping becomes an empty one."""
    depth = 3 if location[:1] == ("models",) else 2
    *way, last = location[:depth] or ("",)
    for part in way:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return
    if last in _mapping(content):
        del content[last]
    elif isinstance(content, list) and isinstance(last, int):
        content[last] = {}


def _mapping(value: Any) -> dict[str, Any]:
    return cast(Any, value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return cast(Any, value) if isinstance(value, list) else []


def _absolute(entry: Entry, folder: Path) -> Entry:
    """The same with paths that do not depend on the current folder."""
    found: dict[str, Any] = {"model": str(folder / entry.model) if entry.model else ""}
    if entry.config:
        found["config"] = str(folder / entry.config)
    if entry.target and entry.target.endswith((".yaml", ".yml")):
        found["target"] = str(folder / entry.target)
    if entry.data:
        found["data"] = seen_from(folder, entry.data)
    found["extension"] = [seen_from(folder, each) for each in entry.extension]
    if entry.metric:
        found["metric"] = seen_from(folder, entry.metric)
    return entry.model_copy(update=found)
