"""Hands a graph over to the runtime without copying its constants."""

from typing import Any

import ml_dtypes
import numpy as np
import openvino as ov

from ...ir import Array, Graph, OutPort
from ...ir.writer import lay_out, to_xml

BF16 = np.dtype(ml_dtypes.bfloat16)


def lend(core: Any, graph: Graph) -> tuple[ov.Model, list[object]]:
    """Hands a graph over without copying constants: those of the file stay in its map, new ones in their arrays.

    The runtime reads constants from one block of memory only. Therefore new ones are written as Parameters first and
    then replaced with constants over their own arrays. Map and arrays must outlive the model: they are returned with
    it. A body takes no more Parameters than its port map has: new constants in bodies make the block be copied.
    """
    lent = {node: f"irquant/lent/{node.id}" for node in graph.in_file_order("Const") if not node.is_stored}
    tensors = {name: node.output() for node, name in lent.items()}
    arrays = {name: _writeable(node.array if _has_array(node.output()) else node.raw) for node, name in lent.items()}
    layout = lay_out(graph, compact=False)
    in_bodies = any(not node.is_stored for each in [*graph.walk()][1:] for node in each.in_file_order("Const"))
    block = np.concatenate([graph.weights.data, *(each.view(np.uint8) for each in layout.new)]) if in_bodies else None
    weights = tensor_over(graph.weights.data if block is None else block)
    model = core.read_model(to_xml(graph, layout, lent).encode(), weights)
    for parameter in list(model.get_parameters()):
        if (name := parameter.get_friendly_name()) in arrays:
            constant = ov.op.Constant(_shared(arrays[name], tensors[name]))
            parameter.output(0).replace(constant.output(0))
            model.remove_parameter(parameter)
    model.validate_nodes_and_infer_types()
    return model, [weights, arrays, graph.weights, block]


def tensor_over(data: Array) -> ov.Tensor:
    """A tensor over the memory of an array of bytes."""
    return ov.Tensor(data, shared_memory=True) if data.size else ov.Tensor(ov.Type.u8, [0])


def _has_array(tensor: OutPort) -> bool:
    return tensor.element_type.dtype is not None


def _shared(array: Array, of: OutPort) -> ov.Tensor:
    """A tensor over the memory of an array; types without arrays in numpy or the runtime are passed as bytes."""
    if array.dtype == BF16 or not _has_array(of):
        kind = getattr(ov.Type, of.element_type.name)
        return ov.Tensor(array.reshape(-1).view(np.uint8), ov.Shape(of.shape), kind)
    return ov.Tensor(array, shared_memory=True)


def _writeable(array: Array) -> Array:
    """The array, copied if it is read-only: the runtime refuses such memory, although it does not write to it."""
    contiguous = np.asarray(array, order="C")
    return contiguous if contiguous.flags.writeable else contiguous.copy()
