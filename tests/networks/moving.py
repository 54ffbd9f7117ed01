"""What moves, pools, resizes, joins and selects: little arithmetic, many forms."""

import numpy as np
import openvino.opset1 as op1
import openvino.opset8 as op8
import openvino.opset13 as op
import openvino.opset14 as op14

from .block import block
from .net import Net, NoTensorError, Tensor, integers, is_float, outputs, rank, scalar, shape, small

#: The least finite number of f32, which exporters write instead of an infinity.
LOWEST = float(np.finfo(np.float32).min)


def _pool_window(net: Net, x: Tensor) -> tuple[list[int], list[int], list[int]]:
    sides = shape(x)[2:]
    if min(sides) < 2:
        raise NoTensorError
    size = net.chance.one([2, 2, 3]) if min(sides) >= 3 else 2
    stride = net.chance.one([1, 2])
    pad = net.chance.one([0, 1]) if size == 3 else 0
    return [size] * len(sides), [stride] * len(sides), [pad] * len(sides)


@block(3)
def pool(net: Net) -> Tensor:
    """Maximum or average, of every operation set and rounding."""
    x = net.floats(3, 4, 4, 5)
    size, stride, pad = _pool_window(net, x)
    rounding = net.chance.one(["floor", "floor", "ceil"])
    how = net.chance.one(["max", "max8", "max14", "average", "average", "average14"])
    if how == "max":
        return op1.max_pool(x, stride, pad, pad, size, rounding).output(0)
    if how == "max8":
        return op8.max_pool(x, stride, [1] * len(size), pad, pad, size, rounding, None, "i64").output(0)
    if how == "max14":
        rounding = "ceil_torch" if rounding == "ceil" else rounding
        return op14.max_pool(x, stride, [1] * len(size), pad, pad, size, rounding, None, "i64").output(0)
    excludes = net.chance.maybe(0.5)
    if how == "average14":
        return op14.avg_pool(x, stride, pad, pad, size, excludes, rounding).output(0)
    return op.avg_pool(x, stride, pad, pad, size, excludes, rounding).output(0)


@block()
def pool_of_whole_picture(net: Net) -> Tensor:
    """By an operation of its own, by a reduction, or by a pool as large as the picture."""
    x = net.floats(3, 4, 4, 5)
    axes = integers(*range(2, rank(x)))
    how = net.chance.one(["mean", "max", "pool", "adaptive", "sum", "l2"])
    if how == "mean":
        return op.reduce_mean(x, axes, keep_dims=net.chance.maybe(0.7)).output(0)
    if how == "max":
        return op.reduce_max(x, axes, keep_dims=net.chance.maybe(0.7)).output(0)
    if how == "sum":
        return op.reduce_sum(op.multiply(x, net.constant(0.1)), axes, keep_dims=True).output(0)
    if how == "l2":
        return op.reduce_l2(x, axes, keep_dims=True).output(0)
    ones, none = [1] * (rank(x) - 2), [0] * (rank(x) - 2)
    if how == "adaptive":
        return op.adaptive_avg_pool(x, integers(*[net.chance.one([1, 2])] * (rank(x) - 2))).output(0)
    return op.avg_pool(x, ones, none, none, [*shape(x)[2:]], True).output(0)


@block(2)
def pad_in_front_of_pool(net: Net) -> Tensor:
    """With zero, with minus infinity or with the least number there is, as converters write it."""
    x = net.floats(4)
    if min(shape(x)[2:]) < 2:
        raise NoTensorError
    value = net.chance.one([0.0, -np.inf, LOWEST if net.dtype == np.float32 else -6e4])
    ends = net.chance.one([(0, 1), (1, 1), (1, 0)])
    begin, end = (integers(0, 0, each, each) for each in ends)
    padded = op.pad(x, begin, end, "constant", net.constant(value))
    return op1.max_pool(
        padded, [2, 2], [0, 0], [0, 0], [3, 3] if min(shape(padded.output(0))[2:]) > 2 else [2, 2], "floor"
    ).output(0)


@block(2)
def pad(net: Net) -> Tensor:
    """Of every mode and value."""
    x = net.floats(2, 3, 4, 4, 5)
    if min(shape(x)[-1:]) < 3:
        raise NoTensorError
    reach = [0] * (rank(x) - 1) + [net.chance.integer(1, 2)]
    if rank(x) > 3 and shape(x)[-2] > 2:
        reach[-2] = 1
    mode = net.chance.one(["constant", "constant", "reflect", "edge", "symmetric"])
    value = net.constant(net.chance.one([0.0, 0.0, 1.0, -0.5, 0.1])) if mode == "constant" else None
    ends = reach if net.chance.maybe(0.6) else [0] * rank(x)
    return op.pad(x, integers(*reach), integers(*ends), mode, value).output(0)


@block(3)
def resize(net: Net) -> Tensor:
    """Interpolate of every mode, to sizes or by scales, constant or computed from another tensor."""
    x = net.pick(lambda each: rank(each) in (4, 4, 5) and int(np.prod(shape(each))) <= 1500)
    modes = ["nearest", "nearest", "linear_onnx", "linear", "cubic"] if rank(x) == 4 else ["nearest", "linear_onnx"]
    mode = net.chance.one(modes)
    axes = [*range(2, rank(x))]
    coordinates = net.chance.one(
        ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "tf_half_pixel_for_nn"]
    )
    options = {
        "mode": mode,
        "coordinate_transformation_mode": coordinates,
        "nearest_mode": net.chance.one(["floor", "round_prefer_floor", "simple", "ceil"]),
    }
    how = net.chance.one(["scales", "scales", "sizes", "computed"])
    if how == "scales":
        scales = op.constant(np.array([2.0] * len(axes), np.float32))
        return op.interpolate(x, scales, shape_calculation_mode="scales", axes=integers(*axes), **options).output(0)
    sizes = integers(*(each * 2 for each in shape(x)[2:]))
    if how == "computed":
        sizes = op.multiply(op.gather(op.shape_of(x), integers(*axes), scalar(0)), integers(2))
    return op.interpolate(x, sizes, shape_calculation_mode="sizes", axes=integers(*axes), **options).output(0)


@block()
def resize_of_old(net: Net) -> Tensor:
    """Interpolate as Model Optimizer wrote it, with the attributes of operation set 1."""
    x = net.pick(lambda each: rank(each) == 4 and int(np.prod(shape(each))) <= 1500)
    sizes = integers(*(each * 2 for each in shape(x)[2:]))
    attributes = {
        "axes": np.array([2, 3]),
        "mode": net.chance.one(["nearest", "linear"]),
        "align_corners": False,
        "antialias": False,
        "pads_begin": np.array([0]),
        "pads_end": np.array([0]),
    }
    return op1.interpolate(x, sizes, attributes).output(0)


@block(3)
def concat(net: Net) -> Tensor:
    """Of tensors that fit, or of one and a constant."""
    x = net.floats(1, 2, 3, 4, 4, 5)
    axis = net.chance.one([0, 1, -1]) % rank(x)
    rest = [each for k, each in enumerate(shape(x)) if k != axis]
    y = net.pick(
        lambda each: (
            each.get_element_type() == x.get_element_type()
            and rank(each) == rank(x)
            and [s for k, s in enumerate(shape(each)) if k != axis] == rest
            and small(each)
        )
    )
    parts = [x, y]
    if net.chance.maybe(0.2):
        parts.append(net.small_numbers(*(1 if k == axis else each for k, each in enumerate(shape(x)))))
    return op.concat(parts, axis).output(0)


@block(2)
def split(net: Net) -> list[Tensor]:
    """Into parts of one size or several, all of which are used or not."""
    x = net.floats(2, 3, 4, 4)
    axis = net.chance.one([1, 1, -1])
    size = shape(x)[axis]
    if size < 4:
        raise NoTensorError
    if size % 2 == 0 and net.chance.maybe(0.5):
        return outputs(op.split(x, op.constant(axis), 2))
    lengths = integers(1, 2, -1 if net.chance.maybe(0.3) else size - 3)
    parts = outputs(op.variadic_split(x, op.constant(axis), lengths))
    return parts[1:] if net.chance.maybe(0.5) else parts


@block()
def channel_shuffle(net: Net) -> Tensor:
    """As one operation, or as Reshape, Transpose, Reshape."""
    x = net.pick(lambda each: rank(each) == 4 and shape(each)[1] % 2 == 0)
    if net.chance.maybe(0.4):
        return op.shuffle_channels(x, 1, 2).output(0)
    count, channels, height, width = shape(x)
    parts = op.reshape(x, integers(count, 2, channels // 2, height, width), False)
    return op.reshape(
        op.transpose(parts, integers(0, 2, 1, 3, 4)), integers(count, channels, height, width), False
    ).output(0)


@block(2)
def transpose(net: Net) -> Tensor:
    """Any order of the axes."""
    x = net.floats(2, 3, 4, 4, 5, 6)
    order = [*range(rank(x))]
    if rank(x) > 2 and net.chance.maybe(0.8):
        order[1:] = [int(each) for each in net.chance.numbers.permutation(order[1:])]
    else:
        order = [int(each) for each in net.chance.numbers.permutation(order)]
    return op.transpose(x, integers(*order)).output(0)


@block(2)
def of_other_layout(net: Net) -> list[Tensor]:
    """Operations between Transposes, as converters write those of frameworks whose channels are last."""
    x = net.floats(3, 4, 4, 5)
    order = [0, *range(2, rank(x)), 1]
    if net.chance.maybe(0.3):
        order = [int(each) for each in net.chance.numbers.permutation(rank(x))]
    y = op.transpose(x, integers(*order)).output(0)
    for _ in range(net.chance.integer(1, 4)):
        y = _with_channels_last(net, y)
    found = op.transpose(y, integers(*map(int, np.argsort(order)))).output(0)
    if shape(found) == shape(x) and net.chance.maybe(0.5):
        found = op.add(x, found).output(0)
    return [y, found] if net.chance.maybe(0.2) else [found]


def _with_channels_last(net: Net, x: Tensor) -> Tensor:
    size = shape(x)[-1]
    how = net.chance.one(["cube", "scaled", "shifted", "mean", "bounded", "sigmoid", "joined", "resized"])
    if how == "cube":
        return op.multiply(op.power(op.clamp(x, -3.0, 3.0), net.constant(3.0)), net.constant(0.1)).output(0)
    if how == "scaled":
        return op.multiply(x, net.about_one(size)).output(0)
    if how == "shifted":
        return op.add(net.small_numbers(*(1 if net.chance.maybe(0.5) else each for each in shape(x))), x).output(0)
    if how == "mean":
        return op.subtract(x, op.reduce_mean(x, integers(*range(rank(x) - 1)), keep_dims=False)).output(0)
    if how == "bounded":
        return op.clamp(x, -1.0, 2.0).output(0)
    if how == "joined" and int(np.prod(shape(x))) <= 1500:
        return op.concat([x, op.abs(x), net.small_numbers(*shape(x)[:-1], 1)], -1).output(0)
    if how == "resized" and rank(x) == 4 and int(np.prod(shape(x))) <= 1500:
        sizes = integers(*(2 * each for each in shape(x)[1:3]))
        return op.interpolate(x, sizes, "nearest", "sizes", axes=integers(1, 2)).output(0)
    return op.multiply(x, op.sigmoid(x)).output(0)


@block(2)
def pictures_as_tokens(net: Net) -> Tensor:
    """[N, C, H, W] -> [N, H W, C], with sizes from constants or computed as ONNX exporters do."""
    x = net.floats(4, 4, 5)
    channels = shape(x)[1]
    if net.chance.maybe(0.4):
        count = op.unsqueeze(op.gather(op.shape_of(x), scalar(0), scalar(0)), integers(0))
        flat = op.reshape(x, op.concat([count, integers(channels), integers(-1)], 0), False)
    else:
        flat = op.reshape(x, integers(0, channels, -1), True)
    return op.transpose(flat, integers(0, 2, 1)).output(0)


@block()
def tokens_as_pictures(net: Net) -> Tensor:
    """[N, T, D] -> [N, D, 1, T]."""
    return op.unsqueeze(op.transpose(net.tokens(), integers(0, 2, 1)), integers(2)).output(0)


@block(2)
def reshape(net: Net) -> Tensor:
    """Axes joined, divided, added, removed."""
    x = net.floats(1, 2, 3, 4, 5, 6)
    how = net.chance.one(["flat", "unsqueezed", "squeezed", "divided", "joined", "computed"])
    if how == "unsqueezed" and rank(x) < 6:
        return op.unsqueeze(x, integers(net.chance.integer(0, rank(x)))).output(0)
    if how == "squeezed" and 1 in shape(x)[1:]:
        return op.squeeze(x, integers(shape(x)[1:].index(1) + 1)).output(0)
    if how == "divided" and shape(x)[-1] % 2 == 0 and rank(x) < 6:
        return op.reshape(x, integers(*[0] * (rank(x) - 1), 2, -1), True).output(0)
    if how == "joined" and rank(x) > 2:
        return op.reshape(x, integers(-1, *shape(x)[2:]), False).output(0)
    if how == "computed" and rank(x) > 2:  # the last two axes joined, by arithmetic on the shape
        sizes = op.shape_of(x, "i64")
        last = op.reduce_prod(op.slice(sizes, integers(-2), integers(2**31), integers(1)), integers(0), keep_dims=True)
        first = op.strided_slice(sizes, integers(0), integers(-2), integers(1), [1], [0])
        return op.reshape(x, op.concat([first, last], 0), False).output(0)
    return op.reshape(x, integers(0, -1) if rank(x) > 1 else integers(1, -1), True).output(0)


@block(2)
def slice_of(net: Net) -> Tensor:
    """A part of a tensor, or every second element, in the forms of the exporters."""
    x = net.floats(2, 3, 4, 4, 5)
    axis = net.chance.one([1, 1, rank(x) - 1])
    size = shape(x)[axis]
    if size < 3:
        raise NoTensorError
    how = net.chance.one(["slice", "strided", "gather", "one", "reversed", "negative", "rolled"])
    if how == "slice":
        return op.slice(x, integers(1), integers(2**31), integers(net.chance.one([1, 2])), integers(axis)).output(0)
    if how == "strided":
        begin, end, step = ([0] * rank(x) for _ in range(3))
        begin[axis], end[axis], step[:] = 1, size - 1, [1] * rank(x)
        mask = [int(k != axis) for k in range(rank(x))]
        return op.strided_slice(x, integers(*begin), integers(*end), integers(*step), mask, mask).output(0)
    if how == "one":
        return op.gather(x, scalar(net.chance.one([0, -1])), scalar(axis)).output(0)
    if how == "reversed":
        return op.slice(x, integers(-1), integers(-(2**31)), integers(-1), integers(axis)).output(0)
    if how == "negative":
        return op.slice(x, integers(-2), integers(2**31), integers(1), integers(axis)).output(0)
    if how == "rolled":
        return op.roll(x, integers(1), integers(axis)).output(0)
    order = net.chance.numbers.permutation(size)
    return op.gather(x, integers(*map(int, order)), scalar(axis)).output(0)


@block()
def repeated(net: Net) -> Tensor:
    """Tile and Broadcast, to constant and to computed shapes."""
    x = net.pick(lambda each: rank(each) in (2, 3, 4) and int(np.prod(shape(each))) <= 1500)
    how = net.chance.one(["tile", "broadcast", "computed"])
    if how == "tile":
        times = [1] * rank(x)
        times[net.chance.integer(0, rank(x) - 1)] = 2
        return op.tile(x, integers(*times)).output(0)
    if how == "broadcast":
        return op.broadcast(op.unsqueeze(x, integers(1)), integers(shape(x)[0], 2, *shape(x)[1:])).output(0)
    return op.broadcast(op.reduce_mean(x, integers(-1), keep_dims=True), op.shape_of(x)).output(0)


@block(1.5)
def learned_data(net: Net) -> Tensor:
    """Constants in the place of data, which only the runtime folds: class tokens, learned queries, positions."""
    x = net.tokens()
    size = shape(x)[2]
    learned = net.saved(net.chance.numbers.normal(size=(1, 3, size)))
    how = net.chance.one(["tiled", "broadcast", "added", "class token"])
    if how == "added":
        table = net.saved(net.chance.numbers.normal(scale=0.3, size=(1, 16, size)))
        ends = op.slice(op.shape_of(x), integers(1), integers(2), integers(1))
        return op.add(x, op.slice(table, integers(0), ends, integers(1), integers(1))).output(0)
    sizes = op.gather(op.shape_of(x), integers(0), scalar(0))
    if how == "tiled":
        many = op.tile(learned, op.concat([sizes, integers(1, 1)], 0))
    else:
        many = op.broadcast(learned, op.concat([sizes, integers(3, size)], 0))
    if how == "class token":
        return op.concat([many, x], 1).output(0)
    weights = net.weights(8, size, fan_in=size)
    return op.matmul(many, weights, False, True).output(0)


@block()
def layer_of_constants(net: Net) -> Tensor:
    """A convolution or a product of what is constant: a table of positions that a layer makes larger."""
    x = net.pick(lambda each: rank(each) in (3, 4))
    channels = shape(x)[-1]
    table = net.saved(net.chance.numbers.normal(size=(1, 4, 6)))
    made = op.matmul(table, net.weights(channels, 6, fan_in=6), False, True)
    return op.add(
        x,
        op.reduce_mean(made, integers(1), keep_dims=True)
        if rank(x) == 3
        else op.unsqueeze(op.reduce_mean(made, integers(1), keep_dims=True), integers(0)),
    ).output(0)


@block()
def selected(net: Net) -> Tensor:
    """Select, by a comparison with a number or another tensor."""
    x = net.floats(2, 3, 4)
    y = net.alike(x)
    kind = net.chance.one([op.greater, op.less_equal, op.greater_equal])
    return op.select(kind(x, net.constant(0.0)), y, net.chance.one([net.constant(0.0), x])).output(0)


@block()
def softmax(net: Net) -> Tensor:
    """Along any axis, written out or not."""
    x = net.floats(2, 3, 4)
    axis = net.chance.integer(1, rank(x) - 1)
    if net.chance.maybe(0.7):
        return op.softmax(x, axis).output(0)
    powers = op.exp(op.subtract(x, op.reduce_max(x, integers(axis), keep_dims=True)))
    return op.divide(powers, op.reduce_sum(powers, integers(axis), keep_dims=True)).output(0)


@block()
def reduction(net: Net) -> Tensor:
    """Along one axis or all, to rank 0."""
    x = net.floats(2, 3, 4, 5)
    kind = net.chance.one([op.reduce_mean, op.reduce_max, op.reduce_min, op.reduce_l1, op.reduce_l2])
    if net.chance.maybe(0.1):
        return op.reduce_mean(x, integers(*range(rank(x))), keep_dims=False).output(0)
    return op.multiply(
        kind(x, integers(net.chance.integer(1, rank(x) - 1)), keep_dims=net.chance.maybe(0.5)), net.constant(0.5)
    ).output(0)


@block()
def looked_up(net: Net) -> Tensor:
    """Indices that are computed: the largest elements, their places, gathered or one-hot."""
    x = net.floats(2, 3)
    how = net.chance.one(["values", "both", "one hot", "elements"])
    if shape(x)[-1] < 3:
        raise NoTensorError
    values, places = op.topk(x, scalar(2), -1, "max", "value", "i64").outputs()
    if how == "values":
        return values
    if how == "elements":
        return op.gather_elements(x, places, -1).output(0)
    if how == "one hot":
        return op.one_hot(places, scalar(shape(x)[-1]), net.constant(1.0), net.constant(0.0), -1).output(0)
    table = net.saved(net.chance.numbers.normal(size=(shape(x)[-1], 8)))
    return op.gather(table, places, scalar(0)).output(0)


@block(0.7)
def scattered(net: Net) -> Tensor:
    """One tensor written into another."""
    x = net.pick(lambda each: is_float(each) and rank(each) == 3 and shape(each)[1] > 1)
    new = op.multiply(op.gather(x, integers(0), scalar(1)), net.constant(0.5))
    if net.chance.maybe(0.5):
        return op.scatter_update(x, integers(1), new, scalar(1)).output(0)
    return op.concat([new, op.slice(x, integers(1), integers(2**31), integers(1), integers(1))], 1).output(0)


@block(0.7)
def sampled(net: Net) -> Tensor:
    """GridSample at places that are computed."""
    x = net.image()
    places = op.tanh(
        op.transpose(
            op.slice(op.concat([x, x], 1), integers(0), integers(2), integers(1), integers(1)), integers(0, 2, 3, 1)
        )
    )
    return op.grid_sample(
        x,
        places,
        {
            "align_corners": True,
            "mode": net.chance.one(["bilinear", "nearest"]),
            "padding_mode": net.chance.one(["zeros", "border"]),
        },
    ).output(0)


@block(0.5)
def summed(net: Net) -> Tensor:
    """A running sum."""
    x = net.floats(2, 3)
    return op.multiply(op.cum_sum(x, scalar(rank(x) - 1)), net.constant(0.3)).output(0)


@block(0.5)
def windows(net: Net) -> Tensor:
    """A picture divided into windows, as Swin does: rank 6 between."""
    x = net.pick(lambda each: rank(each) == 4 and shape(each)[2] % 2 == 0 and shape(each)[3] % 2 == 0)
    count, channels, height, width = shape(x)
    parts = op.reshape(x, integers(count, channels, height // 2, 2, width // 2, 2), False)
    turned = op.transpose(parts, integers(0, 2, 4, 3, 5, 1))
    return op.reshape(turned, integers(-1, 4, channels), False).output(0)


@block(0.5)
def patches(net: Net) -> Tensor:
    """Extracted patches."""
    x = net.pick(lambda each: rank(each) == 4 and min(shape(each)[2:]) >= 4 and shape(each)[1] <= 8)
    return op.extract_image_patches(x, [2, 2], [2, 2], [1, 1], "valid").output(0)


@block(0.5)
def rounded_trip(net: Net) -> Tensor:
    """Through integers or f16 and back."""
    x = net.floats(2, 3, 4)
    if net.chance.maybe(0.6):
        return op.convert(op.convert(x, "f16"), x.get_element_type().get_type_name()).output(0)
    counted = op.convert(op.floor(op.multiply(x, net.constant(16.0))), "i32")
    return op.multiply(op.convert(counted, x.get_element_type().get_type_name()), net.constant(1 / 16)).output(0)
