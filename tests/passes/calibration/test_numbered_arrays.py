"""Arrays by number and name, as `numpy.load` gives a file of samples."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from irquant.passes.calibration.numbered_arrays import ALONE, NumberedArrays, by_number
from irquant.passes.calibration.tables import rows_of

ARRAYS: dict[str, Any] = {
    "00010|x": np.ones(3),
    "00002|x": np.zeros(2),
    "00002|y": np.zeros(1),
    "00010|_label": np.ones(1),
}


def test_keys_with_numbers_make_samples_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", **ARRAYS)
    loaded: Mapping[str, Any] = np.load(tmp_path / "d.npz")
    for given in (ARRAYS, loaded):
        found = rows_of(given)
        assert isinstance(found, NumberedArrays)
        rows: Any = found[:]
        assert [list(each) for each in rows] == [["x", "y"], ["x"]], "a name with _ in front is no input"
        assert [each["x"].tolist() for each in rows] == [[0, 0], [1, 1, 1]]
        assert len(found) == 2


@pytest.mark.parametrize("given", [{}, {"x": 1}, {"0|x": 1, "y": 2}, {3: 1}, [("0|x", 1)]], ids=str)
def test_other_data_stay_as_they_are(given: object) -> None:
    assert rows_of(given) is given


def test_only_short_decimal_numbers_count() -> None:
    assert by_number(["1|x", "x", "-1|x", "|x", f"{'9' * 19}|x", "1|a|b"]) == {1: {ALONE: {"x": "1|x", "a|b": "1|a|b"}}}
    assert by_number(["0.2|x", "0.10|x", "0.a|x", "1.2.3|x"]) == {0: {2: {"x": "0.2|x"}, 10: {"x": "0.10|x"}}}
