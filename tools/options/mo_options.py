"""Options of `irquant quantize` with the names of the model converter (mo).

The converter put mean, scale and the order of channels into the model. irquant leaves the model as it is: the options
prepare the calibration images as the model's users do.
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from irquant.passes.options.config_error import ConfigError
from irquant.tools.options.former_options import FormerOption, former_options
from irquant.tools.options.inputs import read_numbers
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option

_SHAPES = "shapes and parts are chosen at conversion: ovc MODEL --input NAME[1,3,224,224]; then give its .xml"
_PREPARED = (
    "mean, scale and the order of channels prepare the calibration images only: the result takes prepared images, as "
    "the model does"
)
_FORMER = (
    FormerOption(("--input_shape", "--input-shape", "--shape"), takes="VALUE", instead=_SHAPES),
    FormerOption(("--input",), takes="VALUE", instead=_SHAPES),
    FormerOption(("--batch", "-b"), takes="VALUE", instead=_SHAPES),
    FormerOption(("--static_shape", "--static-shape"), instead=_SHAPES),
    FormerOption(("--transform",), takes="VALUE", instead="give it to the converter: ovc; then give its .xml"),
    FormerOption(("--framework",), takes="VALUE"),  # the file says what it is
    FormerOption(("--data_type", "--data-type"), takes="VALUE", note="constants that stay float keep their type"),
    FormerOption(
        ("--compress_to_fp16", "--compress-to-fp16"),
        takes="VALUE",
        default="True",
        note="constants that stay float keep their type",
    ),
)
_OPTIONS = (
    grouped_option(
        HelpGroup.FORMER,
        "--mean_values",
        "--mean-values",
        callback=read_numbers,
        metavar="[M,..]",
        help="Like --mean. Unlike with mo, the model does not change.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--scale_values",
        "--scale-values",
        callback=read_numbers,
        metavar="[S,..]",
        help="Like --scale, in the same way.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--reverse_input_channels",
        "--reverse-input-channels",
        is_flag=True,
        help="Like --colour-order rgb: mo read images as BGR.",
    ),
)


def mo_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command with `picture_options` and `notes`."""

    @functools.wraps(command)
    def with_mo(
        *,
        mean_values: tuple[float, ...],
        scale_values: tuple[float, ...],
        reverse_input_channels: bool,
        pictures: ImageOptions,
        notes: tuple[str, ...],
        **others: object,
    ) -> Any:
        _refuse_twice("mean", pictures.mean, mean_values)
        _refuse_twice("scale", pictures.scale, scale_values)
        if reverse_input_channels and pictures.colour_order == "bgr":
            message = "--reverse_input_channels means RGB, but --colour-order is bgr: leave one of them out"
            raise ConfigError(message)
        if mean_values or scale_values or reverse_input_channels:
            notes = (*notes, _PREPARED)
        order = "rgb" if reverse_input_channels else pictures.colour_order
        mean, scale = pictures.mean or mean_values, pictures.scale or scale_values
        pictures = replace(pictures, mean=mean, scale=scale, colour_order=order)
        return command(pictures=pictures, notes=notes, **others)

    for option in reversed(_OPTIONS):
        with_mo = option(with_mo)
    return former_options(with_mo, _FORMER)


def _refuse_twice(name: str, own: tuple[float, ...], former: tuple[float, ...]) -> None:
    if own and former:
        message = f"--{name} and --{name}_values are the same option: give one of them"
        raise ConfigError(message)
