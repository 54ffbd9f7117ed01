"""One quantization, from a float model and data to a checked result, before the guard or the accuracy control."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir import Graph, UserError
from ...targets import Target, load_target, target_names
from ..accuracy.kernel_mismatch import checked
from ..accuracy.requantize import Attempt, CalibratedModel
from ..analysis.already_quantized import refuse_quantized
from ..calibration.calibrate import Calibrate
from ..calibration.fingerprint import model_fingerprint
from ..calibration.subset import expected_count
from ..infra.base import Context, Fact, Pass, Results
from ..infra.manager import PassManager
from ..infra.progress import Progress, no_progress
from ..options.config import QuantizationConfig
from ..options.quantization import RangeEstimator
from ..runtime.samples import DataError
from .pipelines import default_quantization

if TYPE_CHECKING:  # most runs watch no pass
    from ..infra.instruments import Instrument


class NothingToQuantizeError(UserError):
    """The target can run no layer of the model in int8."""


def quantize_once(
    graph: Graph,
    data: Iterable[object] | None,
    target: Target,
    config: QuantizationConfig,
    *,
    measuring: Pass | None = None,
    passes: Sequence[Pass] | None = None,
    instruments: "Sequence[Instrument]" = (),
    progress: Progress = no_progress,
    may_wait: bool = False,
) -> tuple[Results, Attempt, CalibratedModel]:
    """Quantizes a graph in place, as the options say, and checks the result on the runtime.

    Args: as those of `quantize_graph`; for `may_wait` see `checked`.

    Returns:
        The results of each pass, the quantized model, and the calibrated model, from which others can be made.

    Raises:
        UserError: the model or the data are wrong.
    """
    refuse_quantized(graph, keep_compressed=bool(config.keep_compressed))
    source = measuring or Calibrate()
    if data is None and isinstance(source, Calibrate):
        message = (
            "give calibration data (--data SOURCE; in Python, the second argument), or measured statistics "
            "(--statistics FILE)"
        )
        raise DataError(message)
    is_saved = isinstance(source, Calibrate) and source.save_to is not None
    also_for = tuple(_alternatives(target, config)) if is_saved else ()
    context = Context(target, config, data, progress, expected_count(data), model_fingerprint(graph), also_for)
    calibrated = CalibratedModel(
        lambda wanted: passes or default_quantization(source, wanted), context, is_default=passes is None
    )
    watching = [*instruments, calibrated, _RefuseNothing(context)]
    results = PassManager(calibrated.pipeline(config), watching).run(graph, context)
    if not context.plan.sites:  # no sample reached a planned layer
        raise _nothing(context)
    progress("checking the result", 0, None)
    return results, checked(Attempt(graph, context, config, {}), calibrated, may_wait=may_wait), calibrated


@dataclass(frozen=True)
class _RefuseNothing:
    """Ends a run with an empty plan before any data are read."""

    context: Context

    @contextmanager
    def around(self, pass_: Pass, graph: Graph) -> Generator[None]:
        """Checks the plan when it exists."""
        yield
        if Fact.PLANNED in pass_.establishes and not self.context.plan.sites:
            raise _nothing(self.context)


def _nothing(context: Context) -> NothingToQuantizeError:
    message = f"nothing to quantize: {context.plan.why_nothing(context.target.name)}"
    return NothingToQuantizeError(message)


def _alternatives(target: Target, config: QuantizationConfig) -> Iterable[tuple[Target, QuantizationConfig]]:
    """Other targets and options that saved statistics should serve, too."""
    for name in target_names():
        yield load_target(name) if name != target.name else target, config
    for preset in ("performance", "mixed"):
        for estimator in ("default", "quantile"):
            ranges = RangeEstimator(preset=estimator)
            yield target, config.model_copy(update={"preset": preset, "range_estimator": ranges})
