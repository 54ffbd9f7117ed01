"""Compiles a model so that FakeQuantizes are computed in float, as the specification defines them."""

import importlib
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13

from ...ir.ops import WEIGHTED_TYPES
from ...targets.target import HERE
from .modes import EMULATION
from .warm_up import bodies_of

_op: Any = openvino.opset13
#: What the plugin computes in the kernel of the convolution in front.
_COMPUTED_BEHIND = (
    *("Add", "BatchNormInference", "Clamp", "Divide", "Elu", "Gelu", "HSigmoid", "HSwish", "Mish", "Multiply", "PRelu"),
    *("Relu", "Sigmoid", "SoftPlus", "Subtract", "Swish", "Tanh"),
)


def compile_model(core: Any, model: ov.Model, config: dict[str, str]) -> Any:
    """Compiles a model; for emulation, without FakeQuantizes per channel if necessary.

    The plugin moves Transposes past FakeQuantizes, and then accepts only ranges along the channel axis.
    """
    try:
        return core.compile_model(model, HERE, config)
    except RuntimeError as error:
        if not EMULATION.items() <= config.items() or not quantize_by_tensor(model):
            raise
        try:
            return core.compile_model(model, HERE, config)
        except RuntimeError:
            raise error from None


def quantize_by_tensor(model: ov.Model) -> int:
    """Scales data to [0, 1] and back around each FakeQuantize with ranges per channel; returns their number."""
    found = [each for each in model.get_ordered_ops() if each.get_type_name() == "FakeQuantize"]
    found = [each for each in found if any(value.get_shape() for value in each.input_values()[1:])]
    for each in found:
        data, low, high, bottom, top = each.input_values()
        scaled = _op.divide(_op.subtract(data, low), _op.subtract(high, low))
        unit = np.arange(2).astype(data.get_element_type().to_dtype())
        rounded = _op.fake_quantize(scaled, *unit, *unit, each.get_attributes()["levels"])
        spread = _op.add(_op.multiply(rounded, _op.subtract(top, bottom)), bottom)
        each.output(0).replace(spread.output(0))
    return len(found)


def separate_fake_quantizes(model: Any) -> None:
    """Keeps each FakeQuantize apart from what is in front, except behind a convolution with what its kernel computes.

    The plugin merges a scale or shift into a FakeQuantize behind it, also behind a Transpose or Clamp, and both into a
    reduction in front; of equal layers it makes one that is read several times, and does not compute their biases. It
    then applies the numbers of the channels wrongly if a size is dynamic, or the result has two axes, or tokens. If the
    data of a scale come from a product of two rounded tensors, the scale goes into the FakeQuantize of one of them,
    which then does not compile. Nothing is merged across Maximum(x, x), which is x.
    """
    for each in model.get_ordered_ops():
        for body in bodies_of(each):
            separate_fake_quantizes(body)
        if each.get_type_name() != "FakeQuantize" or _is_of_convolution(data := each.input_value(0)):
            continue
        each.input(0).replace_source_output(_copied(data))
        if data.get_node().get_type_name() == "Multiply":
            for port in data.get_node().inputs():
                if not _is_constant(port.get_source_output()):
                    port.replace_source_output(_copied(port.get_source_output()))


def _is_of_convolution(tensor: Any) -> bool:
    """Whether a tensor is what a convolution computes, with arithmetic and functions that it computes, too."""
    node = tensor.get_node()
    while node.get_type_name() in _COMPUTED_BEHIND:
        (data, *others) = sorted(node.input_values(), key=_is_constant)
        if not all(map(_is_constant, others)) or len(data.get_target_inputs()) > 1:
            return False
        node = data.get_node()
    kind = node.get_type_name()
    if kind not in WEIGHTED_TYPES or kind == "MatMul":
        return False
    readers = node.input_value(0).get_target_inputs()  # another convolution may be its equal
    return [each.get_node().get_type_name() for each in readers].count(kind) == 1


def _is_constant(tensor: Any) -> bool:
    return bool(tensor.get_node().get_type_name() == "Constant")


def _copied(value: Any) -> Any:
    return _op.maximum(value, value).output(0)


def fold_constants(model: ov.Model) -> None:
    """Turns stored weights into plain floats.

    In float, the plugin treats int8 weights specially and computes some layers wrongly: for example 1x1 convolutions
    behind a Transpose or Reshape, which it runs as matrix products.
    """
    passes: Any = importlib.import_module("openvino.passes")
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(model)
