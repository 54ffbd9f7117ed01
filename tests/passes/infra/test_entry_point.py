"""What public functions have in common: visible keywords, and errors that begin at the user's line."""

import inspect
import traceback
from collections.abc import Iterator
from typing import Any, TypedDict, Unpack

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

import irquant
from irquant.ir import UserError
from irquant.passes import InternalError
from irquant.passes.compress import CompressOptions
from irquant.passes.infra.entry_point import entry_point
from irquant.passes.jobs.quantize_options import QuantizeOptions


class Options(TypedDict, total=False):
    size: int


@pytest.mark.parametrize(
    ("function", "options"),
    [
        (irquant.quantize, QuantizeOptions),
        (irquant.quantize_model, QuantizeOptions),
        (irquant.compress, CompressOptions),
        (irquant.compress_model, CompressOptions),
    ],
)
def test_a_signature_names_each_keyword(function: Any, options: type) -> None:
    parameters = inspect.signature(function).parameters
    assert [*parameters][:2] == ["model", "data"]
    assert set(parameters) - {"model", "data", "report"} == set(options.__annotations__)
    assert all(each.kind is not inspect.Parameter.VAR_KEYWORD for each in parameters.values())


@entry_point(Options)
def failing(error: Exception, **options: Unpack[Options]) -> None:
    """Fails.

    Args:
        error: What is raised.
        options: Keywords.
    """
    raise error


def test_a_keyword_is_shown_as_one_that_may_be_left_out() -> None:
    assert str(inspect.signature(failing)) == "(error: Exception, *, size: int = ...) -> None"
    assert failing.__name__ == "failing"
    assert (failing.__doc__ or "").startswith("Fails.")


def deep(depth: int) -> None:
    if depth:
        deep(depth - 1)
    message = "mine"
    raise ValueError(message)


def model() -> ov.Model:
    x = op.parameter([1, 8], np.float32, name="x")
    return ov.Model([op.result(op.matmul(x, np.ones((8, 4), np.float32), False, False))], [x])


def test_a_traceback_begins_at_the_call() -> None:
    with pytest.raises(UserError) as caught:
        irquant.quantize(model(), [np.zeros((1, 9))])
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert [each.name for each in frames] == ["test_a_traceback_begins_at_the_call", "called"]
    assert len(traceback.format_exception(caught.value)) < 10


def test_the_traceback_of_the_users_error_begins_in_the_users_code() -> None:
    def samples() -> Iterator[Any]:
        yield np.zeros((1, 8))
        deep(2)

    with pytest.raises(UserError, match=r"^sample 1: the data raised ValueError: mine$") as caught:
        irquant.quantize(model(), samples())
    cause = caught.value.__cause__
    assert type(cause) is ValueError
    assert [each.name for each in traceback.extract_tb(cause.__traceback__)] == ["samples", "deep", "deep", "deep"]


def test_an_internal_error_keeps_its_traceback() -> None:
    with pytest.raises(InternalError, match=r"^broken$") as caught:
        failing(InternalError("broken"))
    assert [each.name for each in traceback.extract_tb(caught.value.__traceback__)][1:] == ["called", "failing"]
