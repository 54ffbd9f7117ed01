"""Attaches statistics to the graph as reduction nodes, so that activations never leave the runtime."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ...ir import Array, Builder, Graph, Node, OutPort, Scope, UserError, element_type
from ...ir.bodies import add_body_output
from ...ir.builder import ReduceType
from ...ir.ops import channels_of
from ..infra.base import Context, Pass
from ..runtime.taps import copied, mean_of_first, no_view
from ..statistics.batch import Batches
from ..statistics.masks import mask_limits
from ..statistics.quantiles import TopQuantile, quantiles
from ..statistics.request import QUANTILES, Numbers, Reduction, Request
from ..statistics.sampling import sampled, sampled_count

_REDUCE: Mapping[Reduction, ReduceType] = {Reduction.MIN: "ReduceMin", Reduction.MAX: "ReduceMax"}
_F32 = element_type("f32")
_NAME = "irquant/statistics"
#: Larger batches count as one observation: axis 0 of such inputs is probably time, or points in space.
LARGEST_BATCH = 256


@dataclass(frozen=True)
class Block:
    """One more output of the instrumented model.

    Attributes:
        requests: The requests that it answers.
        sizes: The number of values of each request.
        scope: The body that it comes from. The first column of such a block is 1 if the body ran, else 0.
        batched: Whether each row along axis 0 is an observation (up to `LARGEST_BATCH`); else an inference is one.
        raw: Whether it is the whole tensor, for quantiles that the host computes; else rows of numbers.
    """

    requests: tuple[Request, ...]
    sizes: tuple[int, ...]
    scope: Scope = ()
    batched: bool = False
    raw: bool = False

    @property
    def width(self) -> int:
        """The number of values of an observation."""
        return sum(self.sizes)

    def rows(self, output: Array) -> Numbers:
        """The values of an inference: [observations, width]."""
        if self.raw:
            parts = [quantiles(output, each, batched=self.batched) for each in self.requests]
            return np.concatenate(parts, axis=1)
        if self.scope:  # the iterations of a loop depend on one another: together they are one observation
            ran = output[output[:, 0] == 1, 1:]
            return self._as_one(ran) if len(ran) else ran
        return self._as_one(output) if len(output) > LARGEST_BATCH else output

    def _as_one(self, rows: Numbers) -> Numbers:
        """Merges several observations into one."""
        parts = np.split(rows, np.cumsum(self.sizes)[:-1], axis=1)
        both = zip(self.requests, parts, strict=True)
        return np.concatenate([_together(each, part) for each, part in both], axis=1)


def _together(wanted: Request, numbers: Numbers) -> Numbers:
    """Merges several observations: quantiles and sizes to the outermost value, samples to some elements of each."""
    if wanted.reduction is Reduction.SAMPLE:
        rows, count = numbers.shape
        some: Numbers = numbers[np.arange(count) * rows // count, np.arange(count)][np.newaxis]
        return some
    found: Numbers = numbers.max(axis=0, keepdims=True)
    if wanted.reduction is Reduction.MIN or (wanted.level is not None and wanted.level < 1 / 2):
        found = numbers.min(axis=0, keepdims=True)
    if wanted.reduction in (Reduction.MEAN, Reduction.MEAN_SQUARE):
        found = numbers.mean(axis=0, keepdims=True)
    return found


def blocks(model: Graph, wanted: Iterable[Request], batched: Batches) -> list[Block]:
    """The outputs that answer some requests, in their order: one for each batch, because batch sizes may differ."""
    groups: dict[tuple[Scope, frozenset[Node] | None, OutPort | None], list[Request]] = {}
    for each in wanted:
        tensor = each.tensor(model)
        has_batch = tensor in batched and each.reduction is not Reduction.SHAPE and each.channel_axis != 0
        batch = batched[tensor] if has_batch else None
        is_raw = each.reduction in QUANTILES and TopQuantile.of(each, tensor, batched=has_batch) is None
        if is_raw and each.scope:
            message = f"{tensor.node} is in a body: its {each.reduction} {each.level} needs a tensor of known shape"
            raise UserError(message)
        groups.setdefault((each.scope, batch, tensor if is_raw else None), []).append(each)
    found: list[Block] = []
    for (scope, batch, raw), members in groups.items():
        has_batch = batch is not None
        if raw is None:
            by_form = _by_form(members, lambda each: each.tensor(model), batched=has_batch)
            members = [each for some in by_form for each in some]
        sizes = tuple(statistic_size(model, each, batched=has_batch) for each in members)
        found.append(Block(tuple(members), sizes, scope, batched=has_batch, raw=raw is not None))
    return found


def _by_form(
    wanted: Iterable[Request], tensor_of: Callable[[Request], OutPort], *, batched: bool
) -> list[list[Request]]:
    """The requests of a block, in the order of its columns: quantiles of one form together, others each alone."""
    found: dict[object, list[Request]] = {}
    for each in wanted:
        is_quantile = each.reduction in QUANTILES
        form = _top(each, tensor_of(each), batched=batched).form if is_quantile else each
        found.setdefault(form, []).append(each)
    return [*found.values()]


def _top(wanted: Request, tensor: OutPort, *, batched: bool) -> TopQuantile:
    found = TopQuantile.of(wanted, tensor, batched=batched)
    assert found, "else its block is a raw one"
    return found


def statistic_size(model: Graph, wanted: Request, *, batched: bool) -> int:
    """The number of values of an observation for a request."""
    shape = wanted.tensor(model).shape
    if wanted.reduction is Reduction.SAMPLE:
        return sampled_count(shape, wanted.channel_axis, batched=batched)
    if wanted.reduction is Reduction.SHAPE:
        return len(shape)
    return 1 if wanted.channel_axis is None else channels_of(wanted.tensor(model), wanted.channel_axis)


@dataclass(frozen=True)
class AttachStatistics(Pass):
    """Adds outputs to the model: all requested statistics of an inference in one row.

    Given::                            Result::

        relu: f32[1,8,4,4] = ReLU(x)       relu: f32[1,8,4,4] = ReLU(x)
        Result(relu)                       mean: f32[8] = ReduceMean(relu, [0, 2, 3])
                                           statistics: f32[1,8] = Unsqueeze(Concat(mean), 0)
                                           Result(statistics)
                                           Result(relu)

    One output for (nearly) all numbers is cheap: it takes one copy per sample. It comes before the model's own outputs:
    the runtime orders its work by the first output, and so reduces each tensor while it is in the cache, instead of
    keeping all of them to the end. Numbers from bodies come through outputs of the operation of control flow; if a
    branch does not run, its row is empty.

    Attributes:
        wanted: The outputs.
        from_copies: Whether the numbers are computed from copies of the tensors.
    """

    wanted: tuple[Block, ...]
    from_copies: bool = False

    name: ClassVar[str] = "attach-statistics"

    def run(self, graph: Graph, context: Context) -> int:
        """Adds one Result per block, in their order, before all others."""
        results = graph.in_file_order("Result")
        if any(node.name.startswith(_NAME) for node in results):
            return 0
        outputs = _attached(graph, self.wanted, from_copies=self.from_copies)
        for block in self.wanted:
            Builder(graph, results[0]).result(outputs[block], name=_NAME)
        return len(self.wanted)


def _attached(graph: Graph, wanted: Sequence[Block], *, from_copies: bool) -> dict[Block, OutPort]:
    """The tensors with the numbers of all blocks of a graph and its bodies."""
    rows = _Rows(graph, from_copies=from_copies)
    found = {block: rows.of(block) for block in wanted if block.scope == graph.scope}
    depth = len(graph.scope)
    for node in graph.in_file_order():
        inside = [block for block in wanted if block.scope[:depth] == graph.scope and len(block.scope) > depth]
        inside = [block for block in inside if block.scope[depth][0] == node.id]
        if not node.bodies or not inside:
            continue
        if node.type == "If":
            _read_as_copies(node)
        ends = {tag: _attached(body, inside, from_copies=from_copies) for tag, body in node.bodies.items()}
        for block in inside:
            sources = {
                tag: ends[tag][block] if block in ends[tag] else _absent(body, block)
                for tag, body in node.bodies.items()
            }
            found[block] = add_body_output(node, sources, _NAME)
    return found


def _read_as_copies(node: Node) -> None:
    """Lets operations read copies of the outputs of an If, which is to have one output more.

    If it has several, the CPU plugin (2026.4) may use the memory of one for the convolution of a residual sum, although
    others still read it.
    """
    for output in node.outputs:
        readers = [port for port in output.consumers if port.node.type != "Result"]
        if readers:
            output.redirect(copied(output, Builder(node.graph), name=f"{_NAME}/copy"), only=readers)


def _absent(body: Graph, block: Block) -> OutPort:
    """The row of a branch that does not have the requested tensors."""
    return body.add_constant(f"{_NAME}/absent", np.zeros((1, 1 + block.width), np.float32)).output()


class _Rows:
    """Builds the outputs of one graph."""

    def __init__(self, graph: Graph, *, from_copies: bool) -> None:
        self.graph = graph
        self._from_copies = from_copies
        self.build = Builder(graph)
        self._constants: dict[tuple[int, ...], OutPort] = {}
        self._limits = mask_limits(graph)
        self._unmasked: dict[OutPort, OutPort] = {}

    def of(self, block: Block) -> OutPort:
        """A tensor [observations, width], after a column that marks that the body ran; or the tensor itself."""
        if block.raw:
            return no_view(self._unmask(self._tensor(block.requests[0])), self.build, name=f"{_NAME}/copy")
        parts = [
            self._quantiles(some, batched=block.batched)
            if some[0].reduction in QUANTILES
            else self._reduced(some[0], batched=block.batched)
            for some in _by_form(block.requests, self._tensor, batched=block.batched)
        ]
        if block.batched:
            return self.build.concat(parts, axis=1, name=f"{_NAME}/rows")
        if block.scope:
            parts.insert(0, self.build.constant(np.ones(1, np.float32), name=f"{_NAME}/ran"))
        row = self.build.concat(parts, axis=0, name=f"{_NAME}/row")
        return self._shaped(row, (1, bool(block.scope) + block.width))

    def _tensor(self, wanted: Request) -> OutPort:
        return Node(self.graph, wanted.node).output(wanted.port)

    def _reduced(self, wanted: Request, *, batched: bool) -> OutPort:
        """An f32 tensor with the numbers of a request: [observations, size], or [size] for one observation."""
        tensor = self._tensor(wanted)
        name = f"irquant/{wanted.node}.{wanted.port}/{wanted.reduction}"
        if wanted.reduction is Reduction.SHAPE:
            return self._as_f32(self.build.shape_of(tensor, name=name), name)
        tensor = self._unmask(tensor)
        if wanted.reduction is Reduction.SAMPLE:
            found = sampled(tensor, wanted.channel_axis, batched=batched, build=self.build, name=name)
            if found == tensor:  # it has no more elements than that: the Reshape would be a view of it
                found = copied(tensor, self.build, name=f"{name}/copy")
            count = sampled_count(tensor.shape, wanted.channel_axis, batched=batched)
            return self._shaped(found, (-1, count) if batched else (count,))
        result = self._over_axes(tensor, wanted, name, batched=batched)
        size = 1 if wanted.channel_axis is None else channels_of(self._tensor(wanted), wanted.channel_axis)
        rank, shape = (2, (-1, size)) if batched else (1, (size,))
        return result if len(result.shape) == rank else self._shaped(result, shape)

    def _quantiles(self, wanted: Sequence[Request], *, batched: bool) -> OutPort:
        """An f32 tensor with the numbers of quantiles of one form: each operation takes time to compile."""
        tops = [_top(each, self._tensor(each), batched=batched) for each in wanted]
        found = [
            top.found(self._unmask(self._tensor(each)), f"irquant/{each.node}.{each.port}/{each.reduction}")
            for each, top in zip(wanted, tops, strict=True)
        ]
        result = tops[0].weighed(found, f"{_NAME}/quantiles")
        return result if batched else self._shaped(result, (sum(top.channels for top in tops),))

    def _unmask(self, tensor: OutPort) -> OutPort:
        """The tensor in f32, with zeros in place of masks (see `masks`); NaN and Inf stay."""
        if tensor not in self._unmasked:
            name = f"{_NAME}/{tensor.node.id}.{tensor.index}"
            found = self._as_f32(copied(tensor, self.build, name=f"{name}/copy") if self._from_copies else tensor, name)
            if (limit := self._limits.get(tensor)) is not None:
                found = self._without_masks(found, limit, name)
            self._unmasked[tensor] = found
        return self._unmasked[tensor]

    def _without_masks(self, tensor: OutPort, limit: float, name: str) -> OutPort:
        most, zero = (self.build.constant(np.array(each, np.float32), name=f"{name}/limit") for each in (limit, 0))
        is_mask = self.build.greater_equal(self.build.abs(tensor, name=f"{name}/size"), most, name=f"{name}/is_mask")
        return self.build.select(is_mask, zero, tensor, name=f"{name}/data")

    def _over_axes(self, tensor: OutPort, wanted: Request, name: str, *, batched: bool) -> OutPort:
        """The tensor reduced over all axes except those of observations and channels."""
        if wanted.reduction is Reduction.MEAN_SQUARE:
            tensor = self.build.multiply(tensor, tensor, name=f"{name}/square")
        kept = [0] * batched + ([] if wanted.channel_axis is None else [wanted.channel_axis])
        if not kept and tensor.shape[:1] == (1,):
            kept = [0]  # gives one number, and needs no Reshape to make a row of it
        axes = tuple(axis for axis in range(len(tensor.shape)) if axis not in kept)
        if not axes:
            return tensor
        type_ = _REDUCE.get(wanted.reduction, "ReduceMean")
        if type_ == "ReduceMean":
            tensor, axes = mean_of_first(tensor, axes, self.build, keep_dims=False, name=f"{name}/first")
        return self.build.reduce(type_, tensor, self._constant(axes), keep_dims=False, name=name)

    def _shaped(self, tensor: OutPort, shape: tuple[int, ...]) -> OutPort:
        return self.build.reshape(tensor, self._constant(shape), name=f"{_NAME}/shaped")

    def _as_f32(self, tensor: OutPort, name: str) -> OutPort:
        return tensor if tensor.element_type == _F32 else self.build.convert(tensor, _F32, name=f"{name}/f32")

    def _constant(self, values: tuple[int, ...]) -> OutPort:
        """A constant; equal constants are shared, because each takes time to compile."""
        if values not in self._constants:
            self._constants[values] = self.build.constant(np.array(values, np.int64), name=f"{_NAME}/constant")
        return self._constants[values]
