"""Turns Einsums that are matrix products into MatMuls, if a target runs those in int8."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ...ir import DYNAMIC, Builder, Graph, Node, OutPort
from ..analysis.constants import constant_nodes
from ..infra.base import Context, Fact, Pass


@dataclass(frozen=True)
class DecomposeEinsum(Pass):
    """Writes an Einsum of two operands as a MatMul with Transposes and Reshapes.

    Given::                                              Result::

        y = Einsum(q, k) equation="bqhd,bkhd->bhqk"          y/first = Transpose(q)       [b, h, q, d]
                                                             y/second = Transpose(k)      [b, h, k, d]
                                                             y = MatMul(y/first, y/second) transpose_b=true

    Labels of both operands and of the result number the matrices, labels of both operands alone are summed over, labels
    of one operand and the result number rows or columns. Source: OpenVINO operation specification, Einsum-7. The pass
    skips Einsums that do more (a diagonal, a sum over one operand, an ellipsis) or less (a product without a sum), and
    those that need a Reshape with more than one unknown size.
    """

    name: ClassVar[str] = "decompose-einsum"
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED, Fact.PLANNED})

    def run(self, graph: Graph, context: Context) -> int:
        """Decomposes what the target wants decomposed."""
        changed = 0
        for each in graph.walk():
            wanted = [node for node in each.nodes("Einsum") if (rule := context.target.rule(node)) and rule.decomposes]
            constants = constant_nodes(each) if wanted else frozenset[Node]()
            products = [(node, product) for node in wanted if (product := _product(node, constants))]
            for node, product in products:
                _decompose(node, product)
            changed += len(products)
        return changed


@dataclass(frozen=True)
class _Product:
    """A matrix product as labels. Each axis of the MatMul joins the axes of some labels, or of none.

    Attributes:
        ports: The inputs that are the first and the second operand: constants come second, like weights.
        operands: The labels of either operand.
        batch: The axes that number the matrices.
        rows: The axes of the first operand alone.
        columns: The axis of the second operand alone.
        summed: The axis of both operands that the result does not have.
        result: The labels of the result.
        sizes: The size of each label.
    """

    ports: tuple[int, int]
    operands: tuple[str, str]
    batch: tuple[str, ...]
    rows: tuple[str, ...]
    columns: str
    summed: str
    result: str
    sizes: Mapping[str, int]

    def size(self, axis: str) -> int:
        """The size of an axis that joins some labels."""
        sizes = [self.sizes[each] for each in axis]
        return DYNAMIC if DYNAMIC in sizes else math.prod(sizes)

    def pattern(self, before: Sequence[str], after: Sequence[str]) -> list[int]:
        """The pattern of a Reshape; 0 stands for a size that stays."""
        stays = [before[index : index + 1] == [axis] for index, axis in enumerate(after)]
        return [0 if same else self.size(axis) for same, axis in zip(stays, after, strict=True)]

    @property
    def reshapes(self) -> tuple[tuple[list[str], list[str]], ...]:
        """The axes before and behind the Reshapes of the operands and of the result."""
        first, second = [*self.batch, *self.rows, self.summed], [*self.batch, self.columns, self.summed]
        product = [*self.batch, *self.rows, self.columns]
        return ([*"".join(first)], first), ([*"".join(second)], second), (product, [*"".join(product)])


def _product(node: Node, constants: Collection[Node]) -> _Product | None:
    """An Einsum as a matrix product; None if it is not one."""
    operands, result = _labels(node)
    shapes = [port.source.shape for port in node.inputs]
    is_plain = all(each.isalpha() and len(set(each)) == len(each) for each in operands) and len(set(result)) == len(
        result
    )
    if len(operands) != 2 or not is_plain or list(map(len, operands)) != list(map(len, shapes)):
        return None
    swaps = node.source(0).node in constants and node.source(1).node not in constants
    ports = (1, 0) if swaps else (0, 1)
    first, second = (operands[port] for port in ports)
    if (sizes := _sizes(operands, shapes)) is None:
        return None
    batch = tuple(each for each in result if each in first and each in second)
    own = ["".join(each for each in result if each not in other) for other in (second, first)]
    summed = "".join(each for each in second if each in first and each not in result)
    rows = tuple(own[0]) if own[0] and not batch else (own[0],)  # a single matrix multiplies any number of axes
    found = _Product(ports, (first, second), batch, rows, own[1], summed, result, sizes)
    sums_alone = (set(first) ^ set(second)) - set(result)
    is_known = all(found.pattern(*each).count(DYNAMIC) < 2 for each in found.reshapes)
    return found if summed and not sums_alone and is_known else None


def _sizes(operands: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> Mapping[str, int] | None:
    """The size of each label; None if a size 1 is, or may be, broadcast: a Reshape cannot do that."""
    found: dict[str, set[int]] = {}
    for labels, shape in zip(operands, shapes, strict=True):
        for each, size in zip(labels, shape, strict=True):
            found.setdefault(each, set()).add(size)
    known = {each: sizes - {DYNAMIC} for each, sizes in found.items()}
    if any(len(known[each]) > 1 or (len(sizes) > 1 and 1 in sizes) for each, sizes in found.items()):
        return None
    return {each: next(iter(known[each]), DYNAMIC) for each in found}


def _labels(node: Node) -> tuple[list[str], str]:
    """The labels of operands and result; without an arrow, the result has those that occur once, in order."""
    inputs, arrow, result = node.attributes["equation"].partition("->")
    alone = sorted(each for each in set(inputs) - {","} if inputs.count(each) == 1)
    return inputs.split(","), result if arrow else "".join(alone)


def _decompose(node: Node, product: _Product) -> None:
    graph, name, build = node.graph, node.name, Builder(node.graph, node)
    operands: list[OutPort] = []
    reshapes = product.reshapes
    for port, labels, (before, after), role in zip(
        product.ports, product.operands, reshapes, ("first", "second"), strict=False
    ):
        moved = _transposed(build, node.source(port), labels, "".join(before), f"{name}/{role}")
        operands.append(_reshaped(build, moved, (before, after), product, f"{name}/{role}_joined"))
    first, second = operands
    matmul = build.matmul(first, second, transpose_b=True, name=f"{name}/product")
    split = _reshaped(build, matmul, reshapes[-1], product, f"{name}/split")
    node.replace_with(_transposed(build, split, "".join(reshapes[-1][1]), product.result, f"{name}/result"))
    if graph.unique_name(name) == name:  # if not, the last operation has it, as an output of a file of version 10
        graph.rename(matmul.node, name)


def _transposed(build: Builder, tensor: OutPort, labels: str, wanted: str, name: str) -> OutPort:
    if labels == wanted:
        return tensor
    return build.transpose(tensor, [labels.index(each) for each in wanted], name=name)


def _reshaped(
    build: Builder, tensor: OutPort, axes: tuple[list[str], list[str]], product: _Product, name: str
) -> OutPort:
    before, after = axes
    if before == after:
        return tensor
    return build.reshape(tensor, product.pattern(before, after), special_zero=True, name=name)
