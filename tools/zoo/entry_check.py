"""Checks an entry of a batch file without reading its model.

What the entry says wrongly is a mistake in the batch file. What is wrong with the files that it names is a lack of this
model: it fails alone, and the other models run.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from irquant.ir import UserError
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.pot_config import read_config_file
from irquant.passes.runtime.load_model import (
    FORMATS,
    UnknownFormatError,
    is_saved_model,
    model_files,
    refuse_other_formats,
)
from irquant.passes.runtime.samples import DataError
from irquant.passes.tuning.tuning_file import check_ending, read_tuning
from irquant.targets import TargetError, load_target
from irquant.targets.load import ANY
from irquant.tools.options.planned import planned_by
from irquant.tools.sources.data import names_function, seen_from, source_files
from irquant.tools.sources.user_module import check_function
from irquant.tools.zoo.batch_file import Entry

_NAME = re.compile(r"[^\W_.-][\w.-]*")


@dataclass(frozen=True)
class Complaint:
    """What is wrong with an entry.

    Attributes:
        key: The option.
        message: What is wrong.
        is_lack: Whether it is wrong about a file, so that only this model fails.
    """

    key: str
    message: str
    is_lack: bool = False


def check_entry(name: str, entry: Entry, folder: Path, outputs: Path) -> Iterator[Complaint]:
    """All that is wrong with an entry.

    Args:
        name: The name of the result.
        entry: The entry, with absolute paths.
        folder: The folder of the batch file.
        outputs: The folder of the results.
    """
    if not _NAME.fullmatch(name):
        message = f"'{name}' names the files of the result: letters, digits, '_', '-' and '.', a letter or digit first"
        yield Complaint("name", message)
    settings, mistakes = _read_config(entry)
    if entry.model:
        yield from _check_model(name, Path(entry.model), outputs)
    elif settings:
        yield Complaint("model", "no model: give its path here, or in 'config' (model.model)")
    if settings:
        yield from _check_weights(entry, settings, folder)
    yield from _check_target(entry)
    yield from mistakes
    yield from _check_ignored(entry)
    yield from _check_metric(entry, settings, folder)
    yield from _check_extensions(entry, folder)
    yield from _check_tuning(entry)
    if settings and settings.lacking and entry.data is None:
        yield Complaint("config", settings.lacking)
    elif settings or entry.data:
        yield from _check_data(data_of(entry, settings or ConfigFile(), folder), folder)


def data_of(entry: Entry, settings: ConfigFile, folder: Path) -> str | None:
    """The source of the samples, from the batch file or else from the configuration."""
    if entry.data is None and settings.engine:
        return seen_from(folder, settings.engine.data_source)
    return entry.data


def _read_config(entry: Entry) -> tuple[ConfigFile | None, Sequence[Complaint]]:
    """The configuration, None if it is invalid, and what is wrong with it."""
    if entry.config is None:
        return ConfigFile(), ()
    is_lack = _is_missing(entry.config, (".json", ".yaml", ".yml"))
    try:
        settings = read_config_file(entry.config)
    except ConfigError as error:
        return None, [Complaint("config", each, is_lack) for each in error.mistakes]
    if settings.target and not entry.target:
        try:
            load_target(settings.target)
        except TargetError as error:
            return settings, [Complaint("config", f"{entry.config}: {error}")]
    return settings, ()


def _is_missing(path: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a path names a file of such a kind that is not there."""
    return path.endswith(suffixes) and not Path(path).exists()


def _check_model(name: str, model: Path, outputs: Path) -> Iterator[Complaint]:
    if complaint := _wrong_format(model):
        yield Complaint("model", complaint)
    elif complaint := _missing(model):
        yield Complaint("model", complaint, is_lack=True)
    elif model.resolve() == (outputs / f"{name}.xml").resolve():
        message = f"{model}: the result would replace it; give another name, or another folder for the results"
        yield Complaint("model", message)


def _check_weights(entry: Entry, settings: ConfigFile, folder: Path) -> Iterator[Complaint]:
    """Checks that a configuration that names the model names the weights beside it."""
    named, model = settings.model, Path(entry.model)
    if not (named.model and named.weights) or folder / named.model != model:
        return
    if (folder / named.weights).resolve() != model.with_suffix(".bin").resolve():
        message = f"{entry.config}: model.weights: a batch takes the .bin next to the .xml only: put it there"
        yield Complaint("config", message)


def _wrong_format(model: Path) -> str:
    """Why a file or folder cannot be a model, by its name; empty if it can."""
    if model.is_dir() or model.suffix.lower() in (".xml", *FORMATS) or not (model.suffix or model.exists()):
        return ""
    try:
        refuse_other_formats(model)
    except UnknownFormatError as error:
        return str(error)
    return f"{model}: a model is an .xml, {', '.join(FORMATS)}, or the folder of a TensorFlow SavedModel"


def _missing(model: Path) -> str:
    """What is missing of a model; the weights beside an .onnx are its converter's business."""
    if not model.exists():
        return f"{model}: no such file"
    if model.is_dir() and not is_saved_model(model):
        return (
            f"{model}: a folder, but no TensorFlow SavedModel; `irquant zoo init {model}` lists the models in a folder"
        )
    if model.is_dir() or model.suffix.lower() == ".onnx":
        return ""
    missing = next((each for _, each in model_files(model) if not each.is_file()), None)
    return f"{model}: its weights are missing: there is no {missing.name} next to it" if missing else ""


def _check_target(entry: Entry) -> Iterator[Complaint]:
    try:
        load_target(entry.target or ANY)
    except TargetError as error:
        yield Complaint("target", str(error), is_lack=_is_missing(entry.target or ANY, (".yaml", ".yml")))


def _check_ignored(entry: Entry) -> Iterator[Complaint]:
    try:
        planned_by(None, None, None, tuple(entry.ignored))
    except ConfigError as error:
        yield Complaint("ignored", str(error))


def _check_extensions(entry: Entry, folder: Path) -> Iterator[Complaint]:
    """Checks that extensions exist; they are loaded only where the model runs."""
    for text in entry.extension:
        try:
            if names_function(text):
                check_function(text, folder)
            elif not Path(text).is_file():
                yield Complaint("extension", f"{text}: no such file", is_lack=True)
        except DataError as error:
            yield Complaint("extension", str(error), is_lack=True)


def _check_tuning(entry: Entry) -> Iterator[Complaint]:
    if entry.tuning is None:
        return
    if entry.metric:
        yield Complaint("tuning", "a tuning and metrics exclude each other: give one of them")
    try:
        check_ending(Path(entry.tuning))
    except UserError as error:
        yield Complaint("tuning", str(error))
        return
    try:
        read_tuning(Path(entry.tuning))
    except UserError as error:
        yield Complaint("tuning", str(error), is_lack=True)


def _check_metric(entry: Entry, settings: ConfigFile | None, folder: Path) -> Iterator[Complaint]:
    accuracy = settings.config.accuracy if settings else None
    if entry.metric is None:
        if accuracy and accuracy.is_required:
            message = f"{entry.config}: AccuracyAwareQuantization needs a metric: add 'metric: module:function'"
            yield Complaint("config", f"{message}; without one take DefaultQuantization, whose guard needs no labels")
        return
    if not names_function(entry.metric):
        message = f"{entry.metric}: no such function; write module:function or file.py:function"
        yield Complaint("metric", message)
        return
    try:
        check_function(entry.metric, folder)
    except DataError as error:
        yield Complaint("metric", str(error), is_lack=True)


def _check_data(data: str | None, folder: Path) -> Iterator[Complaint]:
    if data is None:
        yield Complaint("data", "no data: say where samples come from, here, in 'defaults', or in 'config'")
        return
    try:
        if names_function(data):
            check_function(data, folder)
        else:
            source_files(data)
    except UserError as error:
        yield Complaint("data", str(error), is_lack=True)
