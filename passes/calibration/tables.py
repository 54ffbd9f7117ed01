"""Tables as data: iteration over a table of named columns gives the names, but its rows are the samples."""

from typing import Any, cast

from .asked import asked


def rows_of(data: object) -> object:
    """The array of a table or of a column, as pandas and polars have them: a sample a row. Other data as they are.

    Raises:
        DataError: a table cannot be made an array.
    """
    return asked(cast(Any, data).to_numpy) if hasattr(type(data), "to_numpy") else data


def is_table(data: object) -> bool:
    """Whether the items of some data are columns, or names of columns."""
    return hasattr(type(data), "columns")
