"""Finds tensors that cannot have values below zero, for any data."""

from ...ir import Node


def never_negative(node: Node) -> bool:
    """Whether an operation excludes negative values."""
    if node.type == "Clamp":
        return float(node.attributes["min"]) >= 0
    return node.type in ("ReLU", "Sigmoid", "SoftMax", "Exp", "Abs")
