"""What the shape and the element type of an operation's result must be, for operations that most models are made of.

Rules are those of the operation specifications of OpenVINO. `verify` holds nodes to them, and `Builder` makes nodes by
them. What is dynamic fits everything. `verify` takes an operation without a rule for right: the runtime knows all of
them (`opt --verify-runtime`).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from .graph import Node, OutPort
from .layer import DYNAMIC
from .listing import number_of
from .ops import REDUCTION_TYPES, flag, integers, is_standard

Shape = tuple[int, ...]
_ARITHMETIC = (
    *("Add", "Divide", "FloorMod", "Maximum", "Minimum", "Mod", "Multiply", "Power", "SquaredDifference", "Subtract"),
    "PReLU",
)
_COMPARING = ("Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual")
_UNARY = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceiling", "Clamp", "Convert", "Cos", "Cosh", "Elu"),
    *("Erf", "Exp", "Floor", "Gelu", "HSigmoid", "HSwish", "Log", "LogSoftmax", "MVN", "Mish"),
    *("Negative", "ReLU", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "SoftMax", "SoftPlus", "SoftSign", "Sqrt"),
    *("Swish", "Tan", "Tanh"),
)


class ShapeError(ValueError):
    """Inputs do not fit one another: sizes, or types."""


@dataclass(frozen=True)
class Operation:
    """What a node computes, be it in a graph or about to be added to one.

    Attributes:
        type: The op type, as the .xml spells it.
        sources: What drives each input.
        attributes: As the file spells them.
    """

    type: str
    sources: tuple[OutPort, ...]
    attributes: Mapping[str, str]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shape of each input."""
        return tuple(source.shape for source in self.sources)

    @property
    def kinds(self) -> list[str]:
        """The name of the element type of each input."""
        return [source.element_type.name for source in self.sources]

    def integers(self, index: int) -> list[int] | None:
        """The values of an input, if it is a constant.

        Raises:
            ShapeError: it is a constant of other values than integers.
        """
        source = self.sources[index]
        if source.node.type != "Const":
            return None
        if source.element_type.name[0] not in "iu":
            message = f"its input {index} is {source.element_type.name}, expected integers"
            raise ShapeError(message)
        return [int(each) for each in source.node.array.reshape(-1)]


def infer(operation: Operation) -> tuple[Shape | None, str | None]:
    """The shape and the element type of the first result; None for what does not follow from shapes and constants.

    Raises:
        ShapeError: the inputs do not fit one another.
        KeyError: there is no rule for such operations.
    """
    rule = _RULES[operation.type]
    is_known = operation.type in _OF_ANY_RANK or all(map(_is_rank_known, operation.sources))
    return rule(operation) if is_known else None, _type_of(operation)


def wrong_inputs(node: Node) -> str | None:
    """Whether a node has fewer inputs than its operation reads, and how many; None if it has enough."""
    least = _LEAST_INPUTS.get(node.type, 0) if is_standard(node) else 0
    count = len(node.inputs)
    return f"it has {number_of(count, 'inputs')}, expected {least} at least" if count < least else None


def wrong_result(node: Node) -> str | None:
    """In what way the first result of a node, or what it reads, contradicts its operation; None if it does not."""
    if node.type not in _RULES or not is_standard(node) or not node.outputs:
        return None
    try:
        shape, kind = infer(Operation(node.type, tuple(port.source for port in node.inputs), node.attributes))
    except ShapeError as error:
        return str(error)
    for output in node.outputs if node.type == "Split" else (node.output(),):
        if shape is not None and output.shape and not agree(shape, output.shape):
            return f"its result is said to be {shape_text(output.shape)}, expected {shape_text(shape)}"
        if kind is not None and _UNKNOWN not in (kind, output.element_type.name) and output.element_type.name != kind:
            return f"its result is said to be {output.element_type.name}, expected {kind}"
    return None


def broadcast(shapes: Iterable[Shape]) -> Shape:
    """The shape that shapes broadcast to, as numpy does it.

    Raises:
        ShapeError: they do not.
    """
    shapes = list(shapes)
    found: list[int] = []
    for sizes in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
        fixed = {size for size in sizes if size not in (1, DYNAMIC)}
        if len(fixed) > 1:
            message = f"it reads {' and '.join(shape_text(shape) for shape in shapes)}, which do not broadcast"
            raise ShapeError(message)
        found.append(fixed.pop() if fixed else (DYNAMIC if DYNAMIC in sizes else 1))
    return tuple(reversed(found))


def agree(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes can be the same."""
    return len(one) == len(other) and all(a == b or DYNAMIC in (a, b) for a, b in zip(one, other, strict=True))


def shape_text(shape: Shape) -> str:
    """A shape for messages; a dynamic size is "?"."""
    return f"[{','.join('?' if size == DYNAMIC else str(size) for size in shape)}]"


def _element_wise(operation: Operation) -> Shape | None:
    mode = operation.attributes.get("auto_broadcast", "numpy")
    if operation.type == "PReLU" or mode == "pdpd":
        return None if mode == "pdpd" else operation.shapes[0]
    return broadcast(operation.shapes)


def _like_data(operation: Operation) -> Shape:
    return operation.shapes[0]


def _interpolate(operation: Operation) -> Shape | None:
    """Interpolate-11 with mode `sizes`, without pads: the sizes take the place of those along the axes."""
    has_axes = len(operation.sources) == 3 and operation.kinds[2] in ("i32", "i64")  # scales before opset11
    padded = any(any(integers(operation, name)) for name in ("pads_begin", "pads_end"))
    if operation.attributes.get("shape_calculation_mode") != "sizes" or padded or not has_axes:
        return None
    sizes, axes = operation.integers(1), operation.integers(2)
    if sizes is None or axes is None:
        return None
    data = operation.shapes[0]
    if len(sizes) != len(axes) or any(not 0 <= axis < len(data) for axis in axes):
        message = f"its sizes {sizes} along axes {axes} do not fit its data {shape_text(data)}"
        raise ShapeError(message)
    given = dict(zip(axes, sizes, strict=True))
    return tuple(given.get(axis, size) for axis, size in enumerate(data))


def _fake_quantize(operation: Operation) -> Shape:
    """FakeQuantize-1: limits broadcast to the data; the result is like the data, also where they are wider."""
    if operation.attributes.get("auto_broadcast", "numpy") == "numpy":
        broadcast(operation.shapes)
    return operation.shapes[0]


def _convolution(operation: Operation) -> Shape:
    """[N, C, ...] and [O, I, k...] or [G, O, I, k...] -> [N, G * O, ...]; Convolution-1, GroupConvolution-1."""
    data, weights = operation.shapes[:2]
    groups, kernel = ((1,), weights) if operation.type == "Convolution" else (weights[:1], weights[1:])
    if len(data) != len(kernel) or len(data) < len("NC"):
        message = f"it reads data {shape_text(data)} and weights {shape_text(weights)}, whose ranks do not fit"
        raise ShapeError(message)
    channels = _times(groups[0], kernel[1])
    if not agree((channels,), data[1:2]):
        message = f"its data have {data[1]} channels, its weights {shape_text(weights)} take {channels}"
        raise ShapeError(message)
    return (data[0], _times(groups[0], kernel[0]), *_windows(operation, data[2:], kernel[2:]))


def _windows(operation: Operation, sizes: Shape, kernel: Shape) -> Shape:
    """How many places a kernel has along each axis."""
    names = ("strides", "dilations", "pads_begin", "pads_end")
    strides, dilations, begin, end = (integers(operation, name) or (0,) * len(sizes) for name in names)
    _check_windows(operation, sizes)
    auto = operation.attributes.get("auto_pad", "explicit").lower()
    if DYNAMIC in (*sizes, *kernel) or not all(strides) or len(strides) != len(sizes):
        return (DYNAMIC,) * len(sizes)
    if auto.startswith("same"):
        return tuple(-(-size // stride) for size, stride in zip(sizes, strides, strict=True))
    pads = [0] * len(sizes) if auto == "valid" else [sum(each) for each in zip(begin, end, strict=True)]
    spans = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilations, strict=True)]
    whole = zip(sizes, pads, spans, strides, strict=True)
    return tuple((size + pad - span) // stride + 1 for size, pad, span, stride in whole)


def _check_windows(operation: Operation, sizes: Shape) -> None:
    """Refuses windows with another number of axes than there are places."""
    for name in ("kernel", "strides", "dilations", "pads_begin", "pads_end", "output_padding"):
        given = integers(operation, name)
        if given and len(given) != len(sizes):
            message = f"its {name} {list(given)} do not fit its data {shape_text(operation.shapes[0])}"
            raise ShapeError(message)


def _pooling(operation: Operation) -> Shape:
    """AvgPool, MaxPool: [N, C, ...] -> [N, C, ...]; what is left of the places depends on the version."""
    data = operation.shapes[0]
    _check_windows(operation, data[2:])
    return (*data[:2], *(DYNAMIC for _ in data[2:]))


def _transposed_convolution(operation: Operation) -> Shape:
    """[N, C, ...] and [C, O, k...] or [G, C / G, O, k...] -> [N, G * O, ...]; ConvolutionBackpropData-1."""
    data, weights = operation.shapes[:2]
    groups, kernel = ((1,), weights) if operation.type == "ConvolutionBackpropData" else (weights[:1], weights[1:])
    if len(data) != len(kernel) or len(data) < len("NC"):
        message = f"it reads data {shape_text(data)} and weights {shape_text(weights)}, whose ranks do not fit"
        raise ShapeError(message)
    channels = _times(groups[0], kernel[0])
    if not agree((channels,), data[1:2]):
        message = f"its data have {data[1]} channels, its weights {shape_text(weights)} take {channels}"
        raise ShapeError(message)
    _check_windows(operation, data[2:])
    return (data[0], _times(groups[0], kernel[1]), *(DYNAMIC for _ in data[2:]))


def _pad(operation: Operation) -> Shape | None:
    """Pad-1: each axis grows by two numbers; they are below zero, where it is cut, from Pad-12 on."""
    data, begin, end = operation.shapes[0], operation.integers(1), operation.integers(2)
    for pads in (begin, end):
        if pads is not None and len(pads) != len(data):
            message = f"its pads {pads} do not fit its data {shape_text(data)}"
            raise ShapeError(message)
    if begin is None or end is None:
        return None
    grown = zip(data, begin, end, strict=True)
    return tuple(DYNAMIC if size == DYNAMIC else size + before + behind for size, before, behind in grown)


def _gather(operation: Operation) -> Shape | None:
    """Gather-8: the axes of the indices, without those of batches, take the place of an axis of the data."""
    (data, indices), axes = operation.shapes[:2], operation.integers(2)
    if not axes:
        return None
    axis, batch = axes[0], int(operation.attributes.get("batch_dims", "0"))
    if not -len(data) <= axis < len(data):
        message = f"its axis {axis} does not fit its data {shape_text(data)}"
        raise ShapeError(message)
    batch += len(indices) * (batch < 0)
    axis %= len(data)
    return (*data[:axis], *indices[batch:], *data[axis + 1 :]) if 0 <= batch <= axis else None


def _matrix_product(operation: Operation) -> Shape | None:
    """[..., M, K] x [..., K, N] -> [..., M, N]; a vector [K] gives the result no axis; MatMul-1."""
    one, other = operation.shapes[:2]
    if not one or not other:
        return None
    first = (*one[:-2], *(reversed(one[-2:]) if flag(operation, "transpose_a") else one[-2:]))
    second = (*other[:-2], *(reversed(other[-2:]) if flag(operation, "transpose_b") else other[-2:]))
    first, second = (1, *first) if len(one) == 1 else first, (*second, 1) if len(other) == 1 else second
    if not agree(first[-1:], second[-2:-1]):
        message = (
            f"its operands are {shape_text(first)} and {shape_text(second)}: {first[-1]} columns for {second[-2]} rows"
        )
        raise ShapeError(message)
    rows, columns = first[-2:-1] if len(one) > 1 else (), second[-1:] if len(other) > 1 else ()
    return (*broadcast((first[:-2], second[:-2])), *rows, *columns)


def _attention(operation: Operation) -> Shape | None:
    """[..., L, E], [..., S, E] and [..., S, V] -> [..., L, V], as wide as the mask; ScaledDotProductAttention-13."""
    query, key, value = operation.shapes[:3]
    if min(len(query), len(key), len(value)) < 2:
        return None
    if not agree(query[-1:], key[-1:]) or not agree(key[-2:-1], value[-2:-1]):
        message = f"its query {shape_text(query)}, key {shape_text(key)} and value {shape_text(value)} do not fit"
        raise ShapeError(message)
    masks = () if flag(operation, "causal") else operation.shapes[_MASK : _MASK + 1]
    scores = (*broadcast((query[:-2], key[:-2], value[:-2])), query[-2], key[-2])
    return (*broadcast((scores, *masks))[:-1], value[-1])


def _concat(operation: Operation) -> Shape:
    shapes, axis = operation.shapes, int(operation.attributes.get("axis", "0"))
    if len({len(shape) for shape in shapes}) > 1 or not -len(shapes[0]) <= axis < len(shapes[0]):
        message = f"it joins {' and '.join(shape_text(shape) for shape in shapes)} along axis {axis}"
        raise ShapeError(message)
    axis %= len(shapes[0])
    joined = [shape[axis] for shape in shapes]
    rest = [tuple(1 if index == axis else size for index, size in enumerate(shape)) for shape in shapes]
    whole = list(rest[0])
    for other in rest[1:]:
        if not agree(tuple(whole), other):
            message = f"it joins {' and '.join(shape_text(shape) for shape in shapes)} along axis {axis}"
            raise ShapeError(message)
        whole = [max(pair) for pair in zip(whole, other, strict=True)]
    whole[axis] = DYNAMIC if DYNAMIC in joined else sum(joined)
    return tuple(whole)


def _reshape(operation: Operation) -> Shape | None:
    """Reshape-1: 0 keeps a size if `special_zero`, -1 is what is left."""
    data, target = operation.shapes[0], operation.integers(1)
    if target is None:
        return None
    is_known = _is_rank_known(operation.sources[0])
    if flag(operation, "special_zero"):
        kept = data if is_known else (DYNAMIC,) * len(target)
        copied = [index for index, size in enumerate(target) if size == 0 and index < len(kept)]
        others = [size for index, size in enumerate(data) if index not in copied]
        if is_known and DYNAMIC in data and DYNAMIC not in others and target.count(-1) == 1:
            rest = math.prod(size for index, size in enumerate(target) if index not in copied and size != -1)
            target = [math.prod(others) // rest if size == -1 and rest else size for size in target]
        target = [kept[index] if index in copied else size for index, size in enumerate(target)]
    if DYNAMIC in data or not is_known:
        return tuple(target)
    count, known = math.prod(data), math.prod(size for size in target if size != -1)
    if not count and not known:  # nothing can be said of what is left of nothing
        return tuple(target)
    has_rest = -1 in target
    if (not known or count % known) if has_rest else known != count:
        message = f"it makes {target} of {shape_text(data)}, which has {count} numbers"
        raise ShapeError(message)
    return tuple(count // known if size == -1 else size for size in target)


def _transpose(operation: Operation) -> Shape | None:
    data, order = operation.shapes[0], operation.integers(1)
    if order is None:
        return None
    order = order or [*reversed(range(len(data)))]
    if sorted(axis + len(data) * (axis < 0) for axis in order) != [*range(len(data))]:
        message = f"its order {order} does not fit its data {shape_text(data)}"
        raise ShapeError(message)
    return tuple(data[axis] for axis in order)


def _reduction(operation: Operation) -> Shape | None:
    data, axes = operation.shapes[0], operation.integers(1)
    if axes is None:
        return None
    if any(not -len(data) <= axis < max(1, len(data)) for axis in axes):
        message = f"its axes {axes} do not fit its data {shape_text(data)}"
        raise ShapeError(message)
    gone = {axis % len(data) for axis in axes} if data else set[int]()
    if flag(operation, "keep_dims"):
        return tuple(1 if index in gone else size for index, size in enumerate(data))
    return tuple(size for index, size in enumerate(data) if index not in gone)


def _unsqueeze(operation: Operation) -> Shape | None:
    """Unsqueeze-1: the axes, which the result has, get size 1."""
    data, axes = operation.shapes[0], operation.integers(1)
    if axes is None:
        return None
    rank = len(data) + len(axes)
    if any(not -rank <= axis < rank for axis in axes):
        message = f"its axes {axes} do not fit its data {shape_text(data)}"
        raise ShapeError(message)
    sizes, new = iter(data), {axis % rank for axis in axes}
    if len(new) < len(axes):  # the runtime takes one axis twice for once
        return None
    return tuple(1 if axis in new else next(sizes) for axis in range(rank))


def _split(operation: Operation) -> Shape | None:
    """Split-1: all parts have one size."""
    data, axes, count = operation.shapes[0], operation.integers(1), int(operation.attributes["num_splits"])
    if not axes:
        return None
    axis = axes[0]
    if not -len(data) <= axis < len(data) or (data[axis] != DYNAMIC and data[axis] % count):
        message = f"it splits {shape_text(data)} in {count} along axis {axis}"
        raise ShapeError(message)
    return _with_size(data, axis, DYNAMIC if data[axis] == DYNAMIC else data[axis] // count)


def _top_k(operation: Operation) -> Shape:
    """TopK-3: the axis gets the size that the second input says."""
    data, count, axis = operation.shapes[0], operation.integers(1), int(operation.attributes["axis"])
    if not -len(data) <= axis < len(data):
        message = f"its axis {axis} does not fit its data {shape_text(data)}"
        raise ShapeError(message)
    return _with_size(data, axis, count[0] if count else DYNAMIC)


def _shape_of(operation: Operation) -> Shape:
    return (len(operation.shapes[0]) if _is_rank_known(operation.sources[0]) else DYNAMIC,)


def _type_of(operation: Operation) -> str | None:
    """The element type of the result, where it follows from what is read."""
    if operation.type == "Convert":
        return operation.attributes.get("destination_type")
    if operation.type == "ShapeOf":
        return operation.attributes.get("output_type", "i64")
    kinds = operation.kinds
    compared = [kind for kind in _compared(operation.type, kinds) if kind != _UNKNOWN]
    if len(set(compared)) > 1:
        message = f"it reads {' and '.join(compared)}, expected one element type"
        raise ShapeError(message)
    if operation.type == "Select" and kinds[0] not in ("boolean", _UNKNOWN):
        message = f"its condition is {kinds[0]}, expected boolean"
        raise ShapeError(message)
    if operation.type in _COMPARING:
        return "boolean"
    return kinds[1 if operation.type == "Select" else 0]


def _compared(type_: str, kinds: Sequence[str]) -> Sequence[str]:
    """The element types of those inputs that must have one."""
    if type_ == "Select":
        return kinds[1:]
    if type_ == "ScaledDotProductAttention":  # a boolean mask says what is seen
        return [kind for index, kind in enumerate(kinds) if index != _MASK or kind != "boolean"]
    if type_ in _TYPED:
        return kinds[:2]
    return kinds if type_ in (*_ARITHMETIC, *_COMPARING, "Concat") and type_ != "PReLU" else ()


def _is_rank_known(tensor: OutPort) -> bool:
    """Whether the shape tells the rank: without sizes it may be a scalar's or unknown, unless it is a constant's."""
    return bool(tensor.shape) or tensor.node.type == "Const"


def _with_size(shape: Shape, axis: int, size: int) -> Shape:
    found = [*shape]
    found[axis] = size
    return tuple(found)


def _times(one: int, other: int) -> int:
    return DYNAMIC if DYNAMIC in (one, other) else one * other


#: The element type of what the runtime infers only when it runs.
_UNKNOWN = "dynamic"
#: Operations whose first two inputs have one type.
_TYPED = ("Convolution", "ConvolutionBackpropData", "GroupConvolution", "GroupConvolutionBackpropData", "MatMul")
#: The input of attention that is its mask.
_MASK = 3
#: Operations of whose result something is known, whatever the rank of what they read.
_OF_ANY_RANK = ("Reshape", "ScaledDotProductAttention", "ShapeOf")
#: How many inputs an operation has at least.
_LEAST_INPUTS: Mapping[str, int] = {
    **dict.fromkeys((*_UNARY, "Assign", "AvgPool", "Concat", "DepthToSpace", "Einsum", "FakeQuantize", "If"), 1),
    **dict.fromkeys(("LogicalNot", "MaxPool", "Result", "ShapeOf", "ShuffleChannels", "SpaceToDepth", "Squeeze"), 1),
    **dict.fromkeys(
        (*_ARITHMETIC, *_COMPARING, *REDUCTION_TYPES, "Broadcast", "Convolution", "ConvolutionBackpropData"), 2
    ),
    **dict.fromkeys(("EmbeddingBagPackedSum", "GatherElements", "GatherND", "GroupConvolution"), 2),
    **dict.fromkeys(("GroupConvolutionBackpropData", "Interpolate", "Loop", "MatMul", "NormalizeL2", "Reshape"), 2),
    **dict.fromkeys(("Split", "Tile", "TopK", "Transpose", "Unsqueeze"), 2),
    **dict.fromkeys(("EmbeddingBagOffsetsSum", "Gather", "GroupNormalization", "Pad", "Range"), 3),
    **dict.fromkeys(("ScaledDotProductAttention", "ScatterNDUpdate", "Select", "StridedSlice", "VariadicSplit"), 3),
    **dict.fromkeys(("ScatterElementsUpdate", "ScatterUpdate", "Slice"), 4),
    **dict.fromkeys(("BatchNormInference", "GRUCell", "RNNCell"), 5),
    **dict.fromkeys(("GRUSequence", "LSTMCell", "RNNSequence"), 6),
    "LSTMSequence": 7,
}
_RULES: Mapping[str, Callable[[Operation], Shape | None]] = {
    **dict.fromkeys((*_ARITHMETIC, *_COMPARING), _element_wise),
    **dict.fromkeys(_UNARY, _like_data),
    **dict.fromkeys(("Convolution", "GroupConvolution"), _convolution),
    **dict.fromkeys(REDUCTION_TYPES, _reduction),
    **dict.fromkeys(("AvgPool", "MaxPool"), _pooling),
    **dict.fromkeys(("ConvolutionBackpropData", "GroupConvolutionBackpropData"), _transposed_convolution),
    "Concat": _concat,
    "FakeQuantize": _fake_quantize,
    "Gather": _gather,
    "Interpolate": _interpolate,
    "Pad": _pad,
    "MatMul": _matrix_product,
    "Reshape": _reshape,
    "ScaledDotProductAttention": _attention,
    "Select": _element_wise,
    "ShapeOf": _shape_of,
    "Split": _split,
    "TopK": _top_k,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
