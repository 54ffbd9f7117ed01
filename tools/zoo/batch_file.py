"""The schema of a batch file; docs/zoo.md describes it."""

from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field

from irquant.passes.options.accuracy import DropType
from irquant.passes.options.config import GuardAim, Preset
from irquant.passes.options.image_size import size_of
from irquant.passes.options.strict import Strict
from irquant.tools.options.inputs import ALL
from irquant.tools.sources.image_options import BLACK, WHITE, ImageOptions


def _listed(value: Any) -> Any:
    """The value as a list; a single value becomes a list of one."""
    return cast(object, value) if isinstance(value, list) else [value]


def _size(value: Any) -> Any:
    text = str(value)
    size_of(text)
    return text


_Names = Annotated[list[str], BeforeValidator(_listed)]
_Numbers = Annotated[list[float], BeforeValidator(_listed)]


class Expected(Strict):
    """What a result must reach; otherwise the model counts as `missed`.

    Attributes:
        sqnr: The least SQNR of the worst output in dB.
        int8_share: The least share of the executed layers that run in int8.
        size_ratio: How many times smaller the constants are at least.
        verdict: The worst verdict on the worst output.
    """

    sqnr: float | None = None
    int8_share: Annotated[float, Field(ge=0, le=1)] | None = None
    size_ratio: Annotated[float, Field(ge=0)] | None = None
    verdict: Literal["good", "fair"] | None = None


class Options(Strict):
    """The options of one model, or in `defaults` of all models. Most are as in `irquant quantize`.

    Attributes:
        data: The source of samples.
        config: A configuration in the published format.
        preset: Whether activations are symmetric.
        target: The device.
        samples: The subset size: how many samples to use at most.
        ignored: The layers that stay float.
        keep_compressed: Whether layers whose weights are compressed already stay as they are.
        guard: Whether the guard runs if an output is not good, and how far it goes: false, true, floor, knee or good.
        metric: The user's own metric.
        max_drop: The largest allowed drop of the metric.
        drop_type: `absolute`, or `relative` to the float model's value.
        size: The size of images, HEIGHTxWIDTH.
        layout: The layout of image arrays.
        mean: Subtracted from each channel.
        scale: Each channel is divided by it.
        colour_order: The order of the channels of images.
        fit: How images of another ratio than the model's get its size.
        resize_filter: The filter to resize images with.
        pad_value: The value of pixels that are added to images.
        central_fraction: The share of height and width, in the middle of images, to crop first.
        skip_broken: Whether to leave out images that cannot be read.
        sequences: How many samples are the steps of one sequence, for models with states; `true`: all.
        tuning: The file of a tuning, which says which layers stay float because they are faster so.
        extension: Libraries of extensions, for operations that are not in OpenVINO.
        expect: What the result must reach.
        timeout_seconds: The time limit of an attempt.
        memory_mb: The limit of the resident memory of its process.
        retries: How often a model is tried again after a crash, a kill or a timeout.
    """

    data: str | None = None
    config: str | None = None
    preset: Preset | None = None
    target: str | None = None
    samples: Annotated[int, Field(ge=1)] | None = None
    ignored: _Names = Field(default_factory=list[str])
    keep_compressed: bool = False
    guard: bool | GuardAim | None = None
    metric: str | None = None
    max_drop: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    drop_type: DropType | None = None
    size: Annotated[str, BeforeValidator(_size)] | None = None
    layout: Literal["NCHW", "NHWC", "CHW", "HWC"] | None = None
    mean: _Numbers = Field(default_factory=list[float])
    scale: _Numbers = Field(default_factory=list[float])
    colour_order: Literal["rgb", "bgr"] | None = None
    fit: Literal["stretch", "crop", "pad", "letterbox"] | None = None
    resize_filter: Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] | None = None
    pad_value: Annotated[float, Field(ge=BLACK, le=WHITE)] | None = None
    central_fraction: Annotated[float, Field(gt=0, le=1)] | None = None
    skip_broken: bool = False
    sequences: bool | Annotated[int, Field(ge=1)] = False
    tuning: str | None = None
    extension: _Names = Field(default_factory=list[str])
    expect: Expected = Expected()
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    memory_mb: Annotated[float, Field(gt=0)] | None = None
    retries: Annotated[int, Field(ge=0)] = 1

    @property
    def pictures(self) -> ImageOptions:
        """How images become arrays, and samples sequences."""
        return ImageOptions(
            size=size_of(self.size) if self.size else None,
            layout=self.layout,
            mean=tuple(self.mean),
            scale=tuple(self.scale),
            colour_order=self.colour_order,
            central_fraction=self.central_fraction,
            fit=self.fit,
            resize_filter=self.resize_filter,
            pad_value=self.pad_value,
            skip_broken=self.skip_broken,
            sequences=(ALL if self.sequences else None) if isinstance(self.sequences, bool) else self.sequences,
        )


class Entry(Options):
    """One model.

    Attributes:
        model: Its path, in a format that `load_model` takes; empty: the configuration names it.
        name: The name of the result; None: the name of the model's file.
    """

    model: str = ""
    name: str | None = None


class Batch(Strict):
    """A whole batch file.

    Attributes:
        defaults: The default options of all models.
        models: The models to quantize.
    """

    defaults: Options = Options()
    models: Annotated[list[Entry], Field(min_length=1)]
