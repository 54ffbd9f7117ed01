"""Reads tensors of a model without a change to what the runtime computes elsewhere."""

from typing import TypeAlias

from ...ir import Builder, OutPort, element_type
from ...ir.folding import VIEWS

Axes: TypeAlias = tuple[int, ...]


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


def mean_of_first(tensor: OutPort, axes: Axes, build: Builder, *, keep_dims: bool, name: str) -> tuple[OutPort, Axes]:
    """Takes the first step of a mean over several axes: the mean over the first axis of the tensor.

    For a mean over the first and the last axes at once, the CPU plugin (2026.4) gives wrong numbers, other ones each
    time, if it keeps the tensor in blocks of channels, as behind a MaxPool, and there are two or three channels. It
    merges two means into one if both keep their axes, or both remove them.

    Args:
        tensor: The tensor.
        axes: The axes to take the mean over, in ascending order.
        build: Adds the operation.
        keep_dims: Whether the second step, which the caller adds, keeps its axes.
        name: The name of the first step.

    Returns:
        The tensor and the axes for the second step: those that were given if one step is right.
    """
    if len(axes) < 2 or axes[0] != 0 or tensor.shape[0] == 1:
        return tensor, axes
    first = build.reduce("ReduceMean", tensor, [0], keep_dims=not keep_dims, name=name)
    return first, tuple(each - 1 for each in axes[1:]) if keep_dims else axes


def tap(tensor: OutPort, *, name: str) -> None:
    """Makes a tensor one more output of the model."""
    build = Builder(tensor.node.graph)
    build.result(no_view(tensor, build, name=f"{name}/copy"), name=name)
