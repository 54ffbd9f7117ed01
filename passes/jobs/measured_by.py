"""The source of a run's statistics: the data, a file, or a pass of the user's pipeline."""

import inspect
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from ..calibration.calibrate import Calibrate
from ..calibration.load_statistics import LoadStatistics
from ..infra.base import Fact, Pass
from ..infra.registry import ALIASES, PASSES
from ..options.config_error import ConfigError


def measured_by(
    statistics: Path | str | None,
    save_statistics: Path | str | None,
    cluster: str | None,
    passes: Sequence[Pass] | None = None,
) -> Pass:
    """The pass that provides the statistics.

    Args:
        statistics: A file of statistics.
        save_statistics: The file to write statistics to.
        cluster: The address of the cluster that measures them.
        passes: A pipeline that has such a pass.

    Raises:
        ConfigError: the options contradict one another, or the pipeline has no such pass.
    """
    if passes is not None:
        if statistics or save_statistics or cluster:
            message = "a pipeline says where statistics come from: leave out statistics, save_statistics and cluster"
            raise ConfigError(message)
        return _measuring(passes)
    if statistics is None:
        return Calibrate(Path(save_statistics) if save_statistics else None, cluster)
    if save_statistics or cluster:
        message = "statistics from a file are not measured: leave out save_statistics and cluster"
        raise ConfigError(message)
    return LoadStatistics(Path(statistics))


def checked_passes(passes: object) -> Sequence[Pass]:
    """A pipeline from the user's code.

    Raises:
        ConfigError: it is no list, or holds an object that is not a pass.
    """
    if isinstance(passes, (str, Path)) or not isinstance(passes, Iterable):
        message = f"passes is {passes!r}, expected a list of passes; the command line reads files: --pipeline FILE"
        raise ConfigError(message)
    found: list[Pass] = []
    for each in cast(Iterable[object], passes):
        if not isinstance(each, Pass):
            raise ConfigError(_no_pass(each))
        found.append(each)
    return found


def _no_pass(given: object) -> str:
    """What to write instead of an object that is not a pass."""
    if inspect.isclass(given) and issubclass(given, Pass):
        return f"passes holds the class {given.__name__}, expected an object: write {given.__name__}()"
    if isinstance(given, str) and (place := PASSES.get(ALIASES.get(given, given))):
        module, _, name = place.partition(":")
        return f"passes holds the name '{given}', expected an object: write {name}(), from irquant.passes.{module}"
    return f"passes holds {given!r}, expected objects of classes that are derived from irquant.passes.Pass"


def _measuring(passes: Sequence[Pass]) -> Pass:
    established = frozenset[Fact]().union(*(each.establishes for each in passes))
    for fact, names in ((Fact.MEASURED, "'calibrate' or 'load-statistics'"), (Fact.RANGES_SET, "'set-ranges'")):
        if fact not in established:
            message = f"the pipeline quantizes nothing: none of its passes establishes {fact}; {names} does"
            raise ConfigError(message)
    return next(each for each in passes if Fact.MEASURED in each.establishes)
