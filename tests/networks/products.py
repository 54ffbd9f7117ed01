"""Matrix products of all kinds, normalizations, and arithmetic between tensors."""

import numpy as np
import openvino.opset13 as op

from .activations import activated, output
from .block import block
from .net import Net, NoTensorError, Tensor, integers, rank, shape

SIZES = (5, 8, 12, 16, 24)


def linear(net: Net, x: Tensor, size: int, *, has_bias: bool | None = None) -> Tensor:
    """A fully connected layer, with a bias or none."""
    inputs = shape(x)[-1]
    if net.chance.maybe(0.7):
        out = op.matmul(x, net.weights(size, inputs, fan_in=inputs), False, True)
    else:
        out = op.matmul(x, net.weights(inputs, size, fan_in=inputs, channels=1), False, False)
    if has_bias is None:
        has_bias = net.chance.maybe(0.6)
    if not has_bias:
        return out.output(0)
    dims = (1,) * (rank(x) - 1) + (size,) if net.chance.maybe(0.4) and rank(x) > 1 else (size,)
    bias = net.small_numbers(*dims)
    return op.add(*((out, bias) if net.chance.maybe(0.7) else (bias, out))).output(0)


def normalized(net: Net, x: Tensor) -> Tensor:
    """Layer normalization, by MVN or written out; RMS normalization; with scale and shift, or without them."""
    last, how = rank(x) - 1, net.chance.one(["mvn", "written out", "squared", "rms"])
    if how == "mvn":
        out = op.mvn(x, integers(last), True, 1e-5, net.chance.one(["inside_sqrt", "outside_sqrt"]))
    elif how == "rms":
        mean = op.reduce_mean(op.power(x, net.constant(2.0)), integers(-1), keep_dims=True)
        out = op.divide(x, op.sqrt(op.add(mean, net.constant(1e-3))))
    else:
        centred = op.subtract(x, op.reduce_mean(x, integers(-1), keep_dims=True))
        square = op.power(centred, net.constant(2.0)) if how == "written out" else op.multiply(centred, centred)
        variance = op.reduce_mean(square, integers(-1), keep_dims=True)
        out = op.divide(centred, op.sqrt(op.add(variance, net.constant(1e-3))))
    if net.chance.maybe(0.8):
        out = op.multiply(out, net.about_one(shape(x)[-1]))
    if how != "rms" and net.chance.maybe(0.8):
        out = op.add(out, net.small_numbers(shape(x)[-1]))
    return output(out)


@block(6)
def fully_connected(net: Net) -> Tensor:
    """Of rank 1 to 6."""
    x = net.floats(1, 2, 2, 3, 3, 3, 4, 5, 6)
    return activated(net, linear(net, x, net.chance.one(SIZES)))


@block(2)
def head(net: Net) -> Tensor:
    """Pooled, flattened, classified."""
    x = net.floats(3, 4, 5)
    axes = integers(*range(2, rank(x)))
    if net.chance.maybe(0.5):
        flat = op.reduce_mean(x, axes, keep_dims=False)
    elif net.chance.maybe(0.5):
        flat = op.reshape(op.reduce_mean(x, axes, keep_dims=True), integers(0, -1), True)
    else:
        flat = op.reshape(x, integers(0, int(np.prod(shape(x)[1:]))), True)
    logits = linear(net, flat.output(0), net.chance.one([2, 5, 10]))
    how = net.chance.one(["logits", "softmax", "log", "sigmoid"])
    ends = {
        "logits": lambda: logits,
        "softmax": lambda: op.softmax(logits, -1),
        "log": lambda: op.log_softmax(logits, -1),
        "sigmoid": lambda: op.sigmoid(logits),
    }
    return output(ends[how]())


@block(2)
def head_of_tokens(net: Net) -> Tensor:
    """Tokens or pixels with channels last, reduced, scaled and shifted, classified."""
    x = net.floats(3, 3, 4, 5)
    axes, keeps = integers(*range(1, rank(x) - 1)), net.chance.maybe(0.2)
    how = net.chance.one(["mean", "mean", "max", "sum", "l2"])
    pooled: Tensor = getattr(op, f"reduce_{how}")(x, axes, keeps).output(0)
    if net.chance.maybe(0.5):
        pooled = op.multiply(pooled, net.about_one(shape(x)[-1])).output(0)
    if net.chance.maybe(0.5):
        pooled = op.add(pooled, net.small_numbers(1, shape(x)[-1])).output(0)
    if net.chance.maybe(0.3):
        pooled = activated(net, pooled)
    return linear(net, pooled, net.chance.one([2, 5, 10]))


@block(2)
def perceptron(net: Net) -> Tensor:
    """The feed-forward part of a transformer, gated or not, with its residual; of rank 3: see `drawing`."""
    x = net.floats(3)
    size = shape(x)[-1]
    inner = normalized(net, x) if net.chance.maybe(0.7) else x
    if net.chance.maybe(0.4):
        gate = output(op.multiply(wide := linear(net, inner, 24), op.sigmoid(wide)))
        inner = output(op.multiply(gate, linear(net, inner, 24)))
    else:
        inner = activated(net, linear(net, inner, 24))
    total = op.add(x, linear(net, inner, size)).output(0)
    return normalized(net, total) if net.chance.maybe(0.3) else total


@block()
def low_rank_adapter(net: Net) -> Tensor:
    """Two layers without bias beside a whole one (LoRA)."""
    x = net.floats(2, 3)
    size = net.chance.one(SIZES)
    small = linear(net, linear(net, x, 3, has_bias=False), size, has_bias=False)
    return op.add(linear(net, x, size), op.multiply(small, net.constant(0.5))).output(0)


@block(1.5)
def batched_constants(net: Net) -> Tensor:
    """One matrix a head, an expert or a channel: constants [H, K, N]."""
    x = net.floats(2, 3, 3, 4)
    dims = shape(x)
    turned = net.chance.maybe(0.5)
    wanted = net.chance.one([4, 6])
    heads = dims[-3] if rank(x) >= 3 and net.chance.maybe(0.6) else 3
    if rank(x) >= 3 and heads != dims[-3]:
        if rank(x) == 4:
            raise NoTensorError
        x = op.unsqueeze(x, integers(1)).output(0)
    inner = (wanted, dims[-1]) if turned else (dims[-1], wanted)
    leading = (1, heads) if net.chance.maybe(0.3) and rank(x) == 4 else (heads,)
    channels = -2 if turned else -1
    all_dims = (*leading, *inner)
    weights = net.weights(*all_dims, fan_in=dims[-1], channels=len(all_dims) + channels)
    return op.matmul(x, weights, False, turned).output(0)


@block()
def constant_first(net: Net) -> Tensor:
    """W x instead of x W."""
    x = net.floats(1, 2, 3, 3, 4)
    inputs = shape(x)[-2] if rank(x) > 1 else shape(x)[-1]
    turned = net.chance.maybe(0.3)
    size = net.chance.one([4, 6, 8])
    dims = (inputs, size) if turned else (size, inputs)
    weights = net.weights(*dims, fan_in=inputs, channels=1 if turned else 0)
    out = op.matmul(weights, x, turned, False)
    if net.chance.maybe(0.5) and rank(x) > 1:
        out = op.add(out, net.small_numbers(size, 1))
    return activated(net, out.output(0))


@block(2)
def product_of_activations(net: Net) -> Tensor:
    """Two computed matrices, whose leading dimensions may differ."""
    x = net.floats(2, 3, 3, 4, 5)
    dims = shape(x)
    y = linear(net, x, dims[-1]) if net.chance.maybe(0.5) else x
    scale = net.constant(1 / np.sqrt(dims[-1]))
    how = net.chance.one(["same", "fewer", "unsqueezed", "other"])
    if how == "fewer" and rank(x) > 2:  # [N, T, D] x [T, D]
        y = op.reduce_mean(y, integers(0), keep_dims=False).output(0)
    elif how == "unsqueezed" and rank(x) < 5:
        y = op.unsqueeze(y, integers(0)).output(0)
    elif how == "other":
        y = net.pick(
            lambda each: rank(each) >= 2 and shape(each)[-1] == dims[-1] and _broadcast(shape(each)[:-2], dims[:-2])
        )
    if net.chance.maybe(0.5):
        return op.matmul(op.multiply(x, scale), y, False, True).output(0)
    return op.multiply(op.matmul(x, y, False, True), scale).output(0)


def _broadcast(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(a == b or 1 in (a, b) for a, b in zip(one[::-1], other[::-1], strict=False))


@block()
def outer_product(net: Net) -> Tensor:
    """[N, T, D]^T [N, T, D]: covariances, linear attention."""
    x = net.tokens()
    other = linear(net, x, 6)
    return op.multiply(op.matmul(x, other, True, False), net.constant(1 / np.sqrt(shape(x)[1]))).output(0)


@block()
def einsum(net: Net) -> Tensor:
    """The equations of real networks."""
    x = net.tokens()
    size = shape(x)[2]
    how = net.chance.one(
        ["btd,de->bte", "btd,dhe->bthe", "btd,bsd->bts", "btd,hde->bhte", "btd->bdt", "btd,d->bt", "bthd,hde->bte"]
    )
    scale = net.constant(1 / np.sqrt(size))
    if how == "btd,de->bte":
        return op.einsum([x, net.weights(size, 8, fan_in=size, channels=1)], how).output(0)
    if how == "btd,dhe->bthe":
        return op.einsum([x, net.weights(size, 2, 6, fan_in=size, channels=2)], how).output(0)
    if how == "btd,hde->bhte":
        return op.einsum([x, net.weights(2, size, 6, fan_in=size, channels=2)], how).output(0)
    if how == "btd,bsd->bts":
        return op.einsum([op.multiply(x, scale), linear(net, x, size)], how).output(0)
    if how == "bthd,hde->bte":  # one matrix for both heads
        heads = op.reshape(linear(net, x, 12), integers(0, 0, 2, 6), True)
        return op.einsum([heads, net.weights(1, 6, 8, fan_in=12, channels=2)], how).output(0)
    if how == "btd,d->bt":
        return op.einsum([x, net.weights(size, fan_in=size)], how).output(0)
    return op.einsum([x], how).output(0)


@block()
def shared_layer(net: Net) -> list[Tensor]:
    """The same weights for two tensors."""
    x = net.floats(2, 3)
    y = net.alike(x)
    weights = net.weights(8, shape(x)[-1], fan_in=shape(x)[-1])
    bias = net.small_numbers(8)
    return [op.add(op.matmul(each, weights, False, True), bias).output(0) for each in (x, y)]


@block(1.5)
def normalization(net: Net) -> Tensor:
    """Of every kind."""
    x = net.floats(2, 3, 3, 4)
    how = net.chance.one(["layer", "layer", "instance", "groups", "l2", "lrn", "across"])
    if how == "layer" or rank(x) < 3:
        return normalized(net, x)
    if how == "groups" and shape(x)[1] % 2 == 0:
        channels = shape(x)[1]
        return op.group_normalization(x, net.about_one(channels), net.small_numbers(channels), 2, 1e-3).output(0)
    if how == "l2":
        return op.normalize_l2(x, integers(1), 1e-3, net.chance.one(["add", "max"])).output(0)
    if how == "lrn":
        return op.lrn(x, integers(1), 1e-4, 0.75, 1.0, 5).output(0)
    axes = range(1 if how == "across" else 2, rank(x))
    return op.mvn(x, integers(*axes), True, 1e-4, "inside_sqrt").output(0)


@block(2)
def sum_of_two(net: Net) -> Tensor:
    """Of tensors of the same shape: sums, differences, products, maxima."""
    x = net.floats(2, 3, 4, 4, 5)
    y = net.alike(x)
    kinds = [op.add, op.add, op.add, op.subtract, op.multiply, op.maximum, op.minimum, op.squared_difference]
    return net.chance.one(kinds)(x, y).output(0)


@block()
def gate(net: Net) -> Tensor:
    """A tensor that scales another, element by element or channel by channel."""
    x = net.floats(3, 4)
    y = (
        linear(net, x, shape(x)[-1])
        if net.chance.maybe(0.5)
        else op.reduce_mean(x, integers(-1), keep_dims=True).output(0)
    )
    return op.multiply(op.sigmoid(y), x).output(0)


@block()
def gated_halves(net: Net) -> Tensor:
    """GLU: half of the features gate the others."""
    x = net.floats(3, 4)
    axis = net.chance.one([1, -1])
    wide = linear(net, x, 16) if axis == -1 else x
    if shape(wide)[axis] % 2:
        raise NoTensorError
    one, other = op.split(wide, op.constant(axis), 2).outputs()
    return op.multiply(one, net.chance.one([op.sigmoid, op.tanh, op.relu])(other)).output(0)


@block(1.5)
def arithmetic(net: Net) -> Tensor:
    """With constants: of rank 0, one a channel, of the whole shape."""
    x = net.floats(0, 1, 2, 3, 4, 5)
    dims = net.chance.one([(), (1,), shape(x)[-1:], (1,) * max(0, rank(x) - 2) + shape(x)[-1:], shape(x)])
    how = net.chance.one(["scaled", "shifted", "both", "divided", "from one", "power", "halved twice"])
    if how == "scaled":
        return op.multiply(x, net.about_one(*dims)).output(0)
    if how == "shifted":
        return op.add(net.small_numbers(*dims), x).output(0)
    if how == "divided":
        return op.divide(x, net.about_one(*dims)).output(0)
    if how == "from one":
        return op.subtract(net.constant(1.0), x).output(0)
    if how == "power":
        return op.power(x, net.constant(2.0)).output(0)
    if how == "halved twice":
        return op.multiply(op.multiply(x, net.constant(0.5)), net.constant(2.0)).output(0)
    return op.add(op.multiply(x, net.about_one(*dims)), net.small_numbers(*dims)).output(0)


@block()
def scaled_by_number(net: Net) -> Tensor:
    """A tensor times one of rank 0."""
    x = net.floats(2, 3, 4)
    factor = net.pick(lambda each: rank(each) == 0)
    return op.multiply(x, factor).output(0)


@block()
def mixture(net: Net) -> Tensor:
    """Two experts, weighted by what a router says."""
    x = net.floats(2, 3)
    weights = op.softmax(linear(net, x, 2), -1)
    parts = op.split(weights, op.constant(-1), 2).outputs()
    return op.add(*(op.multiply(part, linear(net, x, 8)) for part in parts)).output(0)
