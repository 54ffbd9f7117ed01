"""Metrics on the command line: `module:function`, with its own limit after `=`, if given."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from irquant.passes.accuracy.metrics import Metric
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.options.config_error import ConfigError
from irquant.passes.runtime.samples import Sample
from irquant.tools.sources.drops import Drop, drop_of
from irquant.tools.sources.user_code import load_function

_LIMITED = re.compile(r"(?P<place>.+:\w+)=(?P<limit>.*)")


@dataclass(frozen=True)
class MetricData:
    """Samples that metric functions get as their second argument; each iteration starts at the first sample.

    Attributes:
        source: All samples.
        most: How many samples to take at most; None: all.
    """

    source: Iterable[Sample]
    most: int | None = None

    def __iter__(self) -> Iterator[Sample]:
        """Starts at the first sample."""
        return islice(iter(self.source), self.most)

    def identifying(self) -> Iterator[object]:
        """The contents of the samples and their names, which may contain labels."""
        for sample in self:
            yield sample.label
            yield sample.feed


def open_metrics(texts: Sequence[str], options: AccuracyOptions, data: MetricData | None) -> list[Metric]:
    """The metrics that the command line names.

    Args:
        texts: The names of the functions.
        options: The limit of metrics without their own.
        data: The second argument of the functions; None: they have only one.

    Raises:
        ConfigError: a limit is not a number, or is negative.
        DataError: a function does not exist, or its module cannot be imported.
    """
    return [_metric(text, options, data) for text in texts]


def _metric(text: str, options: AccuracyOptions, data: MetricData | None) -> Metric:
    match = _LIMITED.fullmatch(text)
    place, drop = (match["place"], _limit(text, match["limit"])) if match else (text, None)
    if ":" not in place:
        message = f"--metric {text}: no such function; write module:function or file.py:function"
        raise ConfigError(message)
    of_all = options.max_drop, options.drop_type
    function, name = load_function(place), place.rpartition(":")[2]
    arguments = () if data is None else (data,)
    limit, drop_type = (drop.value, "relative" if drop.is_share else options.drop_type) if drop else of_all
    return Metric(name, function, limit, drop_type, arguments=arguments)


def _limit(text: str, written: str) -> Drop:
    try:
        return drop_of(written)
    except ValueError as error:
        message = f"--metric {text}: {error}"
        raise ConfigError(message) from None
