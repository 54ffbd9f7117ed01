"""Metric objects of the published tool, with the data set that its engine measured them on.

Such an object takes the outputs and the annotations of some samples (`update`), clears them (`reset`), and gives the
mean by name (`avg_value`). Its samples are those of the data set, `(data, annotation)`. Postprocessing by a custom
engine and objects with several values are not supported: write a function instead.

Source: the published description of the interface `Metric` (POT 2023.3).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, TypeGuard, cast, runtime_checkable

import numpy as np

from ..calibration.subset import Indexed
from ..options.config_error import ConfigError
from .metrics import MetricError, Predict


@runtime_checkable
class PublishedMetric(Protocol):
    """The interface of a metric of the published tool."""

    @property
    def avg_value(self) -> Mapping[str, Any]:
        """The mean over all updates, by name."""
        ...

    def update(self, output: list[Any], target: list[Any]) -> None:
        """Takes the outputs and the annotations of some samples."""
        ...

    def reset(self) -> None:
        """Clears all updates."""
        ...


def is_published(given: object) -> TypeGuard[PublishedMetric]:
    """Whether something is such an object; its mean is not read, since there are no updates yet."""
    return all(hasattr(type(given), name) for name in ("avg_value", "update", "reset"))


class OverDataSet:
    """A metric of the published tool over a data set, as a function of `predict`.

    Args:
        metric: The object.
        data: Items with annotations.

    Raises:
        ConfigError: the data are not a data set.
    """

    def __init__(self, metric: PublishedMetric, data: object) -> None:
        if not isinstance(data, Indexed):
            message = (
                f"metric {type(metric).__name__} needs data with a length and an index whose items are (data, "
                f"annotation), not {type(data).__name__}; or give a function of `predict`"
            )
            raise ConfigError(message)
        self._metric, self._data = metric, data
        self.__name__ = type(metric).__name__

    def __call__(self, predict: Predict) -> float:
        """The mean over the whole data set; its negative if lower is better."""
        self._metric.reset()
        for sample, annotation in self._items():
            self._metric.update(list(predict(sample).values()), [annotation])
        found = self._metric.avg_value
        if len(found) != 1:
            message = f"metric {self.__name__}: gave {len(found)} values ({', '.join(found)}), expected one"
            raise MetricError(message)
        name = next(iter(found))
        attributes: Any = getattr(self._metric, "get_attributes", dict[str, Any])()
        mean = np.asarray(found[name], np.float64).mean()
        is_loss = attributes.get(name, {}).get("direction") == "lower-better"
        return float(mean) * (-1 if is_loss else 1)

    def identifying(self) -> Iterator[object]:
        """The object before any update, and the whole data set."""
        self._metric.reset()
        yield self._metric
        for index in range(len(self._data)):
            yield self._data[index]

    def _items(self) -> Iterator[tuple[object, object]]:
        for index in range(len(self._data)):
            item = self._data[index]
            parts = list(cast(tuple[object, ...], item)) if isinstance(item, tuple) else []
            if len(parts) not in (2, 3):
                message = f"metric {self.__name__}: item {index} of the data is no (data, annotation)"
                raise MetricError(message)
            if isinstance(parts[0], tuple):  # ((number, annotation), data)
                yield parts[1], list(cast(tuple[object, ...], parts[0]))[1]
            else:
                yield parts[0], parts[1]
