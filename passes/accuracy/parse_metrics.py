"""Turns the user's metrics into metrics that can be measured."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import TypeAlias

from ...ir.spelling import worded
from ..options.accuracy import AccuracyOptions
from ..options.config import QuantizationConfig
from ..options.config_error import ConfigError
from .metrics import Metric, MetricFunction, name_of
from .published_metric import OverDataSet, PublishedMetric, is_published

#: A metric as it may be given.
GivenMetric: TypeAlias = Metric | MetricFunction | PublishedMetric


def metrics_of(
    given: GivenMetric | Sequence[GivenMetric] | None,
    config: QuantizationConfig,
    data: object = None,
    *,
    where: str = "",
) -> tuple[Metric, ...]:
    """The metrics of a run, with their limits.

    Args:
        given: Functions, which get the limit of the configuration, or metrics, which have their own.
        config: The user's options.
        data: The data set of metric objects of the published tool.
        where: The name of the configuration in messages; empty: it has none.

    Raises:
        ConfigError: the configuration needs a metric but there is none, or a baseline fits no metric.
    """
    listed: list[GivenMetric] = [] if given is None else [*given] if isinstance(given, Sequence) else [given]
    options = config.accuracy or AccuracyOptions()
    metrics = [each if isinstance(each, Metric) else _metric(each, options, data) for each in listed]
    if not metrics and config.accuracy and config.accuracy.is_required:
        message = (
            f"AccuracyAwareQuantization needs a metric: give {worded('--metric module:function', 'metric=function')}, "
            "docs/migrate_from_pot.md has one for top-1; without one take DefaultQuantization, whose guard needs no "
            "labels"
        )
        raise ConfigError(message)
    for each in metrics:
        _refuse_other_arguments(each)
    origin = f"baseline_value of {where}" if where else "baseline_value"
    return tuple(_with_baselines(list(_numbered(metrics)), options.baselines, origin))


def _refuse_other_arguments(metric: Metric) -> None:
    """Refuses a function that cannot be called, before calibration: that of NNCF takes a compiled model and data."""
    try:
        signature = inspect.signature(metric.function)
    except (TypeError, ValueError):  # functions in other languages may have none
        return
    try:
        signature.bind(None, *metric.arguments)
    except TypeError:
        gets = ", ".join(["predict", *["the samples"] * len(metric.arguments)])
        message = (
            f"metric {metric.name} takes {signature}, but gets ({gets}): write a function of these, where "
            f"predict(sample) gives the outputs by name{worded('; --metric-data SOURCE adds the samples', '')}"
        )
        raise ConfigError(message) from None


def _numbered(metrics: Sequence[Metric]) -> Iterator[Metric]:
    """The metrics with unique names: the second metric of a name gets a 2 after it."""
    taken = {each.name for each in metrics}
    seen: set[str] = set()
    for each in metrics:
        name = each.name
        if name in seen:
            name = next(new for number in count(2) if (new := f"{name} {number}") not in taken)
        seen.add(name)
        taken.add(name)
        yield replace(each, name=name)


def _metric(given: MetricFunction | PublishedMetric, options: AccuracyOptions, data: object) -> Metric:
    function = OverDataSet(given, data) if is_published(given) else given
    if not callable(function):
        message = f"metric is {type(function).__name__}, expected a function of `predict` that gives a number"
        raise ConfigError(message)
    return Metric(name_of(function), function, options.max_drop, options.drop_type)


def _with_baselines(metrics: Sequence[Metric], baselines: Mapping[str, float], origin: str) -> list[Metric]:
    """Metrics with their baselines, matched by name; a single baseline fits a single metric of any name."""
    if len(metrics) == len(baselines) == 1:
        return [replace(metrics[0], baseline=value, baseline_origin=origin) for value in baselines.values()]
    names = [each.name for each in metrics]
    if metrics and (unknown := [name for name in baselines if name not in names]):
        message = f"a baseline is given for metric '{unknown[0]}', but the metrics are: {', '.join(names)}"
        raise ConfigError(message)
    return [
        replace(each, baseline=baselines[each.name], baseline_origin=origin) if each.name in baselines else each
        for each in metrics
    ]
