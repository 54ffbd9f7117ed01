"""Reads tensors of a model without a change to what the runtime computes elsewhere."""

from ...ir import Builder, OutPort, element_type
from ...ir.folding import VIEWS


def copied(tensor: OutPort, build: Builder, *, name: str) -> OutPort:
    """The same numbers in memory of their own; booleans, which no convolution reads, as they are.

    If an output of the model is a Reshape of a tensor, the CPU plugin (2026.4) computes the tensor in the memory of the
    output. A convolution or an Interpolate behind a Transpose of the same tensor then reads memory that nobody wrote,
    and its numbers are random. Maximum(x, x) is x, NaN too, and the plugin does not remove it.
    """
    return tensor if tensor.element_type == element_type("boolean") else build.maximum(tensor, tensor, name=name)


def no_view(tensor: OutPort, build: Builder, *, name: str) -> OutPort:
    """A tensor that may become an output of the model: itself, or a copy of a view (see `copied`).

    Views may only name the same memory by other sizes: a Transpose does that if it only moves axes of size 1.
    """
    return copied(tensor, build, name=name) if tensor.node.type in VIEWS else tensor


def tap(tensor: OutPort, *, name: str) -> None:
    """Makes a tensor one more output of the model."""
    build = Builder(tensor.node.graph)
    build.result(no_view(tensor, build, name=f"{name}/copy"), name=name)
