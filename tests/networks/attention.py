"""Attention in the forms of the exporters."""

import numpy as np
import openvino as ov
import openvino.opset6 as op6
import openvino.opset13 as op

from .block import block
from .moving import LOWEST
from .net import Net, NoTensorError, Tensor, integers, rank, scalar, shape
from .products import linear, normalized

HEADS, SIZE = 2, 6


def _heads(net: Net, x: Tensor) -> Tensor:
    """[N, T, H D] -> [N, H, T, D]."""
    if net.chance.maybe(0.3):  # sizes computed
        sizes = op.slice(op.shape_of(x), integers(0), integers(2), integers(1))
        parts = op.reshape(x, op.concat([sizes, integers(HEADS, SIZE)], 0), False)
    else:
        parts = op.reshape(x, integers(0, 0, HEADS, SIZE), True)
    return op.transpose(parts, integers(0, 2, 1, 3)).output(0)


def _joined(net: Net, x: Tensor) -> Tensor:
    """[N, H, T, D] -> [N, T, H D]."""
    return op.reshape(op.transpose(x, integers(0, 2, 1, 3)), integers(0, 0, HEADS * SIZE), True).output(0)


def _rotated(net: Net, x: Tensor) -> Tensor:
    """Rotary positions: x cos + (half of it turned) sin."""
    length = shape(x)[2]
    angles = np.outer(np.arange(length), 1 / 10.0 ** (np.arange(SIZE // 2) / (SIZE // 2)))
    both = np.concatenate([angles, angles], 1)[None, None]
    half = SIZE // 2
    if net.chance.maybe(0.5):
        one, other = op.split(x, op.constant(3), 2).outputs()
    else:
        one = op.slice(x, integers(0), integers(half), integers(1), integers(3))
        other = op.slice(x, integers(half), integers(2**31), integers(1), integers(3))
    turned = op.concat([op.negative(other), one], 3)
    return op.add(op.multiply(x, net.constant(np.cos(both))), op.multiply(turned, net.constant(np.sin(both)))).output(0)


def _masked(net: Net, scores: Tensor) -> Tensor:
    """With what may not be seen made very small: by Add, by Select, causal or by the tokens that count."""
    how = net.chance.one(["none", "none", "add", "select", "causal", "causal computed", "flags"])
    low = net.chance.one([-np.inf, LOWEST, -1e4, -1e9]) if net.dtype == np.float32 else -1e4
    rows, columns = shape(scores)[-2:]
    sees = np.tril(np.ones((rows, columns), bool), max(0, columns - rows))[None, None]
    if how == "add":
        some = np.arange(columns) < max(1, columns - 1)
        return op.add(scores, net.constant(np.where(some, 0.0, low)[None, None, None])).output(0)
    if how == "causal":
        return op.add(scores, net.constant(np.where(sees, 0.0, low))).output(0)
    if how == "select":
        return op.select(op.constant(sees), scores, net.constant(low)).output(0)
    if how == "causal computed":
        places = op.range(scalar(0), op.gather(op.shape_of(scores), scalar(3), scalar(0)), scalar(1), "i64")
        lines = op.range(scalar(0), op.gather(op.shape_of(scores), scalar(2), scalar(0)), scalar(1), "i64")
        seen = op.less_equal(op.unsqueeze(places, integers(0)), op.unsqueeze(lines, integers(1)))
        return op.select(seen, scores, net.constant(low)).output(0)
    if how == "flags":
        found = [
            it.node.output(0)
            for it in net.inputs
            if it.axes == ("batch", "time") and it.node.get_element_type().get_type_name() != "f32"
        ]
        counts = [each for each in found if shape(each)[0] == shape(scores)[0] and shape(each)[1] == columns]
        if counts:
            ones = op.convert(op.not_equal(op.convert(counts[0], "i32"), op.constant(np.int32(0))), "f32")
            drawn = op.multiply(
                op.subtract(op.constant(np.float32(1)), ones), op.constant(np.float32(max(low, LOWEST)))
            )
            return op.add(scores, op.convert(op.unsqueeze(drawn, integers(1, 2)), ov.Type(np.dtype(net.dtype)))).output(
                0
            )
    return scores


def attended(net: Net, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax(q k^T / sqrt(d)) v, as one operation or written out. All [N, H, T, D]."""
    scale = 1 / np.sqrt(shape(q)[-1])
    rows, columns = shape(q)[-2], shape(k)[-2]
    if net.chance.maybe(0.35):
        how = net.chance.one(["plain", "causal", "mask", "boolean", "scale"])
        if how == "causal" and rows == columns:
            return op.scaled_dot_product_attention(q, k, v, causal=True).output(0)
        sees = np.tril(np.ones((rows, columns), bool), max(0, columns - rows))[None, None]
        if how == "mask":
            low = net.chance.one([-np.inf, LOWEST, -1e4]) if net.dtype == np.float32 else -1e4
            return op.scaled_dot_product_attention(q, k, v, net.constant(np.where(sees, 0, low)), causal=False).output(
                0
            )
        if how == "boolean":
            return op.scaled_dot_product_attention(q, k, v, op.constant(sees), causal=False).output(0)
        if how == "scale":
            given = net.constant(net.chance.one([0.3, 1.0]))
            return op.scaled_dot_product_attention(q, k, v, net.constant(0.0), given, causal=False).output(0)
        return op.scaled_dot_product_attention(q, k, v, causal=False).output(0)
    where = net.chance.one(["q", "scores", "both", "divided"])
    turned = net.chance.maybe(0.5)
    keys = op.transpose(k, integers(0, 1, 3, 2)).output(0) if turned else k
    if where == "both":
        q, keys = (op.multiply(each, net.constant(scale**0.5)).output(0) for each in (q, keys))
    if where == "q":
        q = op.multiply(q, net.constant(scale)).output(0)
    scores = op.matmul(q, keys, False, not turned).output(0)
    if where == "scores":
        scores = op.multiply(scores, net.constant(scale)).output(0)
    if where == "divided":
        scores = op.divide(scores, net.constant(1 / scale)).output(0)
    return op.matmul(op.softmax(_masked(net, scores), -1), v, False, False).output(0)


def _finish(net: Net, x: Tensor, heads: Tensor) -> Tensor:
    out = linear(net, _joined(net, heads), shape(x)[-1])
    return op.add(x, out).output(0) if net.chance.maybe(0.7) else out


@block(4)
def attention(net: Net) -> Tensor:
    """Self-attention; of three layers, or of one that makes all three."""
    x = net.tokens()
    inner = normalized(net, x) if net.chance.maybe(0.6) else x
    width = HEADS * SIZE
    if net.chance.maybe(0.4):
        wide = linear(net, inner, 3 * width)
        if net.chance.maybe(0.5):
            q, k, v = (_heads(net, each) for each in op.split(wide, op.constant(2), 3).outputs())
        else:
            parts = op.transpose(op.reshape(wide, integers(0, 0, 3, HEADS, SIZE), True), integers(2, 0, 3, 1, 4))
            q, k, v = (op.gather(parts, scalar(each), scalar(0)).output(0) for each in range(3))
    else:
        q, k, v = (_heads(net, linear(net, inner, width)) for _ in range(3))
    if net.chance.maybe(0.25):
        q, k = _rotated(net, q), _rotated(net, k)
    return _finish(net, x, attended(net, q, k, v))


@block()
def attention_of_three_dimensions(net: Net) -> Tensor:
    """Without heads: [N, T, D]."""
    x = net.tokens()
    q, k, v = (linear(net, x, 8) for _ in range(3))
    scores = op.multiply(op.matmul(q, k, False, True), net.constant(8**-0.5))
    return op.matmul(op.softmax(scores, -1), v, False, False).output(0)


@block(1.5)
def cross_attention(net: Net) -> Tensor:
    """Queries of one tensor, keys and values of another."""
    x = net.tokens()
    y = net.pick(lambda each: rank(each) == 3 and shape(each)[0] == shape(x)[0])
    width = HEADS * SIZE
    q = _heads(net, linear(net, x, width))
    k, v = (_heads(net, linear(net, y, width)) for _ in range(2))
    return _finish(net, x, attended(net, q, k, v))


@block()
def learned_queries(net: Net) -> Tensor:
    """Queries that are constants, for each sample of the batch, as detectors have them."""
    x = net.tokens()
    queries = net.saved(net.chance.numbers.normal(size=(1, 4, 12)))
    if net.chance.maybe(0.7):
        many = op.broadcast(
            queries, op.concat([op.gather(op.shape_of(x), integers(0), scalar(0)), integers(4, 12)], 0)
        ).output(0)
    elif shape(x)[0] == 1:
        many = queries
    else:
        raise NoTensorError
    width = HEADS * SIZE
    q = _heads(net, linear(net, many, width))
    k, v = (_heads(net, linear(net, x, width)) for _ in range(2))
    return _finish(net, many, attended(net, q, k, v))


@block()
def attention_with_past(net: Net) -> list[Tensor]:
    """Keys and values of former tokens come in as inputs; the longer ones go out."""
    from .sources import added, normal

    x = net.tokens()
    if shape(x)[0] != net.sizes["batch"]:
        raise NoTensorError
    q, k, v = (_heads(net, linear(net, x, HEADS * SIZE)) for _ in range(3))
    past = [added(net, ("batch", HEADS, 4, SIZE), normal) for _ in range(2)]
    k, v = (op.concat([old, new], 2).output(0) for old, new in zip(past, (k, v), strict=True))
    net.loose += [k, v]
    return [_finish(net, x, attended(net, q, k, v))]


@block()
def attention_with_state(net: Net) -> list[Tensor]:
    """The same, with ReadValue and Assign."""
    x = net.tokens()
    count = shape(x)[0]
    q, k, v = (_heads(net, linear(net, x, HEADS * SIZE)) for _ in range(3))
    grown: list[Tensor] = []
    for new in (k, v):
        name = f"past{len(net.sinks)}"
        start = net.constant(np.zeros((count, HEADS, 0, SIZE)))
        kind = ov.Type(np.dtype(net.dtype))
        old = op6.read_value(start, name, kind, ov.PartialShape([count, HEADS, -1, SIZE]))
        both = op.concat([old, new], 2)
        net.sinks.append(op6.assign(both, name))
        grown.append(both.output(0))
    keys, values = grown
    scores = op.matmul(op.multiply(q, net.constant(SIZE**-0.5)), keys, False, True)
    if net.chance.maybe(0.5):
        heads = op.scaled_dot_product_attention(q, keys, values, causal=False).output(0)
    else:
        heads = op.matmul(op.softmax(scores, -1), values, False, False).output(0)
    return [_finish(net, x, heads)]


@block()
def window_attention(net: Net) -> Tensor:
    """Attention with a table of relative positions, as Swin and BEiT have it."""
    x = net.tokens()
    length = shape(x)[1]
    q, k, v = (_heads(net, linear(net, x, HEADS * SIZE)) for _ in range(3))
    table = net.saved(net.chance.numbers.normal(scale=0.3, size=(2 * length, HEADS)))
    places = (np.arange(length)[:, None] - np.arange(length)[None] + length).reshape(-1)
    shift = op.transpose(
        op.reshape(op.gather(table, integers(*map(int, places)), scalar(0)), integers(length, length, HEADS), False),
        integers(2, 0, 1),
    )
    scores = op.add(
        op.multiply(op.matmul(q, k, False, True), net.constant(SIZE**-0.5)), op.unsqueeze(shift, integers(0))
    )
    return _finish(net, x, op.matmul(op.softmax(scores, -1), v, False, False).output(0))


@block()
def attention_by_matmul_of_pictures(net: Net) -> Tensor:
    """Non-local block: a picture attends to itself."""
    x = net.pick(lambda each: rank(each) == 4 and shape(each)[2] * shape(each)[3] <= 64)
    count, channels, height, width = shape(x)
    flat = op.reshape(x, integers(0, channels, -1), True)
    scores = op.multiply(op.matmul(flat, flat, True, False), net.constant(1 / channels))
    seen = op.matmul(flat, op.softmax(scores, -1), False, True)
    return op.add(x, op.reshape(seen, integers(count, channels, height, width), False)).output(0)
