"""What FakeQuantizes mean: the formula of their specification, written out, and stored weights as plain numbers."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
from openvino.passes import ConstantFolding, Manager

from irquant.passes.runtime.warm_up import bodies_of

#: No rounding of the plugin's own.
EMULATED = {
    "INFERENCE_PRECISION_HINT": "f32",
    "LP_TRANSFORMS_MODE": "NO",
    "SNIPPETS_MODE": "DISABLE",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}


def written_out(model: ov.Model, nudge: float = 0.0) -> ov.Model:
    """The model with floats only: the plugin's ways with weights of int8 and with FakeQuantizes are what is judged.

    Args:
        model: It.
        nudge: A share of a step that is added before numbers are rounded to steps, so that ties fall to one side.
    """
    copy: ov.Model = model.clone()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(copy)
    _write_out(copy, nudge)
    return copy


def _write_out(model: Any, nudge: float) -> None:
    for node in model.get_ordered_ops():
        if node.get_type_name() == "FakeQuantize":
            node.output(0).replace(_rounded(node, nudge).output(0))
        for body in bodies_of(node):
            _write_out(body, nudge)


def _rounded(node: Any, nudge: float) -> Any:
    """clamp(x), in steps from the low end, rounded, and as steps of the output range; in f32."""
    x, low, high, bottom, top = (op.convert(each, "f32") for each in node.input_values())
    last = np.float32(node.get_attributes()["levels"] - 1)
    clamped = op.minimum(op.maximum(x, low), high)
    steps = op.divide(op.multiply(op.subtract(clamped, low), last), op.subtract(high, low))
    steps = op.round(op.add(steps, np.float32(nudge)) if nudge else steps, "half_to_even")
    spread = op.add(op.multiply(op.divide(steps, last), op.subtract(top, bottom)), bottom)
    return op.convert(spread, node.get_output_element_type(0))
