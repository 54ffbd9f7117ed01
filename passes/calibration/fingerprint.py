"""What tells models and data apart: hashes of their content, never of names or times."""

import hashlib
import zlib

import numpy as np

from ...ir import Graph
from ...ir.writer import lay_out, to_xml
from ..runtime.samples import Feed


def model_fingerprint(graph: Graph) -> str:
    """A fingerprint of everything that the model's files say."""
    found = hashlib.sha256()
    layout = lay_out(graph, compact=False)
    found.update(to_xml(graph, layout).encode())
    for each in (graph.weights.data, *layout.new):
        found.update(each.data)
    return found.hexdigest()[:32]


class DataFingerprint:
    """A fingerprint of the samples of a run, as the model gets them, in their order.

    It takes the checksum of each array, which costs a quarter of a hash: it is there to find mistakes, not forgers.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, feed: Feed) -> None:
        """Takes in one more sample."""
        for name, array in feed.items():
            checksum = zlib.crc32(array.reshape(-1).view(np.uint8).data)
            self._hash.update(f"{name} {array.dtype} {array.shape} {checksum:08x};".encode())

    def __str__(self) -> str:
        """What the samples so far come to."""
        return self._hash.hexdigest()[:32]
