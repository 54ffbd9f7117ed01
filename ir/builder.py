"""Adds operations to a graph, and infers types and shapes of results from the inputs (see `shape_rules`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .element_types import ElementType, element_type
from .errors import IRError, printable
from .graph import Graph, Node, OutPort
from .layer import Array
from .shape_rules import Operation, ShapeError, infer

#: Axes, orders and sizes: a tensor of integers, or numbers that become a constant.
Integers = OutPort | Sequence[int]
ReduceType = Literal["ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"]
_BROADCAST = {"auto_broadcast": "numpy"}


@dataclass(frozen=True)
class Builder:
    """Adds operations to a graph, one method each: `y = build.multiply(x, scale, name="y")`.

    Arguments and results are output ports. If a name is taken, `Graph.add` appends a number. If axes, an order or sizes
    are given as numbers, the builder adds a constant `name/axes`, `name/order` or `name/sizes`. The rank of a result is
    unknown if the rank of an operand is unknown.

    All methods raise IRError for inputs that do not fit one another; the message names the operation and the shapes.

    Attributes:
        graph: The graph to add to.
        near: New operations are written in the file just before this node (default: at the end).
    """

    graph: Graph
    near: Node | None = None

    # ----------------------------------------------------------------------------------------- ends of a graph

    def constant(self, value: Array, *, name: str, packed: ElementType | None = None) -> OutPort:
        """A constant; `packed` is its element type if it has no numpy form."""
        return self.graph.add_constant(name, value, near=self.near, packed=packed).output()

    def parameter(self, kind: ElementType, shape: Sequence[int], *, name: str) -> OutPort:
        """A new input of the model; dynamic sizes are -1."""
        sizes = ",".join("?" if size < 0 else str(size) for size in shape)
        attributes = {"element_type": kind.name, "shape": sizes}
        return self.graph.add("Parameter", name, [], [(kind, shape)], attributes=attributes, near=self.near).output()

    def result(self, tensor: OutPort, *, name: str) -> Node:
        """A new output of the model."""
        return self.graph.add("Result", name, [tensor], [], near=self.near)

    # -------------------------------------------------------------------------------------------- element-wise

    def abs(self, data: OutPort, *, name: str) -> OutPort:
        """|data|."""
        return self._add("Abs", [data], name)

    def add(self, one: OutPort, other: OutPort, *, name: str, otherwise: Sequence[int] = ()) -> OutPort:
        """One + other; `otherwise` is the shape of the result if an operand's rank is unknown."""
        return self._add("Add", [one, other], name, _BROADCAST, otherwise=otherwise)

    def subtract(self, one: OutPort, other: OutPort, *, name: str) -> OutPort:
        """One - other."""
        return self._add("Subtract", [one, other], name, _BROADCAST)

    def multiply(self, one: OutPort, other: OutPort, *, name: str, otherwise: Sequence[int] = ()) -> OutPort:
        """One * other; `otherwise` is the shape of the result if an operand's rank is unknown."""
        return self._add("Multiply", [one, other], name, _BROADCAST, otherwise=otherwise)

    def maximum(self, one: OutPort, other: OutPort, *, name: str) -> OutPort:
        """The larger of both, element-wise."""
        return self._add("Maximum", [one, other], name, _BROADCAST)

    def greater_equal(self, one: OutPort, other: OutPort, *, name: str) -> OutPort:
        """One >= other, boolean."""
        return self._add("GreaterEqual", [one, other], name, _BROADCAST)

    def select(self, condition: OutPort, yes: OutPort, no: OutPort, *, name: str) -> OutPort:
        """Element-wise: `yes` if the condition is true, otherwise `no`."""
        return self._add("Select", [condition, yes, no], name, _BROADCAST)

    def convert(self, data: OutPort, kind: ElementType, *, name: str) -> OutPort:
        """The same numbers in another element type."""
        return self._add("Convert", [data], name, {"destination_type": kind.name})

    def fake_quantize(self, data: OutPort, *limits: OutPort, levels: int, name: str) -> OutPort:
        """Data rounded to levels; limits are input low and high, output low and high, or none yet."""
        assert len(limits) in (0, 4), "a FakeQuantize has all limits or none"
        return self._add("FakeQuantize", [data, *limits], name, {"levels": str(levels), **_BROADCAST})

    # ------------------------------------------------------------------------------------ products, reductions

    def matmul(
        self, one: OutPort, other: OutPort, *, name: str, transpose_a: bool = False, transpose_b: bool = False
    ) -> OutPort:
        """[..., M, K] x [..., K, N] -> [..., M, N]."""
        attributes = {"transpose_a": _flag(value=transpose_a), "transpose_b": _flag(value=transpose_b)}
        return self._add("MatMul", [one, other], name, attributes)

    def attention(self, query: OutPort, key: OutPort, value: OutPort, *others: OutPort, name: str) -> OutPort:
        """ScaledDotProductAttention, not causal: [..., L, E], [..., S, E], [..., S, V], mask, scale -> [..., L, V]."""
        sources = [query, key, value, *others]
        return self._add("ScaledDotProductAttention", sources, name, {"causal": "false"}, opset="opset13")

    def softmax(self, data: OutPort, *, axis: int, name: str) -> OutPort:
        """Softmax along an axis."""
        return self._add("SoftMax", [data], name, {"axis": str(axis)}, opset="opset8")

    def reduce(self, type_: ReduceType, data: OutPort, axes: Integers, *, keep_dims: bool, name: str) -> OutPort:
        """A reduction along axes, which stay with size 1 or are removed."""
        sources = [data, self._integers(axes, f"{name}/axes")]
        return self._add(type_, sources, name, {"keep_dims": _flag(value=keep_dims)})

    def top_k(self, data: OutPort, count: int, *, axis: int, mode: Literal["max", "min"], name: str) -> OutPort:
        """The largest or smallest values along an axis, sorted; the second output has their indices, i32.

        The constant with their number is named `name/k`.
        """
        sources = [data, self.constant(np.array(count, np.int64), name=f"{name}/k")]
        attributes = {"axis": str(axis), "sort": "value", "index_element_type": "i32", "mode": mode}
        places = [element_type("i32")]
        return self._add("TopK", sources, name, attributes, opset="opset3", more=places)

    # ------------------------------------------------------------------------------------------------- shapes

    def concat(self, parts: Sequence[OutPort], *, axis: int, name: str) -> OutPort:
        """The concatenation of the parts along an axis."""
        return self._add("Concat", parts, name, {"axis": str(axis)})

    def split(self, data: OutPort, count: int, *, axis: int, name: str) -> list[OutPort]:
        """`count` equal parts along an axis; the constant with the axis is named `name/axis`."""
        sources = [data, self.constant(np.array(axis, np.int64), name=f"{name}/axis")]
        more = [data.element_type] * (count - 1)
        return self._add("Split", sources, name, {"num_splits": str(count)}, more=more).node.outputs

    def reshape(self, data: OutPort, sizes: Integers, *, name: str, special_zero: bool = False) -> OutPort:
        """The data in another shape: -1 is the remaining size, 0 keeps a size if `special_zero`."""
        sources = [data, self._integers(sizes, f"{name}/sizes")]
        return self._add("Reshape", sources, name, {"special_zero": _flag(value=special_zero)})

    def sample(self, data: OutPort, sizes: Mapping[int, int], *, name: str) -> OutPort:
        """Evenly spaced elements along axes: axis -> number; if an axis has fewer elements, some are repeated.

        The constants with the numbers and the axes are named `name/sizes` and `name/axes`.
        """
        sources = [
            data,
            self._integers([*sizes.values()], f"{name}/sizes"),
            self._integers([*sizes], f"{name}/axes"),
        ]
        attributes = {
            "mode": "nearest",
            "shape_calculation_mode": "sizes",
            "coordinate_transformation_mode": "half_pixel",
            "nearest_mode": "floor",
            "antialias": "false",
            "pads_begin": "0",
            "pads_end": "0",
            "cube_coeff": "-0.75",
        }
        return self._add("Interpolate", sources, name, attributes, opset="opset11")

    def transpose(self, data: OutPort, order: Integers, *, name: str) -> OutPort:
        """Transpose: the axes in another order."""
        return self._add("Transpose", [data, self._integers(order, f"{name}/order")], name)

    def unsqueeze(self, data: OutPort, axes: Integers, *, name: str) -> OutPort:
        """Unsqueeze: new axes of size 1, numbered in the result."""
        return self._add("Unsqueeze", [data, self._integers(axes, f"{name}/axes")], name)

    def shape_of(self, data: OutPort, *, name: str) -> OutPort:
        """The sizes of the data, i64."""
        return self._add("ShapeOf", [data], name, {"output_type": "i64"}, opset="opset3")

    # ----------------------------------------------------------------------------------------------------------

    def _integers(self, values: Integers, name: str) -> OutPort:
        return values if isinstance(values, OutPort) else self.constant(np.array(values, np.int64), name=name)

    def _add(
        self,
        type_: str,
        sources: Sequence[OutPort],
        name: str,
        attributes: Mapping[str, str] | None = None,
        *,
        opset: str = "opset1",
        otherwise: Sequence[int] = (),
        more: Sequence[ElementType] = (),
    ) -> OutPort:
        """The first output of a new node. Further outputs have the shape of the first, and the types in `more`."""
        try:
            shape, kind = infer(Operation(type_, tuple(sources), attributes or {}))
        except ShapeError as error:
            message = f"cannot add {type_} '{printable(name)}': {error}"
            raise IRError(message) from None
        assert kind is not None, "only a Convert without its attribute has no type"
        known = tuple(otherwise) if shape is None else shape
        outputs = [(each, known) for each in (element_type(kind), *more)]
        node = self.graph.add(type_, name, sources, outputs, attributes=attributes, opset=opset, near=self.near)
        return node.output()


def _flag(*, value: bool) -> str:
    return "true" if value else "false"
