"""Models that need a warm-up."""

from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.passes.runtime.warm_up import bodies_of, may_need_warm_up
from tests.passes.doubled_by_if import doubled_by_if


def branched(size: int) -> ov.Model:
    """An If."""
    x, flag = op.parameter([size, 8], np.float32), op.parameter([], np.bool_)
    return ov.Model([op.result(doubled_by_if(x, flag))], [x, flag])


def looped() -> ov.Model:
    """The same in the body of a loop."""
    inner = branched(-1)
    data, flag = inner.get_parameters()
    body = ov.Model([*inner.get_results(), op.result(op.constant(True))], [data, flag])
    outer = [op.parameter([-1, 8], np.float32), op.parameter([], np.bool_)]
    loop: Any = op.loop(op.constant(2), op.constant(True))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_merged_input(data, outer[0].output(0), body.get_results()[0].output(0))
    loop.set_invariant_input(flag, outer[1].output(0))
    return ov.Model([op.result(loop.get_iter_value(body.get_results()[0].output(0), -1))], outer)


@pytest.mark.parametrize(("model", "expected"), [(branched(-1), True), (branched(3), False), (looped(), True)])
def test_an_if_of_dynamic_sizes_needs_one_also_in_a_body(model: ov.Model, *, expected: bool) -> None:
    assert may_need_warm_up(model) is expected


def test_operations_without_bodies_are_not_asked_for_any() -> None:
    class Operation:
        """One whose binding takes long to say that it lacks an attribute."""

        def get_type_name(self) -> str:
            return "Convolution"

        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    assert bodies_of(Operation()) == []
    assert [len(bodies_of(each)) for each in looped().get_ops() if bodies_of(each)] == [1]
