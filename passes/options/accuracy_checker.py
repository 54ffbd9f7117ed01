"""The data source and the image preprocessing of an Accuracy Checker configuration.

The original tool ran its engine by such a configuration: a separate file (`engine.config`) or inline
(`engine.datasets`). Calibration needs no labels. Therefore only the first data set's source is read, and the
preprocessing steps that the image loader has, too. All other steps are listed in a warning.

Source: the documentation of Accuracy Checker (Open Model Zoo), "Preprocessors" and "Custom data readers".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from .config_error import ConfigError
from .content import content_of

#: Readers -> the order of their channels; None: they read arrays.
_READERS: Mapping[str, str | None] = {"opencv_imread": "bgr", "pillow_imread": "rgb", "numpy_reader": None}
_FLIPS = ("bgr_to_rgb", "rgb_to_bgr")
#: The value of `aspect_ratio_scale` by which the shorter side gets the size. The crop of a square behind it is the same
#: as a square crop before it, of the same share of the shorter side.
_BY_SHORTER_SIDE = "greater"
_ABOUT_SIZES = ("resize", "crop", "auto_resize")


class UnreadError(Exception):
    """A configuration has no usable data source; the message says why."""


@dataclass(frozen=True)
class CheckerData:
    """The usable parts of a configuration.

    Attributes:
        source: The path of the samples.
        colour_order: "rgb" or "bgr".
        size: Height and width.
        central_fraction: The share of height and width, in the middle, to cut out first.
        fit: What happens to images of another ratio, as `--fit` says it; None: both sides are resized.
        mean: Subtracted from each channel.
        scale: Each channel is divided by it afterwards.
        passed_over: The preprocessing steps that are ignored.
        keeps: How the last resize keeps the ratio of the sides; empty: it does not, or what follows was read with it.
    """

    source: str
    colour_order: str = "bgr"
    size: tuple[int, int] | None = None
    central_fraction: float | None = None
    fit: str | None = None
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    passed_over: tuple[str, ...] = field(default=())
    keeps: str = ""


def read_checker(engine: Mapping[str, Any], folder: Path) -> CheckerData:
    """The usable parts of the section `engine` of a configuration.

    Args:
        engine: The section.
        folder: The folder of the configuration; paths are searched in the current folder first, as in the original.

    Raises:
        UnreadError: it has no usable data source.
    """
    content: Any = engine
    if "config" in engine:
        path = _found(str(engine["config"]), folder)
        try:
            content = content_of(path)
        except ConfigError as error:
            raise UnreadError(str(error)) from None
    return _taken(_first_data_set(content), folder)


def _found(text: str, folder: Path) -> Path:
    beside = folder / text
    return beside if beside.exists() and not Path(text).exists() else Path(text)


def _first_data_set(content: Any) -> Mapping[str, Any]:
    """`models[0].datasets[0]` of a file, `datasets[0]` of a section."""
    for key in ("models", "datasets"):
        if isinstance(content, Mapping) and key in content:
            listed = cast(Mapping[str, Any], content)[key]
            several: list[Any] = [*cast(Any, listed)] if isinstance(listed, list) else []
            content = several[0] if several else None
    if not isinstance(content, Mapping) or not ("data_source" in content or "annotation_conversion" in content):
        message = "it names no data set with a data_source"
        raise UnreadError(message)
    return cast(Mapping[str, Any], content)


def _taken(data_set: Mapping[str, Any], folder: Path) -> CheckerData:
    conversion: Any = data_set.get("annotation_conversion")
    named: Mapping[str, Any] = cast(Mapping[str, Any], conversion) if isinstance(conversion, Mapping) else {}
    source = data_set.get("data_source") or named.get("images_dir") or named.get("data_dir")
    if not isinstance(source, str):
        message = "its data set has no data_source"
        raise UnreadError(message)
    reader: Any = data_set.get("reader", "opencv_imread")
    kind = str(cast(Mapping[str, Any], reader).get("type") if isinstance(reader, Mapping) else reader)
    if kind not in _READERS:
        message = f"its reader is '{kind}', expected one of: {', '.join(_READERS)}"
        raise UnreadError(message)
    steps: Any = data_set.get("preprocessing") or []
    found = CheckerData(str(_found(source, folder)), _READERS[kind] or "bgr")
    for step in cast(Iterable[Any], steps if isinstance(steps, list) else ()):
        found = _after(found, step)
    if not found.keeps:
        return found
    return replace(found, passed_over=(*found.passed_over, f"resize with aspect_ratio_scale: {found.keeps}"))


def _after(found: CheckerData, step: Any) -> CheckerData:
    """The data after one more preprocessing step."""
    if not isinstance(step, Mapping):
        return replace(found, passed_over=(*found.passed_over, str(step)))
    options = cast(Mapping[str, Any], step)
    kind = options.get("type")
    if kind in _FLIPS:
        order = "rgb" if found.colour_order == "bgr" else "bgr"
        return replace(found, colour_order=order, mean=found.mean[::-1], scale=found.scale[::-1])
    try:
        if kind == "normalization" and not (found.mean or found.scale):
            return replace(found, mean=_numbers(options.get("mean")), scale=_numbers(options.get("std")))
        if kind in _ABOUT_SIZES and not (found.mean or found.scale):
            return _resized(found, options)
    except ValueError:
        pass
    return replace(found, passed_over=(*found.passed_over, _spelt(options)))


def _resized(found: CheckerData, options: Mapping[str, Any]) -> CheckerData:
    if options["type"] == "auto_resize":  # to the size of the model's input
        return replace(found, size=None)
    size = _size(options)
    if options["type"] == "resize":
        return replace(found, size=size, keeps=str(options.get("aspect_ratio_scale") or ""))
    before = found.size
    if before is None or size[0] * before[1] != size[1] * before[0] or size[0] > before[0]:
        raise ValueError
    found = replace(found, size=size, central_fraction=size[0] / before[0])
    is_crop = found.keeps == _BY_SHORTER_SIDE and size[0] == size[1]
    return replace(found, fit="crop", keeps="") if is_crop else found


def _size(options: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width; the two may be given separately."""
    one = options.get("size")
    return _side(options.get("dst_height", one)), _side(options.get("dst_width", one))


def _side(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError
    return value


def _numbers(value: Any) -> tuple[float, ...]:
    """Numbers in YAML, or in a text with commas between them; names of known data sets are not supported."""
    if value is None:
        return ()
    listed = cast(Iterable[Any], value) if isinstance(value, (list, tuple)) else str(value).strip("()[] ").split(",")
    return tuple(float(each) for each in listed)


def _spelt(options: Mapping[str, Any]) -> str:
    more = ", ".join(f"{name}: {value}" for name, value in options.items() if name != "type")
    return f"{options.get('type')}{f' with {more}' if more else ''}"
