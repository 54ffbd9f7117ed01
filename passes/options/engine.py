"""The section `engine` of a configuration, which says where the data are."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field

from .accuracy_checker import CheckerData, UnreadError, read_checker
from .deprecated_options import engine_kind, names_data
from .image_size import size_of
from .note import Note
from .strict import Strict

Layout = Literal["NCHW", "NHWC", "CHW", "HWC"]
#: The options of the command line that replace what AccuracyChecker read.
FORM = "--data FOLDER --size HxW --mean M,M,M --scale S,S,S --colour-order bgr"


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _size(value: Any) -> Any:
    """Height and width: `224x224`, or two numbers."""
    if isinstance(value, list):
        return tuple(cast(list[object], value))
    return size_of(value) if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    """One number, or one for each channel."""
    return tuple(cast(list[object], value)) if isinstance(value, list) else (value,)


_Size = Annotated[tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] | None, BeforeValidator(_size)]
_Numbers = Annotated[tuple[float, ...], BeforeValidator(_numbers)]


class EngineSection(Strict):
    """The section in a file.

    Unlike in the published format, it may also say how images are prepared, by the names of the command line's options.
    By default, images stay as they are read: blue first, 0 to 255.
    """

    type: Literal["simplified"] = "simplified"
    data_source: str
    layout: Layout | None = None
    central_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    size: _Size = None
    mean: _Numbers = ()
    scale: _Numbers = ()
    colour_order: Annotated[Literal["rgb", "bgr"], BeforeValidator(_lower)] = "bgr"
    fit: Literal["stretch", "crop", "pad", "letterbox"] | None = None
    resize_filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] | None = None
    pad_value: Annotated[float, Field(ge=0, le=255)] | None = None
    skip_broken: bool = False


@dataclass(frozen=True)
class EngineOptions:
    """The source of the data, and the conversion of an image to an array.

    Attributes:
        data_source: The path of the samples.
        layout: The layout of the model's input.
        central_fraction: The share of height and width, in the middle, to cut out first.
        size: Height and width to scale to.
        mean: Subtracted from each channel.
        scale: Each channel is divided by it afterwards.
        colour_order: The order of the channels.
        fit: What happens to images of another ratio, as `--fit` says it; None: both sides are resized.
        resize_filter: The filter to resize with, as `--resize-filter` says it.
        pad_value: The value of added pixels.
        skip_broken: Whether to leave out files that cannot be read.
    """

    data_source: str
    layout: Layout | None = None
    central_fraction: float | None = None
    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    colour_order: str = "bgr"
    fit: str | None = None
    resize_filter: str | None = None
    pad_value: float | None = None
    skip_broken: bool = False

    @property
    def preparation(self) -> list[str]:
        """The options that say how images are prepared, as far as they are given."""
        default = EngineOptions(self.data_source)
        names = (each.name for each in fields(self))
        return [name for name in names if getattr(self, name) != getattr(default, name)]


@dataclass(frozen=True)
class EngineFound:
    """The result of reading the section.

    Attributes:
        engine: The source of the data; None if the section has none.
        lacking: Why it has none, and what to do; empty if it has one, or if there is no section.
        warnings: Messages about the ignored parts; notes if there are none.
    """

    engine: EngineOptions | None = None
    lacking: str = ""
    warnings: tuple[str, ...] = ()


def engine_of(section: Mapping[str, Any], valid: EngineSection | None, where: str) -> EngineFound:
    """Reads the section of a configuration.

    Args:
        section: The raw section; empty if there is none.
        valid: The validated section; None for engines that are no longer supported.
        where: The name of the configuration in messages: its path, if it has one.
    """
    if valid is not None:
        return EngineFound(EngineOptions(**valid.model_dump(exclude={"type"})))
    if not names_data(section):
        return EngineFound()
    command = f"irquant quantize -c {where or 'FILE'}"
    if engine_kind(section) == "data_free":
        why = "engine data_free: synthetic data are no longer supported"
        return EngineFound(lacking=f"{why}; give data of the model: {command} --data SOURCE")
    place = "engine.config" if "config" in section else "engine.datasets"
    return _of_checker(section, Path(where).parent, place, f"{command} {FORM}")


def engine_of_checker(file: Path) -> EngineFound:
    """Reads an AccuracyChecker configuration that the command line names."""
    return _of_checker({"config": str(file)}, file.parent, "--ac-config", FORM)


def _of_checker(section: Mapping[str, Any], folder: Path, place: str, instead: str) -> EngineFound:
    try:
        found = read_checker(section, folder)
    except UnreadError as error:
        return EngineFound(lacking=f"{place}: {error}; give the data: {instead}")
    taken = f"{place}: AccuracyChecker is no longer supported; taken from it: {_in_flags(found)}"
    return EngineFound(_engine(found), warnings=(taken if found.passed_over else Note(taken),))


def _engine(found: CheckerData) -> EngineOptions:
    return EngineOptions(
        found.source,
        central_fraction=found.central_fraction,
        size=found.size,
        mean=found.mean,
        scale=found.scale,
        colour_order=found.colour_order,
        fit=found.fit,
    )


def _in_flags(found: CheckerData) -> str:
    """The equivalent options of the command line, and the ignored steps."""
    flags = [f"--data {shlex.quote(found.source)}"]
    flags += [f"--size {found.size[0]}x{found.size[1]}"] if found.size else []
    flags += [f"{flag} {','.join(f'{each:g}' for each in values)}" for flag, values in _normalized(found) if values]
    flags.append(f"--colour-order {found.colour_order}")
    flags += [f"--central-fraction {found.central_fraction:.6g}"] if found.central_fraction else []
    flags += [f"--fit {found.fit}"] if found.fit else []
    missed = f"; ignored: {'; '.join(found.passed_over)}" if found.passed_over else ""
    return f"{' '.join(flags)}{missed}"


def _normalized(found: CheckerData) -> tuple[tuple[str, tuple[float, ...]], ...]:
    return ("--mean", found.mean), ("--scale", found.scale)
