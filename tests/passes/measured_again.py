"""What a calibration would give that ran the changed model, to compare with statistics that follow from earlier ones."""

from collections.abc import Collection

import numpy as np

from irquant.ir import Graph
from irquant.passes import Context
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.statistics.request import Request


def assert_as_measured_again(
    graph: Graph, context: Context, wanted: Collection[Request] | None = None, tolerance: float = 1e-3
) -> None:
    """Asserts that the statistics of a changed model are those of another run over its data.

    Args:
        graph: The changed model.
        context: Its plan, its statistics, and the data.
        wanted: What to compare; default: what the passes wanted.
        tolerance: Relative and absolute.
    """
    wanted = frozenset(context.wanted if wanted is None else wanted)
    again = Context(context.target, context.config, context.samples)
    again.wanted, again.plan = wanted, context.plan
    Calibrate().run(graph, again)
    for each in sorted(wanted, key=lambda it: it.place):
        np.testing.assert_allclose(
            context.statistics[each], again.statistics[each], rtol=tolerance, atol=tolerance, err_msg=str(each)
        )
