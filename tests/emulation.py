"""What FakeQuantizes mean: they are computed in float, and stored weights are plain numbers."""

import openvino as ov
from openvino.passes import ConstantFolding, Manager

from irquant.passes.runtime.emulation import separate_scales

#: As the operation's specification says, not as this plugin rounds.
EMULATED = {
    "INFERENCE_PRECISION_HINT": "f32",
    "LP_TRANSFORMS_MODE": "NO",
    "SNIPPETS_MODE": "DISABLE",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}


def unpacked(model: ov.Model) -> ov.Model:
    """The model with weights of floats: the plugin's own ways with weights of int8 are what is judged."""
    copy: ov.Model = model.clone()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(copy)
    separate_scales(copy)
    return copy
