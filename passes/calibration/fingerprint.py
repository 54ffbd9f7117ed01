"""Fingerprints of models and data: hashes of their content, never of names or times."""

import hashlib
from collections.abc import Sequence

from ...ir import Graph
from ...ir.writer import lay_out, to_xml
from ..runtime.samples import Runnable


def model_fingerprint(graph: Graph) -> str:
    """A fingerprint of the whole content of the model's files."""
    found = hashlib.sha256()
    layout = lay_out(graph, compact=False)
    found.update(to_xml(graph, layout).encode())
    for each in (graph.weights.data, *layout.new):
        found.update(each.data)
    return found.hexdigest()[:32]


class DataFingerprint:
    """A fingerprint of the samples of a run, as the model gets them, in their order.

    Each array counts by its checksum, which takes a quarter of the time of a hash: the fingerprint finds mistakes, not
    forgeries.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, sample: Runnable, checksums: Sequence[int]) -> None:
        """Adds a sample, or a step: the same steps in other sequences are other data.

        Args:
            sample: The sample.
            checksums: The checksum of each of its arrays (see `DataLook.add`).
        """
        self._hash.update(b"then " if sample.past else b"")
        for (name, array), checksum in zip(sample.feed.items(), checksums, strict=True):
            self._hash.update(f"{name} {array.dtype} {array.shape} {checksum:08x};".encode())

    def __str__(self) -> str:
        """The fingerprint of the samples so far."""
        return self._hash.hexdigest()[:32]
