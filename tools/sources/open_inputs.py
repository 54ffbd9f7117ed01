"""Opens what the command line names, or else the configuration: the model and the data."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from irquant.ir import Graph
from irquant.ir.spelling import option
from irquant.ir.suggestions import closest, did_you_mean
from irquant.ir.user_files import no_such_file
from irquant.passes.options.config_error import ConfigError
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.note import Note
from irquant.passes.runtime.samples import DataError, Sample, model_inputs
from irquant.tools.sources.data import may_be_images, open_source
from irquant.tools.sources.image_options import ImageOptions
from irquant.tools.sources.model_info import filled_from_model_info

if TYPE_CHECKING:  # most runs have no configuration
    from irquant.passes.options.engine import EngineOptions


def model_paths(model: Path | None, settings: ConfigFile, weights: Path | None = None) -> tuple[Path, Path | None]:
    """The model and the weights that the command line names, or else the configuration.

    Args:
        model: The path from the command line.
        settings: The configuration.
        weights: The path of the .bin from the command line; default: from the configuration, or beside the model.

    Raises:
        ConfigError: neither names a model, or what the configuration names is not there.
    """
    if model:
        return model, weights
    if not settings.model.model:
        message = "no model is given: give the path of an .xml, or a configuration with model.model"
        raise ConfigError(message)
    if lost := list(lost_paths(settings)):
        raise ConfigError(lost[0])
    named = settings.model.weights
    return Path(settings.model.model), weights or (Path(named) if named else None)


def lost_paths(settings: ConfigFile) -> Iterator[str]:
    """A message for each file of the model in a configuration that is not there."""
    folder = Path(settings.where).parent
    for key, path in (("model.model", settings.model.model), ("model.weights", settings.model.weights)):
        if path and not Path(path).exists():
            is_beside = bool(settings.where) and (folder / path).exists()
            hint = f"; paths are relative to the current folder: run the command in {folder}" if is_beside else ""
            yield f"{settings.where}: {key}: {no_such_file(path)}{hint}".removeprefix(": ")


def open_data(
    data: str | None, graph: Graph, pictures: ImageOptions, settings: ConfigFile, *, is_needed: bool = True
) -> Iterable[Sample] | None:
    """The samples that the command line names, or else the configuration; None if neither does.

    Args:
        data: The source from the command line.
        graph: The model; its metadata may say how to prepare images.
        pictures: Options for images from the command line.
        settings: The configuration.
        is_needed: Whether the command cannot run without data.

    Raises:
        DataError: there are no such data, or the source in the configuration cannot be read.
    """
    if data is None and settings.lacking and is_needed:
        raise DataError(f"{settings.where}: {settings.lacking}".removeprefix(": "))
    pictures = prepared_as(data, pictures, settings)
    if data is None and settings.engine:
        data = settings.engine.data_source
    return None if data is None else open_as(data, graph, pictures)


def prepared_as(data: str | None, pictures: ImageOptions, settings: ConfigFile) -> ImageOptions:
    """How images are prepared: as the configuration says, too, if its data are used.

    Args:
        data: The source from the command line.
        pictures: Options for images from the command line.
        settings: The configuration.
    """
    return as_published(pictures, settings.engine) if data is None and settings.engine else pictures


def unused_preparation(data: str | None, settings: ConfigFile, pictures: ImageOptions) -> Iterator[str]:
    """Messages if it is said how to prepare images, but the data are others.

    Args:
        data: The source from the command line.
        settings: The configuration.
        pictures: Options for images from the command line.
    """
    yield from unused_options(data, pictures)
    if data and settings.engine and (names := settings.engine.preparation):
        listed = ", ".join(names)
        yield Note(f"engine: {listed}: for engine.data_source only; images of --data are prepared as options say")


def unused_options(data: str | None, pictures: ImageOptions) -> Iterator[str]:
    """A message if the command line says how to prepare images, but names data of another kind."""
    if data and (flags := pictures.given) and not may_be_images(data):
        listed = ", ".join(map(option, flags))
        yield f"{listed}: for images only; what {data} gives is fed as it is"


def open_as(data: str, graph: Graph, pictures: ImageOptions) -> Iterable[Sample]:
    """The samples of a source; the model's metadata may say how to prepare images.

    Raises:
        DataError: there are no such data, or an option names an input that the model does not have.
    """
    inputs = model_inputs(graph)
    known = {name for each in inputs for name in each.names}
    for flag, name in pictures.named:
        if name not in known:
            problem = f"{flag} names input '{name}', which the model does not have"
            raise DataError(did_you_mean(problem, closest(name, known), f"it takes {', '.join(map(str, inputs))}"))
    return open_source(data, inputs, filled_from_model_info(pictures, graph))


def as_published(given: ImageOptions, engine: "EngineOptions") -> ImageOptions:
    """Images as the published tool's loaders prepared them; options of the command line take precedence."""
    return replace(
        given,
        size=given.size or engine.size,
        layout=given.layout or engine.layout,
        mean=given.mean or engine.mean,
        scale=given.scale or engine.scale,
        colour_order=given.colour_order or engine.colour_order,
        central_fraction=given.central_fraction or engine.central_fraction,
        fit=given.fit or engine.fit,
        resize_filter=given.resize_filter or engine.resize_filter,
        pad_value=engine.pad_value if given.pad_value is None else given.pad_value,
        skip_broken=given.skip_broken or engine.skip_broken,
    )
