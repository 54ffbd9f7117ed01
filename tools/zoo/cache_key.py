"""The cache key of a result: fingerprints and options of all inputs. Models with the same key are not quantized again.

The fingerprint of a user's function is that of its module's source; files and modules that it reads are not included.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from irquant.ir import UserError
from irquant.ir.user_files import open_user_file
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.options.resolved import ResolvedOptions
from irquant.passes.runtime.load_model import model_files
from irquant.tools.options.planned import planned_by
from irquant.tools.sources.data import names_function, source_files
from irquant.tools.sources.user_module import module_file
from irquant.tools.zoo.batch_file import Entry
from irquant.tools.zoo.entry_check import data_of

#: The number of files that are read in parallel.
_READERS = 4
#: The suffixes of libraries.
_LIBRARIES = (".so", ".dll", ".dylib")


def cache_keys_of(entries: Iterable[Entry], folder: Path) -> list[Mapping[str, str] | str]:
    """The cache key of each model, or why a file of it cannot be read.

    Args:
        entries: The entries of the models in the batch file.
        folder: The folder of the batch file.
    """

    @cache
    def content(text: str) -> str:
        return _fingerprint_of_named(text, folder)

    def cache_key_or_error(entry: Entry) -> Mapping[str, str] | str:
        try:
            return cache_key(entry)
        except UserError as error:  # it stops this model only
            return str(error)

    def cache_key(entry: Entry) -> Mapping[str, str]:
        planned = planned_of(entry)
        source = data_of(entry, planned.settings, folder)
        return {
            "model": _fingerprint_of_model(Path(entry.model)),
            "data": content(source) if source else "",
            **({"metric": content(entry.metric)} if entry.metric else {}),
            **({"tuning": fingerprint(Path(entry.tuning))} if entry.tuning else {}),
            **({"extension": " ".join(map(content, entry.extension))} if entry.extension else {}),
            **_options(entry, planned),
            "irquant": version("irquant"),
            "openvino": version("openvino"),
        }

    with ThreadPoolExecutor(_READERS) as readers:
        return list(readers.map(cache_key_or_error, entries))


def planned_of(entry: Entry) -> ResolvedOptions:
    """The resolved options of a model: its entry overrides its configuration."""
    config = Path(entry.config) if entry.config else None
    accuracy = {"max_drop": entry.max_drop, "drop_type": entry.drop_type} if entry.metric else None
    return planned_by(
        config,
        entry.target,
        entry.preset,
        tuple(entry.ignored),
        samples=entry.samples,
        guard=entry.guard,
        keep_compressed=entry.keep_compressed or None,
        accuracy=accuracy,
    )


def fingerprint(path: Path) -> str:
    """A fingerprint of a file's content.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with open_user_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}"
        raise UserError(message) from None


def _fingerprint_of_model(path: Path) -> str:
    """A fingerprint of all files of a model; their own names matter in a folder only."""
    found = hashlib.sha256()
    names = {each: each.relative_to(path) if path.is_dir() else each.suffix for _, each in model_files(path)}
    for each in sorted(each for each in names if each.is_file()):
        found.update(f"{names[each]} {fingerprint(each)};".encode())
    return found.hexdigest()[:32]


def _fingerprint_of_named(text: str, folder: Path) -> str:
    """A fingerprint of data, of a function, or of a library."""
    found = hashlib.sha256()
    if names_function(text):
        module, _, function = text.rpartition(":")
        file = module_file(module, folder)
        found.update(f"{function} {fingerprint(file) if file else module}".encode())
    elif Path(text).suffix in _LIBRARIES:
        return fingerprint(Path(text))
    else:
        for path in source_files(text):
            found.update(f"{path.name} {fingerprint(path)};".encode())
    return found.hexdigest()[:32]


def _options(entry: Entry, planned: ResolvedOptions) -> dict[str, str]:
    """All effective options, defaults included, so that the key does not depend on where a value is given."""
    target: Any = planned.target.model_dump(mode="json")
    engine = dataclasses.asdict(planned.settings.engine) if planned.settings.engine else {}
    engine.pop("data_source", None)
    accuracy = {"accuracy": (planned.config.accuracy or AccuracyOptions()).model_dump(mode="json")}
    return {
        **_spelt(planned.config.model_dump(mode="json") | (accuracy if entry.metric else {})),
        "target": f"{planned.target.name} {hashlib.sha256(json.dumps(target).encode()).hexdigest()[:16]}",
        **_spelt({f"pictures.{name}": value for name, value in dataclasses.asdict(entry.pictures).items()}),
        **({"engine": json.dumps(engine, sort_keys=True)} if engine and entry.data is None else {}),
    }


def _spelt(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value, sort_keys=True) for name, value in options.items()}
