"""A measurement without a number of samples ends when the ranges have settled, and only then."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from irquant.ir import Graph, from_text
from irquant.passes import Context, PassManager, QuantizationConfig
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.calibration.load_statistics import LoadStatistics
from irquant.passes.infra.base import Fact, Pass
from irquant.passes.runtime.samples import DataError
from irquant.passes.statistics.request import Reduction, Request, request
from irquant.targets import load_target

Array = np.ndarray[Any, np.dtype[Any]]
DATA = [np.full((1, 4), index, np.float32) for index in range(200)]
SETTLED = "the ranges have settled: standard errors below 2% of their widths"


@dataclass(frozen=True)
class ReadMeans(Pass):
    """Reads means, which settle after some samples."""

    enough: int = 64

    name: ClassVar[str] = "read-means"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.MEASURED})

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        return frozenset({request(graph.node("x").output(), Reduction.MEAN)})

    def why_all(self, graph: Graph, context: Context) -> str:
        return ""

    def why_more(self, graph: Graph, context: Context) -> str:
        return "" if context.statistics.samples >= self.enough else "the mean moves"

    def run(self, graph: Graph, context: Context) -> int:
        return 0


@dataclass(frozen=True)
class ReadExtremes(ReadMeans):
    """Says nothing of its estimates."""

    name: ClassVar[str] = "read-extremes"

    def why_all(self, graph: Graph, context: Context) -> str:
        return Pass.why_all(self, graph, context)


def calibrated(data: object, *passes: Pass, measuring: Pass | None = None, **options: Any) -> Context:
    graph = from_text("x: f32[1,?] = Parameter()\ny: f32[1,?] = ReLU(x)\nr = Result(y)\n")
    context = Context(load_target("cpu"), QuantizationConfig.checked(guard=False, **options), samples=data)
    PassManager([measuring or Calibrate(), *(passes or [ReadMeans()])]).run(graph, context)
    return context


def once(data: list[Array] = DATA) -> Iterator[Array]:
    yield from data


def measured(context: Context) -> list[float]:
    """The samples that were measured."""
    (wanted,) = context.statistics.measured
    return context.statistics[wanted].ravel().tolist()


@pytest.mark.parametrize(("enough", "samples"), [(1, 32), (32, 32), (33, 64), (64, 64), (150, 160)])
@pytest.mark.parametrize("source", [list, once])
def test_it_ends_after_the_first_block_with_settled_ranges(
    enough: int, samples: int, source: Callable[[list[Array]], Any]
) -> None:
    found = calibrated(source(DATA), ReadMeans(enough))
    assert found.statistics.samples == samples == len(measured(found))
    assert found.calibration.sampling.left == 180 - samples
    assert found.calibration.sampling.why.startswith(SETTLED)


def test_samples_in_their_own_order_are_told_of() -> None:
    order = "; these are the first, since the data are read in their order: shuffle sorted data"
    assert calibrated(once()).calibration.sampling.why == SETTLED + order
    assert calibrated(DATA).calibration.sampling.why == SETTLED
    assert max(measured(calibrated(once()))) < 80
    assert max(measured(calibrated(DATA))) > 190


@pytest.mark.parametrize("source", [list, once])
def test_the_held_out_samples_are_the_same_wherever_it_ends(source: Callable[[list[Array]], Any]) -> None:
    ends = [calibrated(source(DATA), ReadMeans(enough)) for enough in (1, 100, 999)]
    ends.append(calibrated(source(DATA), samples=300))
    held_out = [sorted(float(each.feed["x"][0, 0]) for each in found.held_out) for found in ends]
    assert held_out[0] == held_out[1] == held_out[2] == held_out[3]
    assert len(held_out[0]) == 20


def test_what_comes_behind_the_end_does_not_matter() -> None:
    """Of data with an index, it is not even read."""
    order = calibrated(DATA, ReadMeans(999))
    visited = [int(value) for value in measured(order)]
    broken: list[Any] = list(DATA)
    for index in visited[64:]:
        broken[index] = np.zeros((2, 3, 4), np.float32)
    assert measured(calibrated(broken)) == measured(order)[:64]
    with pytest.raises(DataError, match=f"^sample {visited[64]}: "):
        calibrated(broken, ReadMeans(65))


def test_a_named_number_is_taken() -> None:
    found = calibrated(DATA, ReadMeans(1), samples=100)
    assert found.statistics.samples + len(found.held_out) == 100
    assert measured(found)[:8] == [*range(8)]
    assert not found.calibration.sampling.why


def test_extremes_need_all_samples() -> None:
    found = calibrated(DATA, ReadMeans(1), ReadExtremes())
    assert found.statistics.samples == 180
    assert found.calibration.sampling.why == "all are needed: 'read-extremes' needs all of them"


def test_ranges_that_never_settle_need_all_samples() -> None:
    found = calibrated(DATA, ReadMeans(999))
    assert found.statistics.samples == 180
    assert found.calibration.sampling.why == "all are needed: the mean moves"


@pytest.mark.parametrize("count", [1, 20, 31])
def test_few_samples_are_all_measured(count: int) -> None:
    found = calibrated(DATA[:count], ReadMeans(0))
    assert found.statistics.samples + len(found.held_out) == count
    assert found.calibration.sampling.why == "all are needed: fewer than 32 are not enough"


def test_an_end_at_the_last_sample_is_no_early_end() -> None:
    found = calibrated(DATA[:35], ReadMeans(1))
    assert len(found.held_out) == 3
    assert (found.statistics.samples, found.calibration.sampling.why) == (32, "")


def test_saved_statistics_serve_other_options(tmp_path: Path) -> None:
    file = tmp_path / "s.npz"
    found = calibrated(DATA, ReadMeans(1), measuring=Calibrate(file))
    assert found.statistics.samples == 180
    assert found.calibration.sampling.why == "all are needed: the saved statistics serve other options, too"
    again = calibrated(DATA, ReadMeans(1), measuring=LoadStatistics(file))
    assert measured(again) == measured(found)
    assert again.calibration.sampling.why == "all those of the statistics file"
    assert again.calibration.data_fingerprint == found.calibration.data_fingerprint
    assert len(again.held_out) == 20


def test_batches_are_read_in_their_order() -> None:
    batches = [np.concatenate(DATA[start : start + 10]) for start in range(0, 200, 10)]
    found = calibrated(batches, ReadMeans(1))
    assert found.statistics.samples == 32
    assert max(measured(found)) < 40
    assert len(found.held_out) == 20


def test_drawn_samples_keep_their_order() -> None:
    found = calibrated(DATA, ReadMeans(1), shuffle=True)
    assert found.statistics.samples == 32
    assert max(measured(found)) > 150


@dataclass(frozen=True)
class ReadLargest(ReadMeans):
    """Reads what samples of nothing do not have."""

    name: ClassVar[str] = "read-largest"

    def requests(self, graph: Graph, context: Context) -> frozenset[Request]:
        return frozenset({request(graph.node("x").output(), Reduction.MAX)})


def test_samples_of_nothing_decide_nothing() -> None:
    nothing = [np.zeros((1, 0), np.float32)] * 40
    found = calibrated(once(nothing + DATA), ReadLargest(1))
    assert found.statistics.samples == 64 - 37
    assert found.calibration.sampling.left > 100
