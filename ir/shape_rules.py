"""What the shape and the element type of an operation's result must be, for operations that most models are made of.

Rules are those of the operation specifications of OpenVINO. What is dynamic fits everything, and an operation without a
rule is taken for right: the runtime knows all of them (`opt --verify-runtime`).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest

from .graph import DYNAMIC, Node
from .ops import flag, integers, is_standard

Shape = tuple[int, ...]
_ARITHMETIC = (
    *("Add", "Divide", "FloorMod", "Maximum", "Minimum", "Mod", "Multiply", "Power", "SquaredDifference", "Subtract"),
    "PReLU",
)
_COMPARING = ("Equal", "Greater", "GreaterEqual", "Less", "LessEqual", "NotEqual")
_UNARY = (
    *("Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceiling", "Clamp", "Convert", "Cos", "Cosh", "Elu"),
    *("Erf", "Exp", "FakeQuantize", "Floor", "Gelu", "HSigmoid", "HSwish", "Log", "LogSoftmax", "MVN", "Mish"),
    *("Negative", "ReLU", "Round", "Sigmoid", "Sign", "Sin", "Sinh", "SoftMax", "SoftPlus", "SoftSign", "Sqrt"),
    *("Swish", "Tan", "Tanh"),
)
_REDUCING = ("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")


class ShapeError(ValueError):
    """Inputs do not fit one another: sizes, or types."""


def wrong_result(node: Node) -> str | None:
    """In what way the first result of a node, or what it reads, contradicts its operation; None if it does not."""
    rule = _RULES.get(node.type) if is_standard(node) else None
    if rule is None or not node.outputs or not _are_ranks_known(node):
        return None
    try:
        shape = rule(node)
        kind = _type_of(node)
    except ShapeError as error:
        return str(error)
    output = node.output()
    if shape is not None and output.shape and not _agree(shape, output.shape):
        return f"its result is said to be {_text(output.shape)}, expected {_text(shape)}"
    if kind is not None and output.element_type.name != kind:
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
            message = f"it reads {' and '.join(_text(shape) for shape in shapes)}, which do not broadcast"
            raise ShapeError(message)
        found.append(fixed.pop() if fixed else (DYNAMIC if DYNAMIC in sizes else 1))
    return tuple(reversed(found))


def _shapes(node: Node) -> list[Shape]:
    return [port.source.shape for port in node.inputs]


def _element_wise(node: Node) -> Shape | None:
    mode = node.attributes.get("auto_broadcast", "numpy")
    if node.type == "PReLU" or mode == "pdpd":
        return None if mode == "pdpd" else _shapes(node)[0]
    return broadcast(_shapes(node))


def _like_data(node: Node) -> Shape:
    return _shapes(node)[0]


def _convolution(node: Node) -> Shape:
    """[N, C, ...] and [O, I, k...] or [G, O, I, k...] -> [N, G * O, ...]; Convolution-1, GroupConvolution-1."""
    data, weights = _shapes(node)[:2]
    groups, kernel = ((1,), weights) if node.type == "Convolution" else (weights[:1], weights[1:])
    if len(data) != len(kernel):
        message = f"it reads data {_text(data)} and weights {_text(weights)}, whose ranks do not fit"
        raise ShapeError(message)
    channels = _times(groups[0], kernel[1])
    if not _agree((channels,), data[1:2]):
        message = f"its data have {data[1]} channels, its weights {_text(weights)} take {channels}"
        raise ShapeError(message)
    return (data[0], _times(groups[0], kernel[0]), *_windows(node, data[2:], kernel[2:]))


def _windows(node: Node, sizes: Shape, kernel: Shape) -> Shape:
    """How many places a kernel has along each axis."""
    names = ("strides", "dilations", "pads_begin", "pads_end")
    strides, dilations, begin, end = (integers(node, name) or (0,) * len(sizes) for name in names)
    auto = node.attributes.get("auto_pad", "explicit").lower()
    if DYNAMIC in (*sizes, *kernel) or not all(strides) or len(strides) != len(sizes):
        return (DYNAMIC,) * len(sizes)
    if auto.startswith("same"):
        return tuple(-(-size // stride) for size, stride in zip(sizes, strides, strict=True))
    pads = [0] * len(sizes) if auto == "valid" else [sum(each) for each in zip(begin, end, strict=True)]
    spans = [(taps - 1) * step + 1 for taps, step in zip(kernel, dilations, strict=True)]
    whole = zip(sizes, pads, spans, strides, strict=True)
    return tuple((size + pad - span) // stride + 1 for size, pad, span, stride in whole)


def _matrix_product(node: Node) -> Shape | None:
    """[..., M, K] x [..., K, N] -> [..., M, N]; MatMul-1."""
    first, second = _shapes(node)[:2]
    if len(first) < 2 or len(second) < 2:
        return None
    first = (*first[:-2], *(reversed(first[-2:]) if flag(node, "transpose_a") else first[-2:]))
    second = (*second[:-2], *(reversed(second[-2:]) if flag(node, "transpose_b") else second[-2:]))
    if not _agree(first[-1:], second[-2:-1]):
        message = f"its operands are {_text(first)} and {_text(second)}: {first[-1]} columns for {second[-2]} rows"
        raise ShapeError(message)
    return (*broadcast((first[:-2], second[:-2])), first[-2], second[-1])


def _concat(node: Node) -> Shape:
    shapes, axis = _shapes(node), int(node.attributes.get("axis", "0"))
    if len({len(shape) for shape in shapes}) > 1 or not -len(shapes[0]) <= axis < len(shapes[0]):
        message = f"it joins {' and '.join(_text(shape) for shape in shapes)} along axis {axis}"
        raise ShapeError(message)
    axis %= len(shapes[0])
    joined = [shape[axis] for shape in shapes]
    rest = [tuple(1 if index == axis else size for index, size in enumerate(shape)) for shape in shapes]
    whole = list(rest[0])
    for other in rest[1:]:
        if not _agree(tuple(whole), other):
            message = f"it joins {' and '.join(_text(shape) for shape in shapes)} along axis {axis}"
            raise ShapeError(message)
        whole = [max(pair) for pair in zip(whole, other, strict=True)]
    whole[axis] = DYNAMIC if DYNAMIC in joined else sum(joined)
    return tuple(whole)


def _reshape(node: Node) -> Shape | None:
    """Reshape-1: 0 keeps a size if `special_zero`, -1 is what is left."""
    data, target = _shapes(node)[0], _constant(node, 1)
    if target is None:
        return None
    if flag(node, "special_zero"):
        target = [data[index] if size == 0 and index < len(data) else size for index, size in enumerate(target)]
    if DYNAMIC in data:
        return tuple(target)
    count, known = math.prod(data), math.prod(size for size in target if size != -1)
    if not count and not known:  # nothing can be said of what is left of nothing
        return tuple(target)
    has_rest = -1 in target
    if (not known or count % known) if has_rest else known != count:
        message = f"it makes {target} of {_text(data)}, which has {count} numbers"
        raise ShapeError(message)
    return tuple(count // known if size == -1 else size for size in target)


def _transpose(node: Node) -> Shape | None:
    data, order = _shapes(node)[0], _constant(node, 1)
    if order is None:
        return None
    order = order or [*reversed(range(len(data)))]
    if sorted(axis % max(1, len(data)) for axis in order) != [*range(len(data))]:
        message = f"its order {order} does not fit its data {_text(data)}"
        raise ShapeError(message)
    return tuple(data[axis] for axis in order)


def _reduction(node: Node) -> Shape | None:
    data, axes = _shapes(node)[0], _constant(node, 1)
    if axes is None:
        return None
    if any(not -len(data) <= axis < max(1, len(data)) for axis in axes):
        message = f"its axes {axes} do not fit its data {_text(data)}"
        raise ShapeError(message)
    gone = {axis % len(data) for axis in axes} if data else set[int]()
    if flag(node, "keep_dims"):
        return tuple(1 if index in gone else size for index, size in enumerate(data))
    return tuple(size for index, size in enumerate(data) if index not in gone)


def _type_of(node: Node) -> str | None:
    """The element type of the result, where it follows from what is read."""
    kinds = [port.source.element_type.name for port in node.inputs]
    if node.type == "Convert":
        return node.attributes.get("destination_type")
    if node.type not in (*_ARITHMETIC, *_COMPARING, *_TYPED) or node.type == "PReLU":
        return kinds[0]
    compared = kinds[:2] if node.type in _TYPED else kinds
    if node.type != "Concat" and len(set(compared)) > 1:
        message = f"it reads {' and '.join(compared)}, expected one element type"
        raise ShapeError(message)
    return "boolean" if node.type in _COMPARING else kinds[0]


def _are_ranks_known(node: Node) -> bool:
    """Whether no input may have any rank: such tensors look like scalars, unless they are constants."""
    return all(port.source.shape or port.source.node.type == "Const" for port in node.inputs)


def _constant(node: Node, index: int) -> list[int] | None:
    source = node.source(index).node
    return [int(each) for each in source.array.reshape(-1)] if source.type == "Const" else None


def _times(one: int, other: int) -> int:
    return DYNAMIC if DYNAMIC in (one, other) else one * other


def _agree(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two shapes can be the same."""
    return len(one) == len(other) and all(a == b or DYNAMIC in (a, b) for a, b in zip(one, other, strict=True))


def _text(shape: Shape) -> str:
    return f"[{','.join('?' if size == DYNAMIC else str(size) for size in shape)}]"


#: Operations whose first two inputs have one type.
_TYPED = ("Convolution", "GroupConvolution", "MatMul", "Concat")
_RULES: Mapping[str, Callable[[Node], Shape | None]] = {
    **dict.fromkeys((*_ARITHMETIC, *_COMPARING), _element_wise),
    **dict.fromkeys(_UNARY, _like_data),
    **dict.fromkeys(("Convolution", "GroupConvolution"), _convolution),
    **dict.fromkeys(_REDUCING, _reduction),
    "Concat": _concat,
    "MatMul": _matrix_product,
    "Reshape": _reshape,
    "Transpose": _transpose,
}
