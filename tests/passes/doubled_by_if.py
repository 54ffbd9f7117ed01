"""An If whose branches both double a tensor."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op


def doubled_by_if(x: Any, flag: Any) -> Any:
    """The output of the If, of the shape of `x`."""
    inner = [op.parameter(x.get_partial_shape(), np.float32) for _ in range(2)]
    bodies = [ov.Model([op.result(op.multiply(each, np.float32(2)))], [each]) for each in inner]
    branch: Any = op.if_op(flag)
    branch.set_then_body(bodies[0])
    branch.set_else_body(bodies[1])
    branch.set_input(x.output(0), *inner)
    return branch.set_output(*(each.get_results()[0] for each in bodies))
