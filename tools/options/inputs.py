"""Options of all commands that run a model: the data, and how images become arrays."""

import functools
import math
import re
from collections.abc import Callable
from typing import Any, Final, Literal

import click

from irquant.passes.options.image_size import size_of
from irquant.tools.options.completion import words, words_or_files
from irquant.tools.sources.image_options import BLACK, FILTERS, FITS, LAYOUTS, WHITE, ImageOptions
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option

#: All samples are one sequence.
ALL: Final = "all"
#: A list as mo takes it: in brackets, after the name of the input.
_IN_BRACKETS = re.compile(r"([^\[\](),]*)[\[(](.*)[\])]\s*")
#: Such lists for several inputs.
_OF_SEVERAL = re.compile(r".*[\])]\s*,.*[\[(].*")


def read_numbers(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[float, ...]:
    """Numbers with commas between them; also in brackets, and after the name of an input.

    Raises:
        click.BadParameter: the text has another form.
    """
    try:
        return tuple(_number(part) for part in _without_brackets(text, parameter).split(",")) if text else ()
    except ValueError:
        several = "names several inputs: write the numbers of the image input, e.g. 123.675,116.28,103.53"
        is_several = _OF_SEVERAL.fullmatch(text or "")
        message = f"'{text}' {several if is_several else 'is not a comma-separated list of numbers'}"
        raise click.BadParameter(message, context, parameter) from None


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _size(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    try:
        return size_of(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _sequences(context: click.Context, parameter: click.Parameter, text: str | None) -> int | Literal["all"] | None:
    if text is None or text == ALL:
        return ALL if text else None
    if text.isdecimal() and int(text):
        return int(text)
    message = f"'{text}' is not a number of steps: write --sequences behind the paths, or --sequences={ALL}"
    raise click.BadParameter(message, context, parameter)


def _layout(_: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    return _without_brackets(text, parameter).replace(",", "").replace(" ", "").upper() if text else None


def _without_brackets(text: str, parameter: click.Parameter) -> str:
    """The innermost list: mo writes the layout of an input `image([n,c,h,w])`. `picture_options` gets the name, too."""
    while found := _IN_BRACKETS.fullmatch(text):
        name, text = found[1].strip(), found[2]
        if name:
            _named_inputs()[max(parameter.opts, key=len)] = name
    return text


def _named_inputs() -> dict[str, str]:
    """Options of the command that is being read -> the input that each names."""
    found: dict[str, str] = click.get_current_context().meta.setdefault("irquant.named_inputs", {})
    return found


#: For commands that calibrate.
samples_option = grouped_option(
    HelpGroup.DATA,
    "--samples",
    "subset_size",
    type=int,
    metavar="N",
    help="Subset size: how many samples to use at most.  [default: as many as it takes, up to 300; with -c, all]",
)


def data_option(text: str, **others: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--data` with its help."""
    return grouped_option(
        HelpGroup.DATA, "--data", metavar="SOURCE", shell_complete=words_or_files(), help=text, **others
    )


_PICTURES = (
    grouped_option(HelpGroup.IMAGES, "--size", callback=_size, metavar="HxW", help="Height and width to scale to."),
    grouped_option(
        HelpGroup.IMAGES,
        "--layout",
        callback=_layout,
        metavar="LAYOUT",
        shell_complete=words(*LAYOUTS),
        help="The model's layout, e.g. NCHW.",
    ),
    grouped_option(
        HelpGroup.IMAGES, "--mean", callback=read_numbers, metavar="M,..", help="Mean to subtract from each channel."
    ),
    grouped_option(
        HelpGroup.IMAGES,
        "--scale",
        callback=read_numbers,
        metavar="S,..",
        help="Divisor of each channel, after the mean.",
    ),
    grouped_option(
        HelpGroup.IMAGES,
        "--colour-order",
        "--color-order",
        type=click.Choice(["rgb", "bgr"], case_sensitive=False),
        help="Order of channels.",
    ),
    grouped_option(
        HelpGroup.IMAGES,
        "--fit",
        type=click.Choice(FITS, case_sensitive=False),
        help="For images of another ratio than the model's: stretch; crop to the ratio, in the middle; keep the ratio "
        "and pad right and bottom, or (letterbox) on both sides.  [default: stretch]",
    ),
    grouped_option(
        HelpGroup.IMAGES,
        "--resize-filter",
        type=click.Choice(FILTERS, case_sensitive=False),
        help="The filter to resize with, as Pillow has them.  [default: bilinear]",
    ),
    grouped_option(
        HelpGroup.IMAGES,
        "--pad-value",
        type=click.FloatRange(BLACK, WHITE),
        metavar="V",
        help="The value of added pixels, before mean and scale.  [default: 0]",
    ),
    grouped_option(
        HelpGroup.IMAGES,
        "--central-fraction",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="F",
        help="First crop this share of height and width, in the middle.",
    ),
    grouped_option(HelpGroup.IMAGES, "--skip-broken", is_flag=True, help="Leave out files that cannot be read."),
    grouped_option(
        HelpGroup.DATA,
        "--sequences",
        is_flag=False,
        flag_value=ALL,
        callback=_sequences,
        metavar="[N]",
        help="For models with states: the samples in their order are steps of one sequence; with N, every N of them.",
    ),
)


def picture_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options for images to a command, which gets them as `pictures`."""

    @functools.wraps(command)
    def with_pictures(
        *,
        size: tuple[int, int] | None,
        layout: str | None,
        mean: tuple[float, ...],
        scale: tuple[float, ...],
        colour_order: str | None,
        central_fraction: float | None,
        fit: str | None,
        resize_filter: str | None,
        pad_value: float | None,
        skip_broken: bool,
        sequences: int | Literal["all"] | None,
        **others: object,
    ) -> Any:
        pictures = ImageOptions(
            size,
            layout,
            mean,
            scale,
            colour_order,
            central_fraction,
            fit,
            resize_filter,
            pad_value,
            skip_broken,
            sequences,
            tuple(_named_inputs().items()),
        )
        return command(pictures=pictures, **others)

    for option in reversed(_PICTURES):
        with_pictures = option(with_pictures)
    return with_pictures
