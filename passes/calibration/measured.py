"""The numbers of a calibration run, by request."""

from collections.abc import Iterator, Sequence

from ..statistics.column_store import ColumnStore
from ..statistics.request import Numbers, Request
from .attach_statistics import Block


class MeasuredColumns:
    """The measurements of a run: columns of tables that need not fit into memory.

    Args:
        blocks: The outputs with the numbers.
        tables: Their rows.
    """

    def __init__(self, blocks: Sequence[Block], tables: Sequence[ColumnStore]) -> None:
        self._places: dict[Request, tuple[ColumnStore, int, int]] = {}
        for block, table in zip(blocks, tables, strict=True):
            start, found = 0, dict[Request, tuple[ColumnStore, int, int]]()
            for request, size in zip(block.requests, block.sizes, strict=True):
                found[request] = table, start, start + size
                start += size
            self._places |= {request: found[request] for request in sorted(found, key=lambda each: each.place)}

    def __getitem__(self, wanted: Request) -> Numbers:
        """The numbers [observations, size]."""
        table, start, stop = self._places[wanted]
        return table.columns(start, stop)

    def __contains__(self, wanted: object) -> bool:
        """Whether exactly this request was measured."""
        return wanted in self._places

    def __iter__(self) -> Iterator[Request]:
        """The measured requests."""
        return iter(self._places)
