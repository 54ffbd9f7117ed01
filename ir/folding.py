"""The value of a constant behind operations that only convert or move it, as in models that store 16-bit floats."""

import math

from .graph import Node, OutPort
from .layer import DYNAMIC, Array

#: Operations that give the elements of their input in another form, and those that may also change their type.
VIEWS = ("Reshape", "Squeeze", "Transpose", "Unsqueeze")
FORM_CHANGES = ("Convert", *VIEWS)


def folded(tensor: OutPort, *, unpack: bool = False) -> Array | None:
    """The value of a chain of moves and conversions over a constant; None for anything else.

    Args:
        tensor: The output of the chain.
        unpack: Whether constants of packed types (u4, i4, nf4) have a value, too; otherwise they count as compressed.
    """
    chain: list[Node] = []
    node = tensor.node
    while node.type in FORM_CHANGES:
        chain.append(node)
        node = node.source(0).node
    if node.type != "Const" or (node.output().element_type.dtype is None and not unpack):
        return None
    value: Array | None = node.array
    for step in reversed(chain):
        value = None if value is None else _applied(step, value)
    return value


def _applied(step: Node, value: Array) -> Array | None:
    """The value behind a step; None if it depends on more than constants, or numpy cannot compute it."""
    if step.type == "Convert":
        dtype = step.output().element_type.dtype
        return None if dtype is None else value.astype(dtype)
    if step.type == "Transpose":
        order = step.source(1).node
        return value.transpose(order.array.tolist() or None) if order.type == "Const" else None
    shape = step.output().shape  # for a Reshape, 0 and -1 are resolved, unless its sizes come from the data
    return None if DYNAMIC in shape or math.prod(shape) != value.size else value.reshape(shape)


def is_decompressed(tensor: OutPort) -> bool:
    """Whether a tensor is a constant of 16-bit floats that became one of 32 bits."""
    node = tensor.node
    while node.type in FORM_CHANGES:
        node = node.source(0).node
    return node.output().element_type.name in ("f16", "bf16") and tensor.element_type.name == "f32"
