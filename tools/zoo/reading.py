"""Reads a batch file. All mistakes are found before any work, each with its line; what a model lacks is known, too."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from irquant.ir.user_files import read_user_text
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.pot_config import read_config_file
from irquant.passes.runtime.load_model import FORMATS
from irquant.targets import Lines, YamlMistake, explain_all
from irquant.tools.sources.data import seen_from
from irquant.tools.zoo.batch_errors import BatchError, Mistake
from irquant.tools.zoo.batch_file import Batch, Entry
from irquant.tools.zoo.entry_check import Complaint, check_entry

Location = tuple[int | str, ...]
#: Keys that other commands would need -> what to do.
_TUNE = "a batch measures no latency: run `irquant tune MODEL --tuning FILE`, and write `tuning: FILE`"
_COMPRESS = "a batch quantizes activations, too: weights alone are `irquant compress MODEL --weights int4`"
_STATISTICS = (
    "a batch calibrates each model: for variants of one model, run `irquant quantize MODEL --save-statistics FILE` "
    "once, then with `--statistics FILE`"
)
_ELSEWHERE = {
    "tune": _TUNE,
    "tune_seconds": _TUNE,
    "weights": _COMPRESS,
    "compress": _COMPRESS,
    "statistics": _STATISTICS,
    "save_statistics": _STATISTICS,
}
#: Other words for keys -> the key.
_MEANT = {
    **dict.fromkeys(("calibration", "calibration_data", "calibration_dataset", "dataset", "data_source"), "data"),
    **dict.fromkeys(("path", "model_path", "onnx", "xml"), "model"),
    **dict.fromkeys(("subset_size", "stat_subset_size", "num_samples"), "samples"),
    **dict.fromkeys(("ignored_scope", "ignored_layers"), "ignored"),
    **dict.fromkeys(("timeout",), "timeout_seconds"),
    **dict.fromkeys(("memory",), "memory_mb"),
}
_SEVERAL = "; several files are one glob ('calib*.npz') or a .txt file that lists them"


@dataclass(frozen=True)
class Named:
    """An entry of the batch file.

    Attributes:
        name: The name of the result.
        entry: The options, defaults included, with absolute paths.
        lacking: What is wrong about the files that it names, so that it cannot run; empty if nothing is.
    """

    name: str
    entry: Entry
    lacking: str = ""


def read_batch(path: Path, outputs: Path) -> list[Named]:
    """The models of a batch file, in its order.

    Args:
        path: The path of the file.
        outputs: The folder of the results.

    Raises:
        BatchError: the file has mistakes; the error lists all of them.
    """
    return _Reader(path, outputs).models()


def _no_batch(path: Path) -> str:
    """What a path is that is no batch file, as far as its name tells, and what to do; empty: it may be one."""
    if path.is_dir():
        return f"is a folder, expected a batch file: `irquant zoo init {shlex.quote(str(path))}` writes one"
    if path.suffix.lower() in (".xml", *FORMATS):
        return f"is a model, expected a batch file: `irquant quantize {shlex.quote(str(path))}` takes one model"
    return ""


class _Reader:
    def __init__(self, path: Path, outputs: Path) -> None:
        self.path, self.outputs = path, outputs
        if what := _no_batch(path):
            raise BatchError(path, [Mistake(0, what)])
        self.told = set[Location]()  # options with mistakes, also by the key that was meant
        try:
            self.lines = Lines(read_user_text(path))
            content = _with_text_keys(self.lines.content())
        except YamlMistake as error:
            raise BatchError(path, [Mistake(error.line or 1, f"not YAML: {error.problem}")]) from None
        except OSError as error:
            raise BatchError(path, [Mistake(0, f"cannot be read: {error.strerror}")]) from None
        self.mistakes = [Mistake(line, f"key '{key}' is given twice") for line, key, _ in self.lines.repeated()]
        self.mistakes += [Mistake(line, message) for line, message in self.lines.lost()]
        self.content = self._well_formed(content)

    def models(self) -> list[Named]:
        """All models, if there are no mistakes."""
        entries = dict(self._entries())
        found = [
            Named(entry.name or Path(entry.model).stem or f"model{place}", entry) for place, entry in entries.items()
        ]
        self._check_names(list(entries), found)
        self._check_drops(list(entries), found)
        lacks = {place: list(self._check(place, named)) for place, named in zip(entries, found, strict=True)}
        if self.mistakes:
            for place, each in ((place, each) for place, lacking in lacks.items() for each in lacking):
                self._complain(self._place(place, each.key), each.message)  # all at once
            raise BatchError(self.path, self.mistakes)
        texts = ("; ".join(f"{each.key}: {each.message}" for each in lacking) for lacking in lacks.values())
        return [replace(named, lacking=text) for named, text in zip(found, texts, strict=True)]

    def _check(self, place: int, named: Named) -> Iterator[Complaint]:
        """What a model lacks; the mistakes of its entry are noted."""
        for each in check_entry(named.name, named.entry, self.path.absolute().parent, self.outputs):
            if each.is_lack:
                yield each
            elif self.told.isdisjoint({("models", place, each.key), ("defaults", each.key)}):
                self._complain(self._place(place, each.key), each.message)

    def _well_formed(self, content: Any) -> dict[str, Any]:
        """The content without the parts that do not fit the schema."""
        try:
            Batch.model_validate(content)
        except ValidationError as error:
            errors = error.errors(include_url=False)
            unknown = Counter(_name(each) for each in errors if _is_unknown(each))
            for each, message in zip(errors, explain_all(error, Batch, _instead), strict=True):
                name = _name(each)
                others = f" (and {unknown[name] - 1} more times)" if unknown[name] > 1 else ""
                several = _SEVERAL if name == "data" and isinstance(each["input"], list) else ""
                if not _is_unknown(each) or unknown.pop(name, 0):  # the same key in all models is one mistake
                    self.mistakes.append(Mistake(self.lines.of(each["loc"]), f"{message}{several}{others}"))
                self.told.add((*each["loc"][:-1], _MEANT.get(name, name)))
            for each in errors:
                _remove(content, each["loc"])
        return _mapping(content)

    def _entries(self) -> Iterator[tuple[int, Entry]]:
        """The entry of each model, with its index; `model` is empty if nothing names it."""
        defaults = _mapping(self.content.get("defaults"))
        for index, own in enumerate(_list(self.content.get("models"))):
            if own:
                entry = _absolute(Entry.model_validate(defaults | _mapping(own)), self.path.absolute().parent)
                yield index, _with_named_model(entry, self.path.absolute().parent)

    def _check_names(self, places: Sequence[int], found: Sequence[Named]) -> None:
        """Checks that results have different names, also on file systems that ignore case."""
        first: dict[str, int] = {}
        for place, named in zip(places, found, strict=True):
            other = first.setdefault(named.name.casefold(), place)
            if other != place:
                line = self.lines.of(("models", other))
                message = f"the name '{named.name}' is also that of models[{other}] in line {line}; give another name"
                self._complain(self._place(place, "name"), message)

    def _check_drops(self, places: Sequence[int], found: Sequence[Named]) -> None:
        """Checks that options about drops have a metric; in the defaults, one model with a metric is enough."""
        has_metrics = any(each.entry.metric for each in found)
        for place, named in zip(places, found, strict=True):
            said = [key for key in ("max_drop", "drop_type") if getattr(named.entry, key) is not None]
            for key in said if not named.entry.metric else ():
                where = self._place(place, key)
                if where[0] == "models" or not has_metrics:
                    self._complain(where, "needs a metric: add 'metric: module:function'")

    def _place(self, index: int, key: str) -> Location:
        """The location of an option of a model: in its entry or in the defaults."""
        own = _mapping(_list(self.content.get("models"))[index])
        is_default = key not in own and key in _mapping(self.content.get("defaults"))
        return ("defaults", key) if is_default else ("models", index, key)

    def _complain(self, place: Location, message: str) -> None:
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        self.mistakes.append(Mistake(self.lines.of(place), f"{path}: {message}"))


def _with_text_keys(content: Any) -> Any:
    """The content with text keys; YAML allows keys of any type."""
    if isinstance(content, dict):
        return {str(key): _with_text_keys(value) for key, value in cast(dict[object, Any], content).items()}
    if isinstance(content, list):
        return [_with_text_keys(value) for value in _list(content)]
    return content


def _name(mistake: ErrorDetails) -> str:
    """The key that a mistake is about; empty: it is about the whole content."""
    return str(mistake["loc"][-1]) if mistake["loc"] else ""


def _is_unknown(mistake: ErrorDetails) -> bool:
    """Whether a mistake is a key that there is not."""
    return mistake["type"] == "extra_forbidden"


def _instead(_model: type[BaseModel], name: str, _value: object) -> str:
    """What to write in place of a key that there is not; empty: nothing is known of it."""
    return _ELSEWHERE.get(name) or (f"write '{_MEANT[name]}'" if name in _MEANT else "")


def _remove(content: Any, location: Location) -> None:
    """Removes the option at a location from the content; a model that is not a mapping becomes an empty one."""
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


def _with_named_model(entry: Entry, folder: Path) -> Entry:
    """The entry with the model, and the name of the result, that its configuration gives."""
    if entry.model or not entry.config:
        return entry
    try:
        named = read_config_file(entry.config).model
    except ConfigError:  # the check of the entry tells it
        return entry
    model = str(folder / named.model) if named.model else ""
    return entry.model_copy(update={"model": model, "name": entry.name or named.model_name})


def _absolute(entry: Entry, folder: Path) -> Entry:
    """The same entry with absolute paths."""
    found: dict[str, Any] = {"model": str(folder / entry.model) if entry.model else ""}
    if entry.config:
        found["config"] = str(folder / entry.config)
    if entry.target and entry.target.endswith((".yaml", ".yml")):
        found["target"] = str(folder / entry.target)
    if entry.tuning:
        found["tuning"] = str(folder / entry.tuning)
    if entry.data:
        found["data"] = seen_from(folder, entry.data)
    found["extension"] = [seen_from(folder, each) for each in entry.extension]
    if entry.metric:
        found["metric"] = seen_from(folder, entry.metric)
    return entry.model_copy(update=found)
