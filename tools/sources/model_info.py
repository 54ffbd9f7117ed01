"""Reads from `model_info` how a model prepares images, and which steps are inside the model.

OpenVINO Model API (ImageModel), OTX and Geti write `model_info`. Model API reads images as BGR, fits them to the size
as `resize_type` and `pad_value` say, reverses the channels if `reverse_input_channels` is set, subtracts `mean_values`
and divides by `scale_values`. A model that it saves has
these steps inside: it has `embedded_processing`, and the values stay in `model_info`. Models with an integer input
always take pixels. Other models have no such mark, but start with the same values
(`openvino.preprocess.PrePostProcessor`, `--mean_values` of Model Optimizer).
"""

from dataclasses import replace

import numpy as np

from irquant.ir import Array, Graph
from irquant.passes.analysis.input_steps import first_steps
from irquant.passes.runtime.samples import DataError, model_inputs
from irquant.tools.sources.image_options import LAYOUTS, ImageOptions
from irquant.tools.sources.prepare_image import takes_integers

_TRUE = ("yes", "true", "1")
#: The values of `resize_type` -> `ImageOptions.fit`.
_FITS = {"standard": "stretch", "crop": "crop", "fit_to_window": "pad", "fit_to_window_letterbox": "letterbox"}


def filled_from_model_info(options: ImageOptions, graph: Graph) -> ImageOptions:
    """Fills in options that the user did not give.

    Raises:
        DataError: an entry cannot be read.
    """
    info, inputs = graph.metadata("model_info"), model_inputs(graph)
    is_embedded = info.get("embedded_processing", "").lower() in _TRUE
    if options.colour_order is None and "reverse_input_channels" in info:
        is_reversed = info["reverse_input_channels"].lower() in _TRUE and not is_embedded
        options = replace(options, colour_order="rgb" if is_reversed else "bgr")
    layout = info.get("layout", "").rpartition(":")[2].upper()
    if options.layout is None and layout in LAYOUTS and not is_embedded and all(each.layout is None for each in inputs):
        options = replace(options, layout=layout)
    if options.fit is None and not is_embedded and info.get("resize_type") in _FITS:
        pad = options.pad_value if options.pad_value is not None else _pad(info.get("pad_value", ""))
        options = replace(options, fit=_FITS[info["resize_type"]], pad_value=pad)
    if is_embedded or takes_integers(inputs):
        return options
    mean = options.mean or _numbers("mean_values", info.get("mean_values", ""))
    scale = options.scale or _numbers("scale_values", info.get("scale_values", ""))
    described = {"mean": mean, "scale": scale}
    if any(_equals(described[what], each) for what, each in first_steps(graph)):
        return options
    return replace(options, mean=mean, scale=scale)


def _pad(text: str) -> float | None:
    values = _numbers("pad_value", text, "--pad-value")
    return values[0] if values else None


def _numbers(name: str, text: str, instead: str = "--mean and --scale") -> tuple[float, ...]:
    parts = text.replace(",", " ").strip().strip("[]()").split()
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        message = f"the model's metadata entry '{name}' is '{text}', expected numbers; give {instead} instead"
        raise DataError(message) from None


def _equals(values: tuple[float, ...], found: Array) -> bool:
    """Whether a constant has these values, for channels in either order, within f16 rounding."""
    is_step = {*values} not in (set(), {0.0}, {1.0})
    return (
        is_step
        and found.size in (1, len(values))
        and any(np.allclose(found, order, rtol=1e-3) for order in (values, values[::-1]))
    )
