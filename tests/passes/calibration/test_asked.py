"""What the user's own data raise while they are read is the user's error, and keeps its cause."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irquant.ir import from_text
from irquant.passes import Context, InternalError, PassManager
from irquant.passes.calibration.asked import asked
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.calibration.measure_outputs import MeasureOutputs
from irquant.passes.calibration.subset import expected_count, items_of
from irquant.passes.calibration.transformed import Transformed
from irquant.passes.infra.base import Pass
from irquant.passes.runtime.samples import DataError
from irquant.targets import load_target
from irquant.tools.sources.function_source import FunctionSource

GRAPH = "x: f32[1,4] = Parameter()\ny: f32[1,4] = ReLU(x)\nr = Result(y)\n"
ROW = np.ones(4, np.float32)
GONE = "cannot read 3.jpg"


def generator() -> Iterator[Any]:
    yield from [ROW] * 3
    raise OSError(GONE)


class Loader:
    """A loader, as torch's."""

    def __iter__(self) -> Iterator[Any]:
        return generator()


class DataSet:
    """A length and an index."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> Any:
        if index == 3:
            raise OSError(GONE)
        return ROW, "label"


class Dataset:
    """As NNCF's."""

    def get_inference_data(self) -> Iterable[Any]:
        return generator()


def first(item: Any) -> Any:
    return item[0]


@pytest.mark.parametrize("pass_", [Calibrate(), MeasureOutputs()])
@pytest.mark.parametrize(
    "data",
    [
        generator,
        Loader,
        DataSet,
        Dataset,
        lambda: Transformed(Loader(), np.asarray),
        lambda: Transformed(DataSet(), first),
    ],
)
def test_what_the_data_raise_is_told_with_the_sample(data: Any, pass_: Pass) -> None:
    with pytest.raises(DataError) as caught:
        PassManager([pass_]).run(from_text(GRAPH), Context(load_target("cpu"), samples=data()))
    assert str(caught.value) == "sample 3: the data raised OSError: cannot read 3.jpg"
    assert type(caught.value.__cause__) is OSError


def test_what_a_length_raises_is_told() -> None:
    class Endless(DataSet):
        def __len__(self) -> int:
            message = "no index file"
            raise OSError(message)

    with pytest.raises(DataError, match=r"^the data raised OSError: no index file$"):
        expected_count(Endless())


def test_what_irquants_own_sources_raise_is_not_told_as_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loader, "__module__", "irquant.tools.sources.some_source")
    with pytest.raises(InternalError, match="OSError"):
        PassManager([Calibrate()]).run(from_text(GRAPH), Context(load_target("cpu"), samples=Loader()))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, DataError("mine")])
def test_what_is_no_error_of_the_data_stays_what_it_is(error: Any) -> None:
    def question() -> None:
        raise error

    with pytest.raises(error if isinstance(error, type) else DataError) as caught:
        asked(question)
    assert "the data raised" not in str(caught.value)


def test_an_error_from_a_worker_of_a_loader_says_why_and_not_where() -> None:
    def read() -> None:
        message = (
            "Caught OSError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
            f'  File "worker.py", line 349, in _worker_loop\n    data = fetcher.fetch(index)\nOSError: {GONE}\n'
        )
        raise OSError(message)

    with pytest.raises(DataError, match=rf"^sample 3: the data raised OSError: {GONE}$"):
        asked(read, "sample 3")


@pytest.mark.parametrize("pass_", [Calibrate(), MeasureOutputs()])
@pytest.mark.parametrize("transform", [False, True])
def test_a_generator_that_was_read_before_is_told(pass_: Pass, transform: bool) -> None:
    rows = (each for each in [ROW])
    assert len(list(rows)) == 1
    data = Transformed(rows, np.asarray) if transform else rows
    with pytest.raises(DataError) as caught:
        PassManager([pass_]).run(from_text(GRAPH), Context(load_target("cpu"), samples=data))
    empty = "the calibration data are empty: at least one sample is needed"
    assert str(caught.value) == f"{empty}; a generator can be read only once: make a new one, or a list"


def test_a_command_says_in_one_line_what_the_data_raised(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "class D:\n    def __len__(self): return 9\n    def __getitem__(self, index): raise OSError('gone')\n"
    )
    with pytest.raises(DataError) as caught:
        list(items_of(FunctionSource(f"{path}:D")))
    assert str(caught.value) == f"sample 0 of {path}:D: the data raised OSError: gone ({path}:3)"
