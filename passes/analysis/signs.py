"""Which tensors cannot have values below zero, whatever the data."""

from ...ir import Node


def never_negative(node: Node) -> bool:
    """Whether an operation rules negative values out."""
    if node.type == "Clamp":
        return float(node.attributes["min"]) >= 0
    return node.type in ("ReLU", "Sigmoid", "SoftMax", "Exp", "Abs")
