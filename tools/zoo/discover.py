"""Makes a batch file for a folder of models, in the layout of Open Model Zoo or any other.

    public/NAME/FP32/NAME.xml    intel/NAME/FP16/NAME.xml    NAME/NAME.xml    NAME.onnx    NAME/saved_model.pb

If a model exists in several formats or precisions, an IR comes before other formats, and the highest precision of it.
Quantized models and folders of results are left out.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from irquant.ir import UserError
from irquant.ir.listing import first_few
from irquant.ir.user_files import read_user_text
from irquant.passes.analysis.already_quantized import find_quantized
from irquant.passes.runtime.load_model import FORMATS, is_saved_model, load_model, model_files
from irquant.targets import Lines, YamlMistake
from irquant.tools.sources.data import names_function, source_files
from irquant.tools.zoo.own_results import is_own_result
from irquant.tools.zoo.run import RESULTS

#: Folders named after a precision, the highest first.
_PRECISIONS = ("FP32", "FP16", "FP16-INT8", "FP32-INT8", "INT8", "FP16-INT1", "FP32-INT1")
_CALIBRATION = "calib.npz"
#: The formats of files, the preferred one first.
_SUFFIXES = (".xml", *FORMATS)
#: The most models that an error names.
_NAMED = 3


class NothingFoundError(UserError):
    """A folder contains no model to quantize, or a batch file no place for more."""


@dataclass(frozen=True)
class Found:
    """A model in a folder.

    Attributes:
        name: The name of its result.
        model: Its path.
        data: The source of its samples; None: none was found.
    """

    name: str
    model: Path
    data: str | None


@dataclass(frozen=True)
class Skipped:
    """A model, or a folder of results, that is left out.

    Attributes:
        model: Its path.
        reason: Why it is left out.
        is_broken: Whether it cannot be read.
    """

    model: Path
    reason: str
    is_broken: bool = False


def discover(root: Path, data: str | None) -> tuple[list[Found], list[Skipped]]:
    """The models below a folder.

    Args:
        root: The folder.
        data: Where their samples are, with {name} for the model's name; None: in a calib.npz beside it.

    Raises:
        NothingFoundError: there is no model to quantize.
    """
    if not root.is_dir():
        message = f"{root}: no such folder"
        raise NothingFoundError(message)
    paths, skipped = _models(root)
    found: list[Path] = []
    for group in _same_models(root, paths):
        rest = list(group)
        while rest and (unfit := _unfit(rest[0])):
            skipped.append(unfit)
            del rest[0]
        found += rest[:1]
        skipped += [Skipped(each, f"{_relative(rest[0], root)} is there") for each in rest[1:]]
    skipped.sort(key=lambda each: each.model)
    if not found:
        formats = f"(.xml with its .bin, {', '.join(FORMATS)}, or the folder of a TensorFlow SavedModel)"
        message = f"{root}: contains no float model to quantize {formats}{_named(skipped, root)}"
        raise NothingFoundError(message)
    names = _names(root, found)
    return [Found(name, path, _data(root, path, name, data)) for name, path in zip(names, found, strict=True)], skipped


def batch_text(found: Sequence[Found], skipped: Sequence[Skipped], folder: Path) -> str:
    """The batch file.

    Args:
        found: The models to list.
        skipped: What to list in comments.
        folder: The folder of the batch file; paths are relative to it.
    """
    lines = ["# irquant zoo: docs/zoo.md describes this file.", "models:", *_entries(found, folder)]
    lines += [f"# left out: {_relative(each.model, folder)}: {each.reason}" for each in skipped]
    return "\n".join(lines) + "\n"


def added(path: Path, found: Sequence[Found]) -> tuple[str, list[Found]]:
    """An existing batch file with the models that it does not name yet, also not in comments; and these.

    Args:
        path: The batch file; its last part are its models, one below the other.
        found: The models of a folder.

    Raises:
        NothingFoundError: models cannot be added to it.
    """
    try:
        text = read_user_text(path)
        before = _listed(text)
    except (OSError, YamlMistake) as error:
        message = f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        raise NothingFoundError(message) from None
    known = {(path.parent / each).resolve() for each in [*before, *_MODEL.findall(text)]}
    fresh = [each for each in found if each.model.resolve() not in known]
    lines = "".join(f"{line}\n" for line in _entries(fresh, path.parent))
    longer = f"{text.rstrip()}\n{lines}"
    complete = sum(each.data is not None for each in fresh)
    try:
        is_longer = len(_listed(longer)) == len(before) + complete
    except YamlMistake:
        is_longer = False
    if not is_longer:
        message = f"{path}: models cannot be added: its last lines must be those of `models`, each as `- model: PATH`"
        raise NothingFoundError(message)
    return longer, fresh


#: The path of a model in a batch file, also in a comment.
_MODEL = re.compile(r"^[ #-]*model: *['\"]?(.+?)['\"]? *$", re.MULTILINE)


def _listed(text: str) -> list[str]:
    """The paths of the models that a batch file lists; an entry without one has an empty path."""
    content = cast(object, Lines(text).content())
    models = cast(dict[str, object], content).get("models") if isinstance(content, dict) else None
    entries = cast(list[object], models) if isinstance(models, list) else []
    return [str(cast(dict[str, object], each).get("model", "")) for each in entries if isinstance(each, dict)]


def _entries(found: Sequence[Found], folder: Path) -> Iterator[str]:
    """The lines of models; those without data are comments, so that the batch runs without them."""
    for each in found:
        mark = "  # " if each.data is None else "  "
        if each.data is None:
            yield f"{mark}no data were found: say where they are, and remove the marks"
        yield f"{mark}- name: {_scalar(each.name)}"
        yield f"{mark}  model: {_scalar(_relative(each.model, folder))}"
        yield f"{mark}  data: {_scalar(_source(each.data, folder))}"


def _source(data: str | None, folder: Path) -> str:
    """A source of samples as a batch file in a folder names it."""
    if data is None:
        return "..."
    return data if names_function(data) else _relative(Path(data), folder)


def _models(root: Path) -> tuple[list[Path], list[Skipped]]:
    """All models below a folder, and folders of results, in which nobody looks for models."""
    found: list[Path] = []
    results: list[Skipped] = []
    for name, folders, files in os.walk(root):
        folder = Path(name)
        if is_saved_model(folder):
            found.append(folder)
            folders.clear()  # its other .pb files are no models
        elif RESULTS in files and is_own_result(folder / RESULTS):
            results.append(Skipped(folder, "results of irquant zoo"))
            folders.clear()
        else:
            found += [folder / each for each in files if _is_model(folder / each)]
    networks = (path for path in found if path.suffix.lower() == ".onnx")
    tensors = {each for path in networks for _, each in model_files(path) if each != path}
    return sorted(each for each in found if each not in tensors), results


def _is_model(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in FORMATS or (suffix == ".xml" and path.with_suffix(".bin").is_file())


def _same_models(root: Path, paths: Iterable[Path]) -> Iterator[list[Path]]:
    """The models, each in all its formats and precisions, the best first."""
    groups: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        named = path if path.is_dir() else path.with_suffix("")
        groups[Path(*(part for part in named.relative_to(root).parts if part not in _PRECISIONS))].append(path)
    yield from (sorted(each, key=_rank) for each in groups.values())


def _rank(path: Path) -> tuple[int, int]:
    suffix = path.suffix.lower()
    form = len(_SUFFIXES) if path.is_dir() else _SUFFIXES.index(suffix)
    return form, min((_PRECISIONS.index(part) for part in path.parts if part in _PRECISIONS), default=0)


def _unfit(path: Path) -> Skipped | None:
    """Why a model cannot be quantized; None if it can."""
    try:
        node = find_quantized(load_model(path))
    except UserError as error:
        return Skipped(path, " ".join(str(error).removeprefix(f"{path}: ").split()), is_broken=True)
    return Skipped(path, f"already quantized: it contains {node}") if node else None


def _named(skipped: Sequence[Skipped], root: Path) -> str:
    """What was left out, in a few words."""
    named = first_few([f"{_relative(each.model, root)}: {each.reason}" for each in skipped], _NAMED, "; ")
    return f"; left out: {named}" if named else ""


def _names(root: Path, paths: Sequence[Path]) -> list[str]:
    """A name for each model, as short as is unique."""
    stems = [path.stem or path.resolve().stem for path in paths]  # Path() is the current folder
    lower = [each.casefold() for each in stems]
    return [
        stem if lower.count(stem.casefold()) == 1 else "-".join(path.relative_to(root).with_suffix("").parts)
        for stem, path in zip(stems, paths, strict=True)
    ]


def _data(root: Path, path: Path, name: str, pattern: str | None) -> str | None:
    if pattern is not None:
        data = pattern.replace("{name}", name)
        return data if names_function(data) or _is_there(data) else None
    above = [folder for folder in (path, *path.parents) if folder == root or root in folder.parents]
    return next((str(each / _CALIBRATION) for each in above if (each / _CALIBRATION).is_file()), None)


def _is_there(data: str) -> bool:
    try:
        return bool(source_files(data))
    except UserError:
        return False


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()


def _scalar(text: str) -> str:
    """A text as YAML writes it."""
    dumped: str = cast(Any, yaml).safe_dump(text, width=float("inf"), allow_unicode=True)
    return dumped.removesuffix("\n").removesuffix("\n...")
