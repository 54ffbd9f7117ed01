"""The work of `irquant diff`."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

from irquant.ir import Change, compare
from irquant.passes import load_model
from irquant.tools.terminal.output import Output


def run_diff(before: Path, after: Path, output: Output) -> int:
    """Shows how two models differ; returns the exit code."""
    changes = compare(load_model(before), load_model(after))
    output.show(lambda: [dataclasses.asdict(change) for change in changes], lambda: _lines(changes))
    return int(bool(changes))


def _lines(changes: Sequence[Change]) -> Iterable[str]:
    for change in changes:
        what = f": {change.what}" if change.what else ""
        yield f"{change.kind} {change.layer}".rstrip() + what
