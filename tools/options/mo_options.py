"""Options of `irquant quantize` with the names of the model converter (mo).

The converter put mean, scale and the order of channels into the model. irquant leaves the model as it is: the options
prepare the calibration images as the model's users do.
"""

import functools
from collections.abc import Callable
from typing import Any

from irquant.passes.options.note import Note
from irquant.tools.options.former_data import preprocessed, preprocessing_options
from irquant.tools.options.former_options import FormerOption, former_options
from irquant.tools.sources.image_options import ImageOptions

_SHAPES = "shapes and parts are chosen at conversion: ovc MODEL --input NAME[1,3,224,224]; then give its .xml"
_IN_THE_MODEL = "docs/migrate_from_pot.md shows how to put such steps into the result (PrePostProcessor)"
_NORMALIZED = (
    "mean and scale prepare the calibration images only, and the model does not change: give the result normalized "
    f"images, as you give the model; {_IN_THE_MODEL}"
)
_RED_FIRST = (
    "--reverse_input_channels: images are fed with red first, {}; arrays and the model do not change; " + _IN_THE_MODEL
)
_BY_OVC = "convert the model with ovc, which needs no such option; then give its .xml"
_IN_PYTHON = "convert in Python by openvino.convert_model(MODEL, example_input=...), and save by openvino.save_model"
_ON_MODEL = "apply it to the openvino.Model in Python, and save that by openvino.save_model; then give its .xml"
_FREEZE = "freeze the value in the source framework before conversion"
_NO_MORE = "the runtime reads neither Caffe nor MXNet models any more: convert the model to ONNX, then give its .onnx"
_KEPT = "constants that stay float keep their type"
_OWN_FRONT_END = "models are converted by the runtime itself, as ovc does, which has no such option"
_FORMER = (
    *(FormerOption((name,), takes="VALUE", instead=_SHAPES) for name in ("--input_shape", "--input", "--batch", "-b")),
    FormerOption(("--static_shape",), instead=_SHAPES),
    *(
        FormerOption((name,), takes="VALUE", instead=_BY_OVC)
        for name in (
            "--transformations_config",
            "--tensorflow_object_detection_api_pipeline_config",
            "--tensorflow_custom_operations_config_update",
            "--tensorflow_use_custom_operations_config",
            "--input_meta_graph",
            "--input_checkpoint",
            "--saved_model_tags",
        )
    ),
    FormerOption(("--transform",), takes="VALUE", instead=_ON_MODEL),
    FormerOption(("--freeze_placeholder_with_value",), takes="VALUE", instead=_FREEZE),
    FormerOption(("--example_input",), takes="VALUE", instead=_IN_PYTHON),
    *(FormerOption((name,), takes="VALUE", instead=_NO_MORE) for name in ("--input_proto", "--input_symbol")),
    FormerOption(
        ("--mean_file",), takes="VALUE", instead="mean images are not read: give the mean of each channel, --mean M,M,M"
    ),
    FormerOption(("--mean_file_offsets",), takes="VALUE", instead="leave it out, as --mean_file"),
    FormerOption(("--source_layout",), takes="VALUE", write="--layout"),
    FormerOption(
        ("--target_layout",), takes="VALUE", instead="leave it out: the layout of a model does not change here"
    ),
    FormerOption(("--output_model",), takes="VALUE", write="-o"),
    FormerOption(("--extensions",), takes="VALUE", write="--extension"),
    FormerOption(("--framework",), takes="VALUE"),  # the file says what it is
    FormerOption(("--share_weights",), takes="VALUE", default="True"),
    FormerOption(("--data_type",), takes="VALUE", note=_KEPT),
    FormerOption(("--compress_to_fp16",), takes="VALUE", default="True", note=_KEPT, unasked="false"),
    *(
        FormerOption((name,), note=_OWN_FRONT_END)
        for name in (
            "--disable_fusing",
            "--disable_gfusing",
            "--disable_resnet_optimization",
            "--disable_nhwc_to_nchw",
            "--disable_weights_compression",
            "--enable_concat_optimization",
            "--generate_deprecated_IR_V7",
            "--input_model_is_text",
            "--keep_shape_ops",
            "--move_to_preprocess",
            "--use_legacy_frontend",
            "--use_new_frontend",
        )
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
        pictures = preprocessed(pictures, mean_values, scale_values, reverse_channels=reverse_input_channels)
        if mean_values or scale_values:
            notes = (*notes, Note(_NORMALIZED))
        if reverse_input_channels:
            other = "as they are with --data anyway" if others.get("data") else "not blue, as they are otherwise"
            notes = (*notes, Note(_RED_FIRST.format(other)))
        return command(pictures=pictures, notes=notes, **others)

    for option in reversed(preprocessing_options):
        with_mo = option(with_mo)
    return former_options(with_mo, _FORMER)
