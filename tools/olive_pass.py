"""irquant as a pass of Olive (`pip install 'irquant[olive]'`): docs/other_tools.md shows a workflow with it.

Olive imports this module by the name in a package configuration; nothing in irquant does.
"""

from pathlib import Path
from typing import Any

from olive.common.config_utils import validate_config
from olive.data.config import DataConfig
from olive.hardware.accelerator import AcceleratorSpec
from olive.model import ONNXModelHandler, OpenVINOModelHandler
from olive.passes import Pass
from olive.passes.pass_config import BasePassConfig, PassConfigParam

from irquant import UserError, quantize_model

#: Options of the pass that `quantize_model` takes under the same name.
_OPTIONS = ("preset", "target", "ignored", "samples")


class IrquantQuantization(Pass):
    """Quantizes an ONNX or OpenVINO model to an INT8 OpenVINO model."""

    @classmethod
    def _default_config(cls, accelerator_spec: AcceleratorSpec) -> dict[str, PassConfigParam]:
        return {
            "data_config": PassConfigParam(
                type_=DataConfig | dict, required=True, description="Calibration data; labels are left out."
            ),
            "preset": PassConfigParam(type_=str, description="performance, mixed or accuracy."),
            "target": PassConfigParam(type_=str, description="A target's name, or the path of a target file."),
            "ignored": PassConfigParam(type_=list[str], description="Layers that stay float: names, globs, re:REGEX."),
            "samples": PassConfigParam(type_=int, description="The most samples to use."),
        }

    def _run_for_config(
        self, model: OpenVINOModelHandler | ONNXModelHandler, config: BasePassConfig, output_model_path: str
    ) -> OpenVINOModelHandler:
        data = validate_config(config.data_config, DataConfig).to_data_container().create_dataloader()
        given: dict[str, Any] = {name: value for name in _OPTIONS if (value := getattr(config, name)) is not None}
        folder = Path(output_model_path)
        folder.mkdir(parents=True, exist_ok=True)
        result = quantize_model(_path_of(model), data, output=folder / "model.xml", progress=False, **given)
        return OpenVINOModelHandler(output_model_path, {"irquant_report": str(result.report)})


def _path_of(model: object) -> str:
    """The file of a model that irquant reads.

    Raises:
        UserError: irquant does not read such models.
    """
    match model:
        case OpenVINOModelHandler():
            return str(model.model_config["model"])
        case ONNXModelHandler():
            return str(model.model_path)
    message = f"a model of {type(model).__name__}: expected an ONNX or OpenVINO model; convert it with a pass before"
    raise UserError(message)
