"""Tables as data: iteration over a table of named columns gives the names, but its rows are the samples.

Likewise, iteration over arrays by number and name (`numpy.load` of a file of samples) gives the keys.
"""

from collections.abc import Mapping
from typing import Any, cast

from .asked import asked
from .numbered_arrays import NumberedArrays, holds_numbered


def rows_of(data: object) -> object:
    """The array of a table or of a column, as pandas and polars have them: a sample a row.

    Arrays by number and name become a sequence of samples. Other data stay as they are.

    Raises:
        DataError: a table cannot be made an array.
    """
    if holds_numbered(data):
        return NumberedArrays(cast(Mapping[str, object], data))
    return asked(cast(Any, data).to_numpy) if hasattr(type(data), "to_numpy") else data


def is_table(data: object) -> bool:
    """Whether the items of some data are columns, or names of columns."""
    return hasattr(type(data), "columns")
