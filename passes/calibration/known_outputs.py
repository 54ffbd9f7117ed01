"""The kinds of a model's outputs after samples have run."""

from collections.abc import Sequence

from ...ir import Graph
from ..analysis.outputs import Outputs
from ..analysis.random_outputs import may_be_random, random_tensors
from ..runtime.engine import Engine
from ..runtime.modes import LATENCY
from ..runtime.samples import ValidationSample


def known_outputs(outputs: Outputs, graph: Graph, samples: Sequence[ValidationSample]) -> Outputs:
    """The outputs with the kinds that their values show (see `Outputs.seen`).

    A model that may be random runs once more on a sample.

    Args:
        outputs: The outputs as far as the graph shows their kinds.
        graph: The float model.
        samples: The samples with its outputs.
    """
    seen = outputs.seen(samples)
    if not samples or not may_be_random(graph):
        return seen
    return seen.without(random_tensors(Engine(outputs.tapped(graph), LATENCY), samples[0]))
