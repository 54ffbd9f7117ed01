"""Metrics on the command line: `module:function`, with a limit of its own if one is written behind a `=`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from irquant.passes.accuracy.metrics import Metric
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.options.strict import ConfigError
from irquant.passes.runtime.samples import Sample
from irquant.tools.sources.user_code import load_function

_LIMITED = re.compile(r"(?P<place>.+:\w+)=(?P<limit>.*)")


@dataclass(frozen=True)
class MetricData:
    """Samples that metric functions get as their second argument; each iteration begins with the first.

    Attributes:
        source: All of them.
        most: How many of them to take at most.
    """

    source: Iterable[Sample]
    most: int | None = None

    def __iter__(self) -> Iterator[Sample]:
        """From the first one on."""
        return islice(iter(self.source), self.most)

    def identifying(self) -> Iterator[object]:
        """What the samples hold, and what they are called, which may say how they are labelled."""
        for sample in self:
            yield sample.label
            yield sample.feed


def open_metrics(texts: Sequence[str], options: AccuracyOptions, data: MetricData | None) -> list[Metric]:
    """The metrics that the command line names.

    Args:
        texts: Where the functions are.
        options: The limit, where a metric has none of its own.
        data: What the functions get as their second argument; None: they have but one.

    Raises:
        ConfigError: a limit is no number, or is negative.
        DataError: there is no such function, or its module cannot be imported.
    """
    return [_metric(text, options, data) for text in texts]


def _metric(text: str, options: AccuracyOptions, data: MetricData | None) -> Metric:
    match = _LIMITED.fullmatch(text)
    place, limit = (match["place"], _limit(text, match["limit"])) if match else (text, options.max_drop)
    if ":" not in place:
        message = f"--metric {text}: no such function; write module:function or file.py:function"
        raise ConfigError(message)
    function, name = load_function(place), place.rpartition(":")[2]
    arguments = () if data is None else (data,)
    return Metric(name, function, limit, options.drop_type, arguments=arguments)


def _limit(text: str, written: str) -> float:
    try:
        limit = float(written)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        message = f"--metric {text}: '{written}' is no drop; write a number from 0 on, as in module:function=0.01"
        raise ConfigError(message)
    return limit
