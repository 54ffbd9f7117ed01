"""Data and preprocessing by the names of the original tool (pot) and of the model converter (mo)."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from irquant.passes.options.config_error import ConfigError
from irquant.tools.options.completion import words_or_files
from irquant.tools.options.inputs import read_numbers
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.terminal.help_groups import HelpGroup, grouped_option

data_source_option = grouped_option(
    HelpGroup.FORMER,
    "--data-source",
    metavar="SOURCE",
    shell_complete=words_or_files(),
    help="Like --data, with images in BGR order as in pot.",
)
#: The preprocessing that mo put into the model.
preprocessing_options = (
    grouped_option(
        HelpGroup.FORMER,
        "--mean_values",
        callback=read_numbers,
        metavar="[M,..]",
        help="Like --mean. Unlike with mo, the model does not change.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--scale_values",
        "-s",
        callback=read_numbers,
        metavar="[S,..]",
        help="Like --scale, in the same way.",
    ),
    grouped_option(
        HelpGroup.FORMER,
        "--reverse_input_channels",
        is_flag=True,
        help="Like --colour-order rgb, which is the default of --data: mo read images as BGR.",
    ),
)


def former_data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options to a command with `picture_options` and `data`."""

    @functools.wraps(command)
    def with_former(
        *,
        data: str | None,
        data_source: str | None,
        mean_values: tuple[float, ...],
        scale_values: tuple[float, ...],
        reverse_input_channels: bool,
        pictures: ImageOptions,
        **others: object,
    ) -> Any:
        refuse_two_sources({"--data": data, "--data-source": data_source})
        pictures = preprocessed(pictures, mean_values, scale_values, reverse_channels=reverse_input_channels)
        return command(data=data or data_source, pictures=from_source(pictures, data_source), **others)

    for option in (*reversed(preprocessing_options), data_source_option):
        with_former = option(with_former)
    return with_former


def required_data(command: Callable[..., Any]) -> Callable[..., Any]:
    """Refuses a command without data, whatever option could name them; stands below `former_data_options`."""

    @functools.wraps(command)
    def with_data(*, data: str | None, **others: object) -> Any:
        if data is None:
            context = click.get_current_context()
            (option,) = (each for each in context.command.params if each.name == "data")
            raise click.MissingParameter(ctx=context, param=option)
        return command(data=data, **others)

    return with_data


def preprocessed(
    pictures: ImageOptions, mean: tuple[float, ...], scale: tuple[float, ...], *, reverse_channels: bool
) -> ImageOptions:
    """How images are prepared, with the values that mo would put into the model.

    Raises:
        ConfigError: two options contradict each other.
    """
    _refuse_twice("mean", pictures.mean, mean)
    _refuse_twice("scale", pictures.scale, scale)
    if reverse_channels and pictures.colour_order == "bgr":
        message = "--reverse_input_channels means RGB, but --colour-order is bgr: leave one of them out"
        raise ConfigError(message)
    order = "rgb" if reverse_channels else pictures.colour_order
    return replace(pictures, mean=pictures.mean or mean, scale=pictures.scale or scale, colour_order=order)


def from_source(pictures: ImageOptions, data_source: str | None) -> ImageOptions:
    """How images of `--data-source` are prepared: like those of pot, in BGR order."""
    return replace(pictures, colour_order=pictures.colour_order or "bgr") if data_source else pictures


def refuse_two_sources(sources: dict[str, object]) -> None:
    """Refuses more than one source of samples.

    Raises:
        ConfigError: several options name one.
    """
    given = [flag for flag, source in sources.items() if source]
    if len(given) > 1:
        alike = " (they differ only in the order of colours)" if given == ["--data", "--data-source"] else ""
        message = f"{len(given)} sources are given: {' and '.join(given)}; give one{alike}"
        raise ConfigError(message)


def _refuse_twice(name: str, own: tuple[float, ...], former: tuple[float, ...]) -> None:
    if own and former:
        message = f"--{name} and --{name}_values are the same option: give one of them"
        raise ConfigError(message)
