"""Makes a batch file for a folder of models, in the layout of Open Model Zoo or any other.

    public/NAME/FP32/NAME.xml    intel/NAME/FP16/NAME.xml    NAME/NAME.xml

If a model exists in several precisions, the highest one is taken. Quantized models are skipped.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml

from irquant.ir import UserError, read_model
from irquant.passes.analysis.already_quantized import find_quantized
from irquant.tools.sources.data import names_function, source_files

#: Folders named after a precision, the highest first.
_PRECISIONS = ("FP32", "FP16", "FP16-INT8", "FP32-INT8", "INT8", "FP16-INT1", "FP32-INT1")
_CALIBRATION = "calib.npz"


class NothingFoundError(UserError):
    """A folder contains no model to quantize."""


@dataclass(frozen=True)
class Found:
    """A model in a folder.

    Attributes:
        name: The name of its result.
        model: Its .xml.
        data: The source of its samples; None: none was found.
    """

    name: str
    model: Path
    data: str | None


@dataclass(frozen=True)
class Skipped:
    """A model that is skipped.

    Attributes:
        model: Its .xml.
        reason: Why it is skipped.
    """

    model: Path
    reason: str


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
    found: list[Path] = []
    skipped: list[Skipped] = []
    for path in _most_precise(root):
        reason = _unfit(path)
        if reason:
            skipped.append(Skipped(path, reason))
        else:
            found.append(path)
    if not found:
        message = f"{root}: contains no model to quantize: no float OpenVINO IR (.xml with its .bin)"
        raise NothingFoundError(message)
    names = _names(root, found)
    return [Found(name, path, _data(root, path, name, data)) for name, path in zip(names, found, strict=True)], skipped


def batch_text(found: Sequence[Found], skipped: Sequence[Skipped], folder: Path) -> str:
    """The batch file.

    Args:
        found: The models to list.
        skipped: The models to list in comments.
        folder: The folder of the batch file; paths are relative to it.
    """
    lines = ["# irquant zoo: docs/zoo.md describes this file.", "models:"]
    for each in found:
        lines.append(f"  - name: {_scalar(each.name)}")
        lines.append(f"    model: {_scalar(_relative(each.model, folder))}")
        if each.data is None:
            lines.append("    # data: none was found")
        else:
            data = each.data if names_function(each.data) else _relative(Path(each.data), folder)
            lines.append(f"    data: {_scalar(data)}")
    lines += [f"# left out: {_relative(each.model, folder)}: {each.reason}" for each in skipped]
    return "\n".join(lines) + "\n"


def _most_precise(root: Path) -> Iterator[Path]:
    """The models, each in its highest precision."""
    groups: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in sorted(root.rglob("*.xml")):
        if path.with_suffix(".bin").is_file():
            plain = [part for part in path.relative_to(root).parts if part not in _PRECISIONS]
            groups[Path(*plain)].append(path)
    for paths in groups.values():
        yield min(paths, key=_rank)


def _rank(path: Path) -> int:
    return min((_PRECISIONS.index(part) for part in path.parts if part in _PRECISIONS), default=0)


def _unfit(path: Path) -> str:
    """Why a model cannot be quantized; empty if it can."""
    try:
        node = find_quantized(read_model(path))
    except UserError as error:
        return " ".join(str(error).removeprefix(f"{path}: ").split())
    return f"already quantized: it contains {node}" if node else ""


def _names(root: Path, paths: Sequence[Path]) -> list[str]:
    """A name for each model, as short as is unique."""
    stems = [path.stem.casefold() for path in paths]
    return [
        path.stem if stems.count(path.stem.casefold()) == 1 else "-".join(path.relative_to(root).with_suffix("").parts)
        for path in paths
    ]


def _data(root: Path, path: Path, name: str, pattern: str | None) -> str | None:
    if pattern is not None:
        data = pattern.replace("{name}", name)
        return data if names_function(data) or _is_there(data) else None
    above = [folder for folder in path.parents if folder == root or root in folder.parents]
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
