"""Tables as data: pandas and polars iterate over the names of columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irquant.ir import from_text
from irquant.passes import QuantizationConfig
from irquant.passes.calibration.reading import Reading
from irquant.passes.calibration.subset import chosen_samples
from irquant.passes.calibration.tables import rows_of
from irquant.passes.calibration.transformed import Transformed
from irquant.passes.infra.base import Context
from irquant.passes.runtime.data_look import DataLook
from irquant.passes.runtime.samples import DataError
from irquant.targets import load_target
from irquant.tools.sources.function_source import FunctionSource

ROWS = np.random.default_rng(3).normal(size=(20, 4))
GRAPH = from_text("x: f32[1,4] = Parameter()\ny: f32[1,4] = ReLU(x)\nr = Result(y)\n")


class Columns:
    """A table of columns by name."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    @property
    def columns(self) -> list[str]:
        return list("abcd")

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, name: str) -> Any:
        return self.values[:, self.columns.index(name)]


class DataFrame(Columns):
    """What irquant uses of the tables of pandas and polars."""

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def to_numpy(self) -> Any:
        return self.values


class Broken(DataFrame):
    """A table that is no array."""

    def to_numpy(self) -> Any:
        message = "column 'd' is ragged"
        raise ValueError(message)


def read(data: Any) -> list[Any]:
    context = Context(load_target("cpu"), samples=data)
    return sorted(each.feed["x"].tolist() for each in Reading.of(GRAPH, context, DataLook()).all)


def test_the_rows_of_a_table_are_the_samples() -> None:
    assert read(DataFrame(ROWS)) == read(ROWS)


def test_a_column_of_arrays_has_a_sample_a_row() -> None:
    series = np.empty(20, object)
    series[:] = list(ROWS)
    assert read(DataFrame(series)) == read(ROWS)


def test_a_row_of_a_table_that_does_not_fit_is_named() -> None:
    with pytest.raises(DataError, match=r"^row 0 of the array \[20, 3\]: input 'x' f32\[1,4\]: got float64\[3\]"):
        read(DataFrame(ROWS[:, :3]))


def test_a_transform_gets_rows() -> None:
    made = Transformed(rows_of(DataFrame(ROWS)), lambda row: row[:2])
    assert [np.asarray(each.feed).tolist() for each in chosen_samples(made, QuantizationConfig())] == ROWS[
        :, :2
    ].tolist()


def test_a_table_that_is_no_array_is_told() -> None:
    with pytest.raises(DataError) as caught:
        read(Broken(ROWS))
    assert str(caught.value) == "the data raised ValueError: column 'd' is ragged"


@pytest.mark.parametrize("transform", [False, True])
def test_a_table_that_gives_no_array_is_refused(transform: bool) -> None:
    with pytest.raises(DataError) as caught:
        read(Transformed(Columns(ROWS), np.asarray) if transform else Columns(ROWS))
    assert str(caught.value) == "the data are Columns, whose items are columns: give an array with a sample a row"


def test_a_function_may_give_a_table(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "class DataFrame:\n    columns = ['a']\n    def __iter__(self): return iter('a')\n"
        "    def to_numpy(self): return [[1.0], [2.0]]\n"
    )
    assert [each.feed for each in FunctionSource(f"{path}:DataFrame")] == [[1.0], [2.0]]


def test_a_table_of_pandas_is_read_by_rows() -> None:
    pandas: Any = pytest.importorskip("pandas")
    assert read(pandas.DataFrame(ROWS, columns=list("abcd"), index=range(5, 25))) == read(ROWS)
    assert read(pandas.Series(list(ROWS), index=range(5, 25))) == read(ROWS)
