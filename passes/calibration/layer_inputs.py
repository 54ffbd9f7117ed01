"""Measures how the inputs of layers vary together: their second moments, in one run of the model over the samples.

Moments of large models do not fit into memory together: then several runs measure some of them each.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...ir import Array, Builder, Graph, Node, OutPort, element_type
from ...ir.ops import DATA_PORT, flag
from ..analysis.constants import SHAPE_READERS
from ..analysis.decisions import above
from ..analysis.weight_codes import Floats
from ..infra.base import Context
from ..infra.progress import Progress
from ..placement.weight_plan import PlannedWeights
from ..runtime.engine import Engine
from ..runtime.modes import LATENCY
from ..runtime.samples import DataError, PreparedSample

_F32 = element_type("f32")
_NAME = "irquant/moments"
#: What depends on no values of inputs, whatever it reads.
_ENDS = (*SHAPE_READERS, "ReadValue")
#: The most bytes of the moments of one run.
MOST_BYTES = 1 << 30


class LayerInputs:
    """The inputs of the layers of a model as it is now; it may be changed afterwards.

    Args:
        graph: The model.
        context: `kept` has the samples, which may be none.
        most: The most bytes of the moments of one run.
    """

    def __init__(self, graph: Graph, context: Context, most: int = MOST_BYTES) -> None:
        self._samples, self._progress, self._most = [*context.kept.values()], context.progress, most
        self._graph = graph.copy() if self._samples else None

    def batches(self, planned: Sequence[PlannedWeights]) -> Iterator[list[PlannedWeights]]:
        """The matrices in their order, as many at a time as the memory for moments allows."""
        some: list[PlannedWeights] = []
        tensors = dict[OutPort, int]()
        for each in planned:
            added = dict.fromkeys(self._measured(each), 4 * each.matrix.columns**2)
            if some and sum((tensors | added).values()) > self._most:
                yield some
                some, tensors = [], {}
            some.append(each)
            tensors |= added
        if some:
            yield some

    def moments(self, planned: Sequence[PlannedWeights]) -> Mapping[PlannedWeights, Floats]:
        """The second moments of what each matrix is multiplied with; those of tables, for example, are not known.

        Returns:
            Matrix -> the sum of x x^T over all inputs x, f32 [columns, columns].

        Raises:
            DataError: the model cannot run a sample.
        """
        wanted = {each: read for each in planned if (read := self._measured(each))}
        if self._graph is None or not wanted:
            return {}
        tensors = dict.fromkeys(tensor for read in wanted.values() for tensor in read)
        found = second_moments(self._graph, [*tensors], self._samples, self._progress)
        return {each: np.sum([found[tensor] for tensor in read], axis=0) for each, read in wanted.items()}

    def _measured(self, planned: PlannedWeights) -> list[OutPort]:
        """The tensors of the model that a matrix is multiplied with; none if one is not known by rows."""
        layers = [layer for layer in planned.matrix.layers if layer.type == "MatMul"]
        tensors = [layer.source(DATA_PORT) for layer in layers]
        are_rows = all(each.shape[-1:] == (planned.matrix.columns,) for each in tensors)
        if self._graph is None or planned.format is None or not are_rows:
            return []
        return [] if any(flag(layer, "transpose_a") for layer in layers) else tensors


def second_moments(
    graph: Graph, tensors: Sequence[OutPort], samples: Sequence[PreparedSample], progress: Progress
) -> Mapping[OutPort, Floats]:
    """The sum of x x^T over all vectors x along the last axis of each tensor, over all samples.

    The runtime computes the products, so that activations never leave it, but for tensors that depend on no input: the
    CPU plugin (2026.4) takes a product of states alone for a constant, and computes it once.

    Args:
        graph: The model, which stays unchanged.
        tensors: Tensors of the model, or of one that it is a copy of, with a known last size.
        samples: The samples.
        progress: Called after each sample.

    Returns:
        Tensor -> f32 [channels, channels].

    Raises:
        DataError: the model cannot run a sample, or gives NaN or Inf.
    """
    found: dict[OutPort, Floats] = {
        tensor: np.zeros((tensor.shape[-1], tensor.shape[-1]), np.float32) for tensor in tensors
    }
    depends_on_input = {
        each: any(node.type == "Parameter" for node in {each.node, *above(each.node, _ENDS)}) for each in tensors
    }
    done = 0

    def take(item: PreparedSample, arrays: list[Array]) -> None:
        nonlocal done
        for (tensor, total), given in zip(found.items(), arrays, strict=True):
            array = given if depends_on_input[tensor] else given.T @ given
            if not np.isfinite(np.trace(array)):
                message = (
                    f"{item.sample.label}: the float model gives NaN or Inf at {tensor.node}; leave the sample out"
                )
                raise DataError(message)
            total += array
        done += 1
        progress("measuring the inputs of layers", done, len(samples))

    Engine(_instrumented(graph, depends_on_input), LATENCY).run(samples, take)
    return found


def _instrumented(graph: Graph, tensors: Mapping[OutPort, bool]) -> Graph:
    """A copy of the model that computes only the moments, or gives the rows of tensors that depend on no input."""
    copy = graph.copy()
    results, build = copy.in_file_order("Result"), Builder(copy)
    for tensor, depends_on_input in tensors.items():
        vectors = build.reshape(Node(copy, tensor.node.id).output(tensor.index), (-1, tensor.shape[-1]), name=_NAME)
        vectors = vectors if vectors.element_type == _F32 else build.convert(vectors, _F32, name=_NAME)
        product = build.matmul(vectors, vectors, transpose_a=True, name=_NAME) if depends_on_input else vectors
        build.result(product, name=_NAME)
    for result in results:
        source = result.source().node
        copy.remove(result)
        copy.prune(source)
    return copy
