"""Operations that are built: the runtime infers the same types and shapes, and what does not fit is refused at once."""

import math
from collections.abc import Callable
from typing import Any, TypeVar, get_args

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from irquant.ir import Builder, Graph, IRError, OutPort, element_type, from_text, to_text, verify
from irquant.ir.builder import ReduceType
from irquant.passes.runtime.convert import to_runtime

T = TypeVar("T")
F32, F16, I64, BOOLEAN = map(element_type, ("f32", "f16", "i64", "boolean"))
SIZES = st.integers(1, 4)
SHAPES = st.lists(SIZES, min_size=1, max_size=4)
TWO = mutually_broadcastable_shapes(num_shapes=2, min_dims=1, min_side=1, max_side=4)
THREE = mutually_broadcastable_shapes(num_shapes=3, min_dims=1, min_side=1, max_side=4)


def empty() -> Builder:
    return Builder(from_text("x: f32[2,3] = Parameter()\nr = Result(x)\n"))


class Drawn:
    """Draws operands."""

    def __init__(self, build: Builder, data: st.DataObject) -> None:
        self.build = build
        self.data = data

    def draw(self, strategy: st.SearchStrategy[T]) -> T:
        return self.data.draw(strategy)

    def tensor(self, shape: tuple[int, ...] | list[int], *, boolean: bool = False, static: bool = False) -> OutPort:
        """A Parameter, of which some sizes are dynamic."""
        known = [
            static or each for each in self.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
        ]
        sizes = [size if is_known else -1 for size, is_known in zip(shape, known, strict=True)]
        return self.build.parameter(BOOLEAN if boolean else F32, sizes, name="p")

    def axis(self, rank: int) -> int:
        return self.draw(st.integers(-rank, rank - 1))

    def axes(self, rank: int) -> list[int]:
        return self.draw(st.lists(st.integers(-rank, rank - 1), unique_by=lambda each: each % rank, max_size=rank))


def two(draw: Drawn) -> tuple[OutPort, OutPort]:
    one, other = map(draw.tensor, draw.draw(TWO).input_shapes)
    return one, other


def add(draw: Drawn) -> OutPort:
    return draw.build.add(*two(draw), name="y")


def subtract(draw: Drawn) -> OutPort:
    return draw.build.subtract(*two(draw), name="y")


def multiply(draw: Drawn) -> OutPort:
    return draw.build.multiply(*two(draw), name="y")


def greater_equal(draw: Drawn) -> OutPort:
    return draw.build.greater_equal(*two(draw), name="y")


def select(draw: Drawn) -> OutPort:
    condition, yes, no = draw.draw(THREE).input_shapes
    return draw.build.select(draw.tensor(condition, boolean=True), draw.tensor(yes), draw.tensor(no), name="y")


def abs_(draw: Drawn) -> OutPort:
    return draw.build.abs(draw.tensor(draw.draw(SHAPES)), name="y")


def convert(draw: Drawn) -> OutPort:
    return draw.build.convert(draw.tensor(draw.draw(SHAPES)), draw.draw(st.sampled_from([F16, I64])), name="y")


def fake_quantize(draw: Drawn) -> OutPort:
    shape = draw.draw(SHAPES)
    limits = draw.build.constant(
        np.ones([draw.draw(st.sampled_from([1, size])) for size in shape], np.float32), name="l"
    )
    return draw.build.fake_quantize(draw.tensor(shape), *[limits] * 4, levels=256, name="y")


def matmul(draw: Drawn) -> OutPort:
    batches = draw.draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=2, min_side=1, max_side=3)).input_shapes
    rows, inner, columns = (draw.draw(SIZES) for _ in range(3))
    first, second = draw.draw(st.booleans()), draw.draw(st.booleans())
    one = (*batches[0], *((inner, rows) if first else (rows, inner)))
    other = (*batches[1], *((columns, inner) if second else (inner, columns)))
    return draw.build.matmul(draw.tensor(one), draw.tensor(other), transpose_a=first, transpose_b=second, name="y")


def vector_product(draw: Drawn) -> OutPort:
    rows, inner = draw.draw(SIZES), draw.draw(SIZES)
    one, other = draw.draw(st.sampled_from([((inner,), (inner, rows)), ((2, rows, inner), (inner,))]))
    return draw.build.matmul(draw.tensor(one), draw.tensor(other), name="y")


def attention(draw: Drawn) -> OutPort:
    batches = mutually_broadcastable_shapes(num_shapes=3, min_dims=1, max_dims=2, min_side=1, max_side=3)
    (rows, keys, size, values), batch = (draw.draw(SIZES) for _ in range(4)), draw.draw(batches).input_shapes
    ends = (rows, size), (keys, size), (keys, values)
    query, key, value = (draw.tensor((*front, *end)) for front, end in zip(batch, ends, strict=True))
    mask = draw.draw(st.sampled_from([(), (rows, keys), (1, 1, keys), (1, rows, 1)]))
    nothing = draw.build.constant(np.zeros((), np.float32), name="nothing")
    scale = draw.build.constant(np.ones((), np.float32), name="scale")
    others = draw.draw(st.sampled_from([[], [nothing, scale], [draw.tensor(mask) if mask else nothing]]))
    return draw.build.attention(query, key, value, *others, name="y")


def softmax(draw: Drawn) -> OutPort:
    shape = draw.draw(SHAPES)
    return draw.build.softmax(draw.tensor(shape), axis=draw.axis(len(shape)), name="y")


def reduce(draw: Drawn) -> OutPort:
    shape, keep = draw.draw(SHAPES), draw.draw(st.booleans())
    data, axes = draw.tensor(shape), draw.axes(len(shape))
    type_ = draw.draw(st.sampled_from(get_args(ReduceType)))
    return draw.build.reduce(type_, data, axes, keep_dims=keep, name="y")


def top_k(draw: Drawn) -> OutPort:
    shape = draw.draw(SHAPES)
    axis = draw.axis(len(shape))
    count = draw.draw(st.integers(1, shape[axis]))
    return draw.build.top_k(draw.tensor(shape), count, axis=axis, mode="max", name="y")


def concat(draw: Drawn) -> OutPort:
    shape = draw.draw(SHAPES)
    axis, parts = draw.axis(len(shape)), list[OutPort]()
    for size in draw.draw(st.lists(SIZES, min_size=1, max_size=3)):
        part = [*shape]
        part[axis] = size
        parts.append(draw.tensor(part))
    return draw.build.concat(parts, axis=axis, name="y")


def split(draw: Drawn) -> OutPort:
    shape, count = draw.draw(SHAPES), draw.draw(SIZES)
    axis = draw.axis(len(shape))
    shape[axis] *= count
    return draw.build.split(draw.tensor(shape), count, axis=axis, name="y")[0]


def reshape(draw: Drawn) -> OutPort:
    shape = draw.draw(SHAPES)
    keeps = draw.draw(st.booleans())
    sizes = draw.draw(
        st.sampled_from([[-1], [1, math.prod(shape)], [*shape, 1], [1, -1, *shape[1:]], [*shape[:1], -1]])
    )
    sizes = [0, *sizes[1:]] if keeps and sizes[0] == shape[0] else sizes
    return draw.build.reshape(draw.tensor(shape, static=True), sizes, special_zero=keeps, name="y")


def sample(draw: Drawn) -> OutPort:
    shape = draw.draw(SHAPES)
    sizes = draw.draw(st.dictionaries(st.integers(0, len(shape) - 1), SIZES, min_size=1))
    return draw.build.sample(draw.tensor(shape), sizes, name="y")


def transpose(draw: Drawn) -> OutPort:
    shape = draw.draw(SHAPES)
    return draw.build.transpose(draw.tensor(shape), draw.draw(st.permutations(range(len(shape)))), name="y")


def unsqueeze(draw: Drawn) -> OutPort:
    shape, count = draw.draw(SHAPES), draw.draw(st.integers(1, 3))
    rank = len(shape) + count
    unique = st.lists(st.integers(-rank, rank - 1), unique_by=lambda each: each % rank, min_size=count, max_size=count)
    return draw.build.unsqueeze(draw.tensor(shape), draw.draw(unique), name="y")


def shape_of(draw: Drawn) -> OutPort:
    return draw.build.shape_of(draw.tensor(draw.draw(SHAPES)), name="y")


OPERATIONS: list[Callable[[Drawn], OutPort]] = [
    *(abs_, add, attention, concat, convert, fake_quantize, greater_equal, matmul, multiply, reduce, reshape, sample),
    *(select, shape_of, softmax, split, subtract, top_k, transpose, unsqueeze, vector_product),
]


def stated(tensor: OutPort) -> tuple[str, list[int]]:
    return tensor.element_type.name, [*tensor.shape]


def inferred(port: Any) -> tuple[str, list[int]]:
    sizes = [-1 if size.is_dynamic else size.get_length() for size in port.get_partial_shape()]
    return port.get_element_type().get_type_name(), sizes


@given(st.data())
def test_the_runtime_infers_the_same(data: st.DataObject) -> None:
    build = empty()
    drawn = data.draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=10, unique=True))
    built = {node.name: node for node in (operation(Drawn(build, data)).node for operation in drawn)}
    for output in (output for node in built.values() for output in node.outputs):
        build.result(output, name="r")
    verify(build.graph)
    ops = {op.get_friendly_name(): op for op in to_runtime(build.graph).get_ops()}
    found = {name: [*map(inferred, ops[name].outputs())] for name in built}
    assert {name: [*map(stated, node.outputs)] for name, node in built.items()} == found


def of(*shapes: str) -> tuple[Builder, list[OutPort]]:
    """A builder and Parameters of these types and shapes."""
    lines = [f"x{index}: {shape} = Parameter()\n" for index, shape in enumerate(shapes)]
    graph = from_text("".join([*lines, *(f"r{index} = Result(x{index})\n" for index in range(len(shapes)))]))
    return Builder(graph), [graph.node(f"x{index}").output() for index in range(len(shapes))]


Build = Callable[..., object]


@pytest.mark.parametrize(
    ("shapes", "operation", "said"),
    [
        (
            ["f32[1,3,8,8]", "f32[1,4,1,1]"],
            lambda build, x, s: build.multiply(x, s, name="y"),
            "cannot add Multiply 'y': it reads [1,3,8,8] and [1,4,1,1], which do not broadcast",
        ),
        (
            ["f32[?,3]", "f32[2]"],
            lambda build, x, s: build.add(x, s, name="bias"),
            "cannot add Add 'bias': it reads [?,3] and [2], which do not broadcast",
        ),
        (
            ["f32[2]", "f16[2]"],
            lambda build, x, s: build.subtract(x, s, name="y"),
            "cannot add Subtract 'y': it reads f32 and f16, expected one element type",
        ),
        (
            ["f32[]", "f16[2]"],
            lambda build, x, s: build.multiply(x, s, name="y"),
            "cannot add Multiply 'y': it reads f32 and f16, expected one element type",
        ),
        (
            ["f32[2]", "i64[2]"],
            lambda build, x, s: build.greater_equal(x, s, name="a\nb"),
            "cannot add GreaterEqual 'a\\nb': it reads f32 and i64, expected one element type",
        ),
        (
            ["boolean[2]", "f32[1]", "f16[1]"],
            lambda build, c, x, s: build.select(c, x, s, name="y"),
            "cannot add Select 'y': it reads f32 and f16, expected one element type",
        ),
        (
            ["f32[2]", "f32[1]", "f32[1]"],
            lambda build, c, x, s: build.select(c, x, s, name="y"),
            "cannot add Select 'y': its condition is f32, expected boolean",
        ),
        (
            ["boolean[2]", "f32[3]", "f32[1]"],
            lambda build, c, x, s: build.select(c, x, s, name="y"),
            "cannot add Select 'y': it reads [2] and [3] and [1], which do not broadcast",
        ),
        (
            ["f32[1,8]", "f32[4,1]", "f32[7]"],
            lambda build, x, low, high: build.fake_quantize(x, low, high, low, high, levels=256, name="y"),
            "cannot add FakeQuantize 'y': it reads [1,8] and [4,1] and [7] and [4,1] and [7], which do not broadcast",
        ),
        (
            ["f32[1,4,6]", "f32[7,5]"],
            lambda build, x, w: build.matmul(x, w, name="y"),
            "cannot add MatMul 'y': its operands are [1,4,6] and [7,5]: 6 columns for 7 rows",
        ),
        (
            ["f32[6]", "f32[7]"],
            lambda build, x, w: build.matmul(x, w, transpose_b=True, name="y"),
            "cannot add MatMul 'y': its operands are [1,6] and [7,1]: 6 columns for 7 rows",
        ),
        (
            ["f32[2,6,6]", "f32[3,6,6]"],
            lambda build, x, w: build.matmul(x, w, name="y"),
            "cannot add MatMul 'y': it reads [2] and [3], which do not broadcast",
        ),
        (
            ["f32[1,5,8]", "f32[1,7,6]", "f32[1,7,9]"],
            lambda build, q, k, v: build.attention(q, k, v, name="y"),
            "cannot add ScaledDotProductAttention 'y': its query [1,5,8], key [1,7,6] and value [1,7,9] do not fit",
        ),
        (
            ["f32[1,5,8]", "f32[1,7,8]", "f32[1,6,9]"],
            lambda build, q, k, v: build.attention(q, k, v, name="y"),
            "cannot add ScaledDotProductAttention 'y': its query [1,5,8], key [1,7,8] and value [1,6,9] do not fit",
        ),
        (
            ["f32[1,5,8]", "f32[1,7,8]", "f32[1,7,9]", "f32[3,7]"],
            lambda build, q, k, v, mask: build.attention(q, k, v, mask, name="y"),
            "cannot add ScaledDotProductAttention 'y': it reads [1,5,7] and [3,7], which do not broadcast",
        ),
        (
            ["f32[1,5,8]", "f32[1,7,8]", "f32[1,7,9]", "f16[5,7]"],
            lambda build, q, k, v, mask: build.attention(q, k, v, mask, name="y"),
            "cannot add ScaledDotProductAttention 'y': it reads f32 and f32 and f32 and f16, expected one element type",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.reduce("ReduceSum", x, [0, 2], keep_dims=True, name="y"),
            "cannot add ReduceSum 'y': its axes [0, 2] do not fit its data [2,3]",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.top_k(x, 1, axis=2, mode="max", name="y"),
            "cannot add TopK 'y': its axis 2 does not fit its data [2,3]",
        ),
        (
            ["f32[2,3]", "f32[3,2]"],
            lambda build, x, s: build.concat([x, s], axis=1, name="y"),
            "cannot add Concat 'y': it joins [2,3] and [3,2] along axis 1",
        ),
        (
            ["f32[2,3]", "f16[2,3]"],
            lambda build, x, s: build.concat([x, s], axis=1, name="y"),
            "cannot add Concat 'y': it reads f32 and f16, expected one element type",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.split(x, 2, axis=-1, name="y"),
            "cannot add Split 'y': it splits [2,3] in 2 along axis -1",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.split(x, 2, axis=2, name="y"),
            "cannot add Split 'y': it splits [2,3] in 2 along axis 2",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.reshape(x, [4, -1], name="y"),
            "cannot add Reshape 'y': it makes [4, -1] of [2,3], which has 6 numbers",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.sample(x, {0: 1, 2: 4}, name="y"),
            "cannot add Interpolate 'y': its sizes [1, 4] along axes [0, 2] do not fit its data [2,3]",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.transpose(x, [1, 1], name="y"),
            "cannot add Transpose 'y': its order [1, 1] does not fit its data [2,3]",
        ),
        (
            ["f32[2,3]"],
            lambda build, x: build.unsqueeze(x, [0, 4], name="y"),
            "cannot add Unsqueeze 'y': its axes [0, 4] do not fit its data [2,3]",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused(shapes: list[str], operation: Build, said: str) -> None:
    build, tensors = of(*shapes)
    with pytest.raises(IRError) as caught:
        operation(build, *tensors)
    assert str(caught.value) == said


def test_what_is_refused_is_not_in_the_graph() -> None:
    build, tensors = of("f32[2]", "f32[3]")
    before = to_text(build.graph)
    with pytest.raises(IRError):
        build.add(*tensors, name="y")
    assert to_text(build.graph) == before


def test_a_fake_quantize_with_some_limits_is_no_fake_quantize() -> None:
    build, (x, low, high) = of("f32[2]", "f32[1]", "f32[1]")
    with pytest.raises(AssertionError, match="all limits or none"):
        build.fake_quantize(x, low, high, levels=256, name="y")


def test_a_fake_quantize_may_get_its_limits_later() -> None:
    build, (x,) = of("f32[2,3]")
    node = build.fake_quantize(x, levels=255, name="y").node
    assert dict(node.attributes) == {"levels": "255", "auto_broadcast": "numpy"}
    assert (len(node.inputs), node.output().shape) == (1, (2, 3))


@pytest.mark.parametrize(
    "operation",
    [
        lambda build, x, s: build.multiply(x, s, name="y"),
        lambda build, x, s: build.matmul(x, s, name="y"),
        lambda build, x, s: build.concat([x, s], axis=0, name="y"),
        lambda build, x, s: build.sample(x, {0: 1}, name="y"),
        lambda build, x, s: build.transpose(x, [1, 0], name="y"),
        lambda build, x, s: build.reduce("ReduceMax", x, [1], keep_dims=True, name="y"),
        lambda build, x, s: build.attention(x, s, s, name="y"),
    ],
)
def test_the_rank_of_a_result_is_unknown_where_that_of_an_operand_is(operation: Callable[..., OutPort]) -> None:
    build, tensors = of("f32[]", "f32[2,3]")
    assert stated(operation(build, *tensors)) == ("f32", [])


def test_what_a_caller_knows_counts_only_where_ranks_are_unknown() -> None:
    build, (scalar, x, s) = of("f32[]", "f32[2,3]", "f32[2,1]")
    assert build.multiply(x, scalar, name="y", otherwise=(2, 3)).shape == (2, 3)
    assert build.add(scalar, x, name="y", otherwise=(2, 3)).shape == (2, 3)
    assert build.add(x, s, name="y", otherwise=(7,)).shape == (2, 3)


def test_sizes_are_known_of_what_a_reshape_makes_of_unknown_ranks() -> None:
    build, (x,) = of("f32[]")
    assert build.reshape(x, [1, -1, 3], name="y").shape == (1, -1, 3)
    assert build.reshape(x, [0, 3], special_zero=True, name="y").shape == (-1, 3)
    assert build.shape_of(x, name="y").shape == (-1,)


@pytest.mark.parametrize(
    ("data", "sizes", "expected"),
    [
        ("f32[?,1,4]", [0, -1], (-1, 4)),
        ("f32[?,6,4]", [0, 3, -1], (-1, 3, 8)),
        ("f32[?,6,?]", [0, -1], (-1, -1)),
        ("f32[2,?,4]", [-1, 0, 4], (2, -1, 4)),
    ],
)
def test_a_kept_size_cancels_out_of_the_rest(data: str, sizes: list[int], expected: tuple[int, ...]) -> None:
    build, (x,) = of(data)
    assert build.reshape(x, sizes, special_zero=True, name="y").shape == expected


def test_a_scalar_that_is_a_constant_has_a_known_rank() -> None:
    build, (x,) = of("f32[2,3]")
    assert build.multiply(x, build.constant(np.ones((), np.float32), name="c"), name="y").shape == (2, 3)


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        (lambda build, x: build.transpose(x, [1, 0], name="y"), "y/order: i64[2] = Const() [1, 0]"),
        (lambda build, x: build.reshape(x, range(1, 7, 5), name="y"), "y/sizes: i64[2] = Const() [1, 6]"),
        (lambda build, x: build.sample(x, {1: 2}, name="y"), "y/axes: i64[1] = Const() [1]"),
        (lambda build, x: build.unsqueeze(x, [2], name="y"), "y/axes: i64[1] = Const() [2]"),
        (lambda build, x: build.reduce("ReduceMin", x, (), keep_dims=True, name="y"), "y/axes: i64[0] = Const() []"),
        (lambda build, x: build.split(x, 3, axis=1, name="y"), "y/axis: i64[] = Const() [1]"),
        (lambda build, x: build.top_k(x, 1, axis=1, mode="min", name="y"), "y/k: i64[] = Const() [1]"),
    ],
)
def test_numbers_become_a_constant_in_front(operation: Build, line: str) -> None:
    build, (x,) = of("f32[2,3]")
    operation(build, x)
    nodes = [node.name for node in build.graph.in_file_order()]
    assert nodes[-2:] == [line.partition(":")[0], "y"]
    assert line in to_text(build.graph)


def test_a_sample_takes_elements_that_lie_evenly() -> None:
    build, (x,) = of("f32[2,7]")
    build.result(build.sample(x, {0: 1, 1: 3}, name="y"), name="s")
    lines = to_text(build.graph)
    assert "y/sizes: i64[2] = Const() [1, 3]" in lines
    assert "y/axes: i64[2] = Const() [0, 1]" in lines
    tensor = np.arange(14, dtype=np.float32).reshape(2, 7)
    found = ov.compile_model(to_runtime(build.graph), "CPU")({0: tensor})
    assert found[1].tolist() == [[0, 3, 5]]


def test_a_sample_of_unknown_sizes_has_known_ones() -> None:
    build, (x,) = of("f32[?,?,3]")
    assert build.sample(x, {0: 2, 1: 5}, name="y").shape == (2, 5, 3)


def test_integers_that_are_a_tensor_are_read_as_they_are() -> None:
    build, (x,) = of("f32[2,3]")
    axes = build.constant(np.array([1], np.int64), name="shared")
    made = [build.reduce("ReduceMean", x, axes, keep_dims=False, name=name) for name in ("one", "other")]
    assert [tensor.shape for tensor in made] == [(2,), (2,)]
    assert [port.node.name for port in axes.consumers] == ["one", "other"]


def test_operations_are_written_in_front_of_the_node_that_they_serve() -> None:
    graph = from_text("x: f32[2] = Parameter()\ny: f32[2] = ReLU(x)\nr = Result(y)\n")
    build, x = Builder(graph, graph.node("y")), graph.node("x").output()
    build.multiply(x, build.constant(np.ones(1, np.float32), name="scale"), name="scaled")
    Builder(graph).result(x, name="last")
    names = [node.name for node in graph.in_file_order() if node.name != "x"]
    assert names == ["scale", "scaled", "y", "r", "last"]


def test_a_name_that_is_taken_gets_a_number() -> None:
    build, (x,) = of("f32[2]")
    assert [build.abs(x, name=name).node.name for name in ("x0", "y", "y")] == ["x0_1", "y", "y_1"]


def test_a_parameter_says_which_sizes_are_dynamic() -> None:
    build = empty()
    given = build.parameter(F16, (-1, 3), name="p")
    assert dict(given.node.attributes) == {"element_type": "f16", "shape": "?,3"}
    assert stated(given) == ("f16", [-1, 3])


def test_a_graph_that_was_built_is_text_like_any_other() -> None:
    build, (x, w) = of("f32[2,3]", "f32[4,3]")
    product = build.matmul(x, w, transpose_b=True, name="product")
    build.result(build.softmax(product, axis=1, name="y"), name="r")
    graph: Graph = from_text(to_text(build.graph))
    assert graph.node("product").output().shape == graph.node("y").output().shape == (2, 4)
    assert {**graph.node("product").attributes} == {"transpose_a": "false", "transpose_b": "true"}
    assert graph.node("y").opset == "opset8"
