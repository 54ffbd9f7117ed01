"""The samples that Python gives, and how many of them to use."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from ...ir import Graph
from ..calibration.tables import rows_of
from ..calibration.transformed import Transformed
from ..options.config_error import ConfigError
from ..reporting.front_end import opened


def given_samples(
    data: Iterable[object] | Path | None, graph: Graph, transform: Callable[[Any], object] | None
) -> Iterable[object] | None:
    """The samples of some data.

    Args:
        data: The samples, items that a function makes samples of, or the path of data; None: there are none.
        graph: The model.
        transform: The function; None: the items are samples.

    Raises:
        DataError: a path names no data.
    """
    found = opened(data, graph)
    if transform and found is not None:
        return Transformed(rows_of(found), transform)
    return cast(Iterable[object] | None, found)  # a path without a front end is refused when it is read


def given_size(samples: int | None, subset_size: int | None) -> int | None:
    """The subset size by either of its names; None: neither is given.

    Raises:
        ConfigError: both are.
    """
    if samples is not None and subset_size is not None:
        message = "samples and subset_size are the same option: give one of them"
        raise ConfigError(message)
    return subset_size if samples is None else samples
