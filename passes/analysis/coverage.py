"""The share of positions at which each kernel tap of a convolution meets the data instead of the padding.

For an input with the channel means E[x_c], the mean of the output over all positions is

    E[y_o] = b_o + sum_{c,k} f_k * W[o, c, k] * E[x_c]
    f_k = (output positions at which tap k lies inside the data) / (output positions)

since a tap outside reads zero. Taps of different axes are independent, so f_k is a product over the axes. The formula
is exact for data whose mean is the same everywhere, and close for others: it makes assumptions only near the border.
(Derived here. The reference implementations estimate the same mean by running the layer on a constant image, which
counts the influence of the border as an error of quantization.)
"""

import math
from collections.abc import Sequence

import numpy as np

from ...ir import Node
from ...ir.ops import TRANSPOSED_CONVOLUTIONS, integers, weight_axes
from .ranges import Floats


def tap_coverage(node: Node, kernel: Sequence[int], data: Sequence[float], output: Sequence[float]) -> Floats:
    """f_k of the formula above for every tap of a kernel.

    Args:
        node: A convolution, transposed or not.
        kernel: The spatial sizes of its kernel.
        data: The spatial sizes of its input.
        output: The spatial sizes of its output.

    Returns:
        An array of the kernel's spatial shape.
    """
    coverage = np.ones((), np.float64)
    for axis, taps in enumerate(kernel):
        stride, dilation = _at(node, "strides", axis, 1), _at(node, "dilations", axis, 1)
        size, out = int(data[axis]), int(output[axis])
        if node.type in TRANSPOSED_CONVOLUTIONS:
            begin = _transposed_pad_begin(node, axis, taps, size, out)
            share = _transposed_axis(taps, stride, dilation, begin, size, out)
        else:
            begin = _pad_begin(node, axis, taps, size, out)
            share = _axis(taps, stride, dilation, begin, size, out)
        coverage = np.multiply.outer(coverage, share)
    return coverage


def _axis(taps: int, stride: int, dilation: int, begin: int, size: int, out: int) -> Floats:
    read = np.arange(out)[:, None] * stride + np.arange(taps)[None, :] * dilation - begin
    inside: Floats = ((read >= 0) & (read < size)).astype(np.float64)
    return np.asarray(inside.sum(axis=0) / out)


def _transposed_axis(taps: int, stride: int, dilation: int, begin: int, size: int, out: int) -> Floats:
    """Input position i adds tap k to output position i * stride + k * dilation - begin, if that exists."""
    written = np.arange(size)[:, None] * stride + np.arange(taps)[None, :] * dilation - begin
    inside: Floats = ((written >= 0) & (written < out)).astype(np.float64)
    return np.asarray(inside.sum(axis=0) / out)


def _pad_begin(node: Node, axis: int, taps: int, size: int, out: int) -> int:
    """The padding before the data; `auto_pad` derives it from the sizes (Convolution-1 specification)."""
    mode = node.attributes.get("auto_pad", "explicit").lower()
    if mode == "valid":
        return 0
    if not mode.startswith("same"):
        return _at(node, "pads_begin", axis, 0)
    stride, dilation = _at(node, "strides", axis, 1), _at(node, "dilations", axis, 1)
    total = max(0, (out - 1) * stride + (taps - 1) * dilation + 1 - size)
    return total // 2 if mode == "same_upper" else math.ceil(total / 2)


def _transposed_pad_begin(node: Node, axis: int, taps: int, size: int, out: int) -> int:
    """The padding removed in front; `auto_pad` derives it from the sizes (ConvolutionBackpropData-1 specification)."""
    mode = node.attributes.get("auto_pad", "explicit").lower()
    if mode == "valid":
        return 0
    if not mode.startswith("same") and len(node.inputs) == 2:
        return _at(node, "pads_begin", axis, 0)
    stride, dilation = _at(node, "strides", axis, 1), _at(node, "dilations", axis, 1)
    extra = _at(node, "output_padding", axis, 0)
    total = max(0, (size - 1) * stride + (taps - 1) * dilation + 1 + extra - out)
    return total // 2 if mode == "same_upper" or not mode.startswith("same") else math.ceil(total / 2)


def _at(node: Node, name: str, axis: int, default: int) -> int:
    """The entry of a list attribute for a spatial axis."""
    values = integers(node, name)
    return values[axis] if values else default


def sizes_follow(node: Node) -> bool:
    """Whether a convolution's output sizes follow from its input sizes; if not, its output must be measured."""
    mode = node.attributes.get("auto_pad", "explicit").lower()
    return node.type not in TRANSPOSED_CONVOLUTIONS or (len(node.inputs) == 2 and not mode.startswith("same"))


def output_sizes(node: Node, kernel: Sequence[int], data: Sequence[float]) -> list[int]:
    """The spatial sizes of a convolution's output, if they follow from its input's.

    Source: OpenVINO operation specifications, Convolution-1 and ConvolutionBackpropData-1.
    """
    mode = node.attributes.get("auto_pad", "explicit").lower()
    sizes: list[int] = []
    for axis, taps in enumerate(kernel):
        size, stride, dilation = int(data[axis]), _at(node, "strides", axis, 1), _at(node, "dilations", axis, 1)
        pads = 0 if mode == "valid" else _at(node, "pads_begin", axis, 0) + _at(node, "pads_end", axis, 0)
        span = dilation * (taps - 1) + 1
        if node.type in TRANSPOSED_CONVOLUTIONS:
            sizes.append(stride * (size - 1) + span - pads + _at(node, "output_padding", axis, 0))
        else:
            sizes.append(-(-size // stride) if mode.startswith("same") else (size + pads - span) // stride + 1)
    return sizes


def needs_sizes(node: Node) -> bool:
    """Whether the coverage of a convolution depends on the sizes of its input: only if it pads or is transposed."""
    if node.type == "MatMul":
        return False
    if node.type in TRANSPOSED_CONVOLUTIONS:
        return True
    mode = node.attributes.get("auto_pad", "explicit").lower()
    explicit = any(integers(node, "pads_begin")) or any(integers(node, "pads_end"))
    return mode.startswith("same") or (mode != "valid" and explicit)


def kernel_sizes(node: Node, weights: Floats) -> tuple[int, ...]:
    """The spatial sizes of a kernel."""
    first = weight_axes(node).spatial
    return () if first is None else weights.shape[first:]
