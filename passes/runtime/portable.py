"""A model that can be sent to another process."""

import hashlib
from dataclasses import dataclass

import numpy as np

from ...ir import Array, Graph
from ...ir.writer import lay_out, to_xml


@dataclass(frozen=True)
class Portable:
    """A model that can be sent to another process: both files, in memory.

    Attributes:
        xml: The .xml file.
        weights: The .bin file.
        key: A key that is unique to the model.
        extensions: The extensions that the runtime needs to run it.
    """

    xml: bytes
    weights: Array
    key: str
    extensions: tuple[object, ...] = ()

    @classmethod
    def of(cls, graph: Graph) -> "Portable":
        """A copy of the graph."""
        layout = lay_out(graph, compact=True)
        kept = [graph.weights.view(start, stop - start) for start, stop in layout.kept]
        weights = np.concatenate([*kept, *(each.view(np.uint8) for each in layout.new), np.empty(0, np.uint8)])
        xml = to_xml(graph, layout).encode()
        key = hashlib.blake2b(xml + weights.data, digest_size=16).hexdigest()
        return cls(xml, weights, key, graph.extensions)
