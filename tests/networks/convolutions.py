"""Convolutions of all kinds, and the blocks that networks make of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import openvino.opset13 as op

from .activations import ACTIVATIONS, activated, output
from .block import block
from .net import Net, NoTensorError, Tensor, integers, rank, shape

WIDTHS = (4, 6, 8, 12, 16)


def convolved(
    net: Net, x: Tensor, channels: int, size: int = 3, *, stride: int = 1, dilation: int = 1, groups: int = 1
) -> Tensor:
    """A convolution that pads so that sizes stay, but for the stride; without bias."""
    axes = rank(x) - 2
    kernel = [min(size, each if each > 1 else 1) for each in shape(x)[2:]]
    inputs = shape(x)[1]
    fan_in = inputs // groups * int(np.prod(kernel))
    reach = [(each - 1) * dilation for each in kernel]
    begins, ends = [each // 2 for each in reach], [each - each // 2 for each in reach]
    auto = "explicit"
    if stride > 1 and net.chance.maybe(0.2):
        auto, begins, ends = net.chance.one(["same_upper", "same_lower"]), [0] * axes, [0] * axes
    steps = ([stride] * axes, begins, ends, [dilation] * axes, auto)
    if groups == 1:
        return op.convolution(x, _shaped(net, (channels, inputs, *kernel), fan_in), *steps).output(0)
    dims = (groups, channels // groups, inputs // groups, *kernel)
    return op.group_convolution(x, _shaped(net, dims, fan_in), *steps).output(0)


def _shaped(net: Net, dims: tuple[int, ...], fan_in: int) -> Tensor:
    """Weights as they are, or behind what converters leave between a constant and its layer."""
    how = net.chance.one(["plain"] * 8 + ["reshaped", "transposed", "scaled"])
    if how == "reshaped":
        flat = net.weights(dims[0], int(np.prod(dims[1:])), fan_in=fan_in)
        return op.reshape(flat, integers(*dims), False).output(0)
    if how == "transposed":
        order = [*range(1, len(dims)), 0]
        turned = net.weights(*(dims[each] for each in order), fan_in=fan_in, channels=len(dims) - 1)
        return op.transpose(turned, integers(len(dims) - 1, *range(len(dims) - 1))).output(0)
    found = net.weights(*dims, fan_in=fan_in)
    if how == "scaled":
        return op.multiply(found, net.about_one(dims[0], *[1] * (len(dims) - 1))).output(0)
    return found


def finished(net: Net, x: Tensor) -> Tensor:
    """What stands behind a convolution: nothing, a bias, or batch normalization in one of its forms."""
    channels, ones = shape(x)[1], [1] * (rank(x) - 2)
    how = net.chance.one(
        ["none", "bias", "bias", "bias", "without batch axis", "normalized", "written out", "subtracted"]
    )
    if how == "none":
        return x
    if how == "bias":
        return op.add(x, net.small_numbers(1, channels, *ones)).output(0)
    if how == "without batch axis":
        return op.add(net.small_numbers(channels, *ones), x).output(0)
    if how == "subtracted":
        return op.subtract(x, net.small_numbers(1, channels, *ones)).output(0)
    if how == "normalized":
        variance = np.exp(net.chance.numbers.normal(scale=0.5, size=channels))
        numbers = [
            net.about_one(channels),
            net.small_numbers(channels),
            net.small_numbers(channels),
            net.saved(variance),
        ]
        return op.batch_norm_inference(x, *numbers, 1e-3).output(0)
    scaled = op.multiply(x, net.about_one(1, channels, *ones))
    return op.add(scaled, net.small_numbers(1, channels, *ones)).output(0)


@block(8)
def convolution(net: Net) -> Tensor:
    """1D, 2D or 3D; strided, dilated, grouped; any bias; any activation."""
    x = net.floats(3, 4, 4, 4, 5)
    inputs = shape(x)[1]
    groups = net.chance.one([1, 1, 1, 2, 4])
    groups = groups if inputs % groups == 0 else 1
    channels = net.chance.one([each for each in WIDTHS if each % groups == 0])
    stride, dilation = net.chance.one([(1, 1), (1, 1), (2, 1), (1, 2)])
    stride = stride if min(shape(x)[2:]) > 3 else 1
    out = convolved(net, x, channels, net.chance.one([1, 1, 3, 3, 5]), stride=stride, dilation=dilation, groups=groups)
    return activated(net, finished(net, out))


@block()
def convolution_without_padding(net: Net) -> Tensor:
    """The picture becomes smaller; kernels of unlike sides."""
    x = net.pick(lambda each: rank(each) in (3, 4) and min(shape(each)[2:]) >= 4)
    kernel = [net.chance.integer(1, 3) for _ in shape(x)[2:]]
    inputs, ones, none = shape(x)[1], [1] * len(kernel), [0] * len(kernel)
    channels = net.chance.one(WIDTHS)
    weights = net.weights(channels, inputs, *kernel, fan_in=inputs * int(np.prod(kernel)))
    out = op.convolution(x, weights, ones, none, none, ones, net.chance.one(["explicit", "valid"]))
    return activated(net, finished(net, out.output(0)))


@block(2)
def depthwise(net: Net) -> Tensor:
    """One filter a channel."""
    x = net.floats(3, 4, 4, 5)
    return activated(net, finished(net, convolved(net, x, shape(x)[1], 3, groups=shape(x)[1])))


@block(2)
def separable(net: Net) -> Tensor:
    """Depthwise and pointwise; often with nothing between."""
    x = net.floats(3, 4, 4)
    x = convolved(net, x, shape(x)[1], 3, groups=shape(x)[1])
    x = finished(net, x) if net.chance.maybe(0.4) else x
    return activated(net, finished(net, convolved(net, x, net.chance.one(WIDTHS), 1)))


@block(2)
def low_rank(net: Net) -> Tensor:
    """Two layers in a row with nothing between: a factorised one."""
    x = convolved(net, net.floats(3, 4), 4, net.chance.one([1, 3]))
    return activated(net, finished(net, convolved(net, x, net.chance.one(WIDTHS), net.chance.one([1, 3]))))


@block(3)
def transposed_convolution(net: Net) -> Tensor:
    """Makes pictures, sounds and volumes larger."""
    x = net.pick(lambda each: rank(each) in (3, 4, 4, 5) and int(np.prod(shape(each))) <= 1500 and min(shape(each)) > 0)
    inputs, axes = shape(x)[1], rank(x) - 2
    size, stride = net.chance.one([(2, 2), (4, 2), (3, 1), (3, 2)])
    groups = net.chance.one([1, 1, 1, 2, inputs])
    groups = groups if inputs % groups == 0 else 1
    channels = net.chance.one([4, 8])
    channels = channels if channels % groups == 0 else groups
    pad = [(size - stride) // 2] * axes
    fan_in = max(1, inputs // groups * (size // stride) ** axes)
    options: dict[str, Any] = {"pads_begin": pad, "pads_end": pad, "dilations": [1] * axes}
    if net.chance.maybe(0.3) and size == 3 and stride == 2:
        options["output_padding"] = [1] * axes
    if net.chance.maybe(0.2):
        wanted = integers(*(each * stride for each in shape(x)[2:]))
        options = {"output_shape": wanted, "auto_pad": net.chance.one(["same_upper", "same_lower"])}
    if groups == 1:
        weights = net.weights(inputs, channels, *[size] * axes, fan_in=fan_in, channels=1)
        out = op.convolution_backprop_data(x, weights, [stride] * axes, **options)
    else:
        dims = (groups, inputs // groups, channels // groups, *[size] * axes)
        out = op.group_convolution_backprop_data(x, net.weights(*dims, fan_in=fan_in), [stride] * axes, **options)
    return activated(net, finished(net, out.output(0)))


@block()
def dilated_by_batches(net: Net) -> Tensor:
    """A dilated convolution as TensorFlow writes it: between SpaceToBatch and BatchToSpace, with paddings and crops."""
    x = net.pick(lambda each: rank(each) == 4 and min(shape(each)[2:]) >= 4)
    rate = 2
    ends = [rate + (-each) % rate for each in shape(x)[2:]]
    parts = op.space_to_batch(x, integers(1, 1, rate, rate), integers(0, 0, rate, rate), integers(0, 0, *ends))
    inputs, channels = shape(x)[1], net.chance.one(WIDTHS)
    groups = inputs if net.chance.maybe(0.3) else 1
    fan_in = 9 * inputs // groups
    none, ones = [0, 0], [1, 1]
    if groups == 1:
        inner = op.convolution(parts, net.weights(channels, inputs, 3, 3, fan_in=fan_in), ones, none, none, ones)
    else:
        inner = op.group_convolution(parts, net.weights(groups, 1, 1, 3, 3, fan_in=9), ones, none, none, ones)
    inner = finished(net, inner.output(0)) if net.chance.maybe(0.3) else inner
    crops = [each - rate for each in ends]
    whole = op.batch_to_space(inner, integers(1, 1, rate, rate), integers(0, 0, 0, 0), integers(0, 0, *crops))
    return activated(net, finished(net, whole.output(0)))


@block(3)
def residual(net: Net) -> Tensor:
    """A sum x + f(x), with an activation behind or none."""
    x = net.floats(3, 4, 4)
    inner = activated(net, finished(net, convolved(net, x, net.chance.one(WIDTHS), net.chance.one([1, 3]))))
    inner = finished(net, convolved(net, inner, shape(x)[1], net.chance.one([1, 3])))
    total = op.add(*((x, inner) if net.chance.maybe(0.5) else (inner, x))).output(0)
    return activated(net, total) if net.chance.maybe(0.5) else total


@block(2)
def inverted_residual(net: Net) -> Tensor:
    """The block of MobileNet and EfficientNet."""
    x = net.image()
    wide = shape(x)[1] * 2
    inner = activated(net, finished(net, convolved(net, x, wide, 1)))
    inner = activated(net, finished(net, convolved(net, inner, wide, net.chance.one([3, 5]), groups=wide)))
    if net.chance.maybe(0.5):
        inner = excited(net, inner)
    return op.add(x, finished(net, convolved(net, inner, shape(x)[1], 1))).output(0)


def excited(net: Net, x: Tensor) -> Tensor:
    """Squeeze and excite, in the forms of the exporters."""
    channels, few = shape(x)[1], 4
    if net.chance.maybe(0.4):  # by matrix products
        squeezed = op.reduce_mean(x, integers(2, 3), keep_dims=False)
        inner = op.relu(
            op.add(
                op.matmul(squeezed, net.weights(few, channels, fan_in=channels), False, True), net.small_numbers(1, few)
            )
        )
        gate = op.sigmoid(op.matmul(inner, net.weights(few, channels, fan_in=few, channels=1), False, False))
        return op.multiply(x, op.unsqueeze(gate, integers(2, 3))).output(0)
    squeezed = op.reduce_mean(x, integers(2, 3), keep_dims=True).output(0)
    inner = ACTIVATIONS["swish"](net, finished(net, convolved(net, squeezed, few, 1)))
    gate = finished(net, convolved(net, output(inner), channels, 1))
    return op.multiply(x, net.chance.one([op.sigmoid, op.hsigmoid])(gate)).output(0)


@block()
def squeeze_excite(net: Net) -> Tensor:
    """A gate on whole channels."""
    return excited(net, net.image())


@block()
def dense(net: Net) -> Tensor:
    """The tensor x next to f(x), twice."""
    x = net.image()
    for _ in range(2):
        inner = activated(net, finished(net, convolved(net, x, 4, 3)))
        x = op.concat([x, inner], 1).output(0)
    return x


@block()
def crossing_stages(net: Net) -> Tensor:
    """Half of the channels pass, half are worked on, both are joined (CSP, ELAN)."""
    x = net.pick(lambda each: rank(each) == 4 and shape(each)[1] % 2 == 0)
    half = shape(x)[1] // 2
    passing, worked = (
        op.split(x, op.constant(1), 2).outputs()
        if net.chance.maybe(0.5)
        else op.variadic_split(x, op.constant(1), integers(half, half)).outputs()
    )
    inner = activated(net, finished(net, convolved(net, worked, half, 3)))
    parts: Sequence[Tensor] = [passing, worked, inner, op.add(worked, inner).output(0)]
    joined = op.concat(parts, 1).output(0)
    return activated(net, finished(net, convolved(net, joined, net.chance.one(WIDTHS), 1)))


@block()
def pyramid(net: Net) -> Tensor:
    """Pools of several sizes next to one another (SPPF)."""
    x = activated(net, finished(net, convolved(net, net.image(), 4, 1)))
    parts = [x]
    for _ in range(2):
        parts.append(op.max_pool(parts[-1], [1, 1], [1, 1], [2, 2], [2, 2], [5, 5], "floor").output(0))
    return activated(net, finished(net, convolved(net, op.concat(parts, 1).output(0), 8, 1)))


@block()
def computed_filter(net: Net) -> Tensor:
    """A convolution whose filter is another tensor, as trackers have it."""
    x = net.pick(lambda each: rank(each) == 4 and shape(each)[0] == 1 and min(shape(each)[2:]) >= 4)
    kernel = op.reduce_mean(x, integers(0), keep_dims=True)
    kernel = op.strided_slice(
        kernel, integers(0, 0, 0, 0), integers(0, 0, 3, 3), integers(1, 1, 1, 1), [1, 1, 0, 0], [1, 1, 0, 0]
    )
    kernel = op.multiply(kernel, net.constant(1 / np.sqrt(9 * shape(x)[1])))
    return op.convolution(x, kernel, [1, 1], [1, 1], [1, 1], [1, 1]).output(0)


@block()
def pixel_shuffle(net: Net) -> Tensor:
    """A convolution, and channels into pixels: as one operation, or as Reshape, Transpose, Reshape."""
    x = net.pick(lambda each: rank(each) == 4 and int(np.prod(shape(each))) <= 1500)
    out = finished(net, convolved(net, x, 16, net.chance.one([1, 3])))
    if net.chance.maybe(0.5):
        return op.depth_to_space(out, net.chance.one(["blocks_first", "depth_first"]), 2).output(0)
    count, _, height, width = shape(out)
    taken = op.reshape(out, integers(count, 4, 2, 2, height, width), False)
    turned = op.transpose(taken, integers(0, 1, 4, 2, 5, 3))
    return op.reshape(turned, integers(count, 4, height * 2, width * 2), False).output(0)


@block()
def pixel_unshuffle(net: Net) -> Tensor:
    """Pixels into channels: the focus of detectors."""
    x = net.pick(
        lambda each: rank(each) == 4 and all(side % 2 == 0 for side in shape(each)[2:]) and shape(each)[1] <= 12
    )
    if net.chance.maybe(0.5):
        out = op.space_to_depth(x, net.chance.one(["blocks_first", "depth_first"]), 2).output(0)
    else:
        one, none = integers(1, 1), integers(2**31, 2**31)
        parts = [
            op.slice(x, integers(*start), none, op.multiply(one, integers(2, 2)), integers(2, 3))
            for start in ((0, 0), (1, 0), (0, 1), (1, 1))
        ]
        out = op.concat(parts, 1).output(0)
    return activated(net, finished(net, convolved(net, out, 8, 3)))


@block()
def several_readers(net: Net) -> list[Tensor]:
    """One tensor that several layers read: heads."""
    x = net.image()
    return [activated(net, finished(net, convolved(net, x, channels, 1))) for channels in (4, 6)]


@block(0.5)
def deformed(net: Net) -> Tensor:
    """A convolution that looks where another says."""
    x = net.pick(lambda each: rank(each) == 4 and min(shape(each)[2:]) >= 3)
    offsets = op.multiply(finished(net, convolved(net, x, 18, 3)), net.constant(0.2))
    weights = net.weights(8, shape(x)[1], 3, 3, fan_in=9 * shape(x)[1])
    ones = [1, 1]
    return op.deformable_convolution(x, offsets, weights, ones, ones, ones, ones).output(0)


@block(0.5)
def raised(net: Net) -> Tensor:
    """A sound as a picture of one row, as converters of 1D networks write it, and back."""
    x = net.floats(3)
    picture = op.unsqueeze(x, integers(2)).output(0)
    out = activated(net, finished(net, convolved(net, picture, net.chance.one(WIDTHS), 3)))
    if shape(out)[2] != 1:
        raise NoTensorError
    return op.squeeze(out, integers(2)).output(0)
