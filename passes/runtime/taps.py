"""Reads tensors of a model without a change to what the runtime computes elsewhere."""

from typing import Final

from ...ir import Builder, OutPort, element_type

#: Operations that may only name the same memory by other sizes: a Transpose does that if it only moves axes of size 1.
VIEWS: Final = frozenset({"Reshape", "Squeeze", "Transpose", "Unsqueeze"})


def copied(tensor: OutPort, build: Builder, *, name: str) -> OutPort:
    """The same numbers in memory of their own; booleans, which no convolution reads, as they are.

    If an output of the model is a Reshape of a tensor, the CPU plugin (2026.4) computes the tensor in the memory of the
    output. A convolution or an Interpolate behind a Transpose of the same tensor then reads memory that nobody wrote,
    and its numbers are random. Maximum(x, x) is x, NaN too, and the plugin does not remove it.
    """
    return tensor if tensor.element_type == element_type("boolean") else build.maximum(tensor, tensor, name=name)


def tap(tensor: OutPort, *, name: str) -> None:
    """Makes a tensor one more output of the model; a view as a copy (see `copied`)."""
    build = Builder(tensor.node.graph)
    build.result(copied(tensor, build, name=f"{name}/copy") if tensor.node.type in VIEWS else tensor, name=name)
