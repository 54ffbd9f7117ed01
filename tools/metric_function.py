"""Metrics on the command line: `module:function`, with a limit of its own if one is written behind a `=`."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import numpy as np

from irquant.passes import ConfigError, Metric, Sample
from irquant.passes.calibration.fingerprint import DataFingerprint
from irquant.passes.configuration.accuracy import AccuracyOptions
from irquant.passes.quality.metrics import identity_of
from irquant.tools.user_code import load_function

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

    def fingerprint(self) -> str:
        """Of what the samples hold."""
        found = DataFingerprint()
        for sample in self:
            found.add(dict(_arrays(sample.feed)))
        return str(found)


def open_metrics(
    texts: Sequence[str], options: AccuracyOptions, data: MetricData | None, *, is_remembered: bool
) -> list[Metric]:
    """The metrics that the command line names.

    Args:
        texts: Where the functions are.
        options: The limit, where a metric has none of its own.
        data: What the functions get as their second argument; None: they have but one.
        is_remembered: Whether measurements are kept, so that other data must be told apart.

    Raises:
        ConfigError: a limit is no number, or is negative.
        DataError: there is no such function, or its module cannot be imported.
    """
    of_data = data.fingerprint() if data is not None and is_remembered else ""
    return [_metric(text, options, data, of_data) for text in texts]


def _metric(text: str, options: AccuracyOptions, data: MetricData | None, of_data: str) -> Metric:
    match = _LIMITED.fullmatch(text)
    place, limit = (match["place"], _limit(text, match["limit"])) if match else (text, options.max_drop)
    if ":" not in place:
        message = f"--metric {text}: no such function; write module:function or file.py:function"
        raise ConfigError(message)
    function, name = load_function(place), place.rpartition(":")[2]
    arguments = () if data is None else (data,)
    return Metric(name, function, limit, options.drop_type, None, f"{identity_of(function)} {of_data}", arguments)


def _limit(text: str, written: str) -> float:
    try:
        limit = float(written)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        message = f"--metric {text}: '{written}' is no drop; write a number from 0 on, as in module:function=0.01"
        raise ConfigError(message)
    return limit


def _arrays(feed: object) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """What a sample holds, by name or number."""
    if isinstance(feed, Mapping):
        named: Iterable[tuple[object, object]] = cast(Mapping[object, object], feed).items()
    else:
        named = enumerate(cast(Sequence[object], feed) if isinstance(feed, (list, tuple)) else [feed])
    return ((str(name), np.ascontiguousarray(value)) for name, value in named)
