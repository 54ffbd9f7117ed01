"""What the source framework calls a layer: conversion gives many layers names of its own, as 'Convolution_150'."""

from collections.abc import Iterator

from ...ir import Node, OutPort
from ...ir.ops import LAYER_TYPES

#: The most operations behind a layer to look at: bias, activation function, changes of layout.
_FARTHEST = 6


def source_names(layer: Node) -> tuple[str, ...]:
    """The source framework's names for a layer, as far as they say more than its own name.

    These are the names of the operations that were fused into it, if the model notes them, and else those of the first
    tensor with names: the layer's output, or one that only follows from it. Frameworks that fuse activation functions
    name only the last tensor.
    """
    found = layer.fused_names or next(filter(None, (each.names for each in _after(layer))), ())
    return tuple(name for name in dict.fromkeys(found) if name and name not in layer.name)


def _after(layer: Node) -> Iterator[OutPort]:
    """The output of a layer, and the tensors that are made from it and constants alone, up to the next layer."""
    tensor = layer.output()
    for _ in range(_FARTHEST):
        yield tensor
        readers = {port.node for port in tensor.consumers}
        if len(readers) != 1 or not _only_follows(reader := readers.pop(), tensor):
            return
        tensor = reader.output()


def _only_follows(reader: Node, tensor: OutPort) -> bool:
    others = [port.source.node for port in reader.inputs if port.source != tensor]
    is_changed = reader.type in LAYER_TYPES or len(reader.outputs) != 1
    return not is_changed and all(each.type in ("Const", "Convert") for each in others)
