"""The source of a run's statistics: the data, a file, or a pass of the user's pipeline."""

from collections.abc import Sequence
from pathlib import Path

from ..calibration.calibrate import Calibrate
from ..infra.base import Fact, Pass
from ..options.config_error import ConfigError

#: The name of the pass that needs no data: `LoadStatistics`.
LOADING = "load-statistics"


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
    from ..calibration.load_statistics import LoadStatistics  # here: most runs measure

    return LoadStatistics(Path(statistics))


def _measuring(passes: Sequence[Pass]) -> Pass:
    established = frozenset[Fact]().union(*(each.establishes for each in passes))
    for fact, names in ((Fact.MEASURED, "'calibrate' or 'load-statistics'"), (Fact.RANGES_SET, "'set-ranges'")):
        if fact not in established:
            message = f"the pipeline quantizes nothing: none of its passes establishes {fact}; {names} does"
            raise ConfigError(message)
    return next(each for each in passes if Fact.MEASURED in each.establishes)
