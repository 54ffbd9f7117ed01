"""The rows of the table of layers."""

import dataclasses
from typing import Any, cast

import pytest

from irquant.passes import Report
from irquant.passes.analysis.layer_times import LayerTime
from irquant.passes.evaluation.sensitivity import Effect
from irquant.passes.placement.plan import Decision
from irquant.passes.reporting.report import Layer
from irquant.tools.report.layer_rows import LayerRow, layer_rows


@dataclasses.dataclass
class Times:
    layers: tuple[LayerTime, ...]


@dataclasses.dataclass
class Part:
    """The part of a report that the rows are made from."""

    layers: tuple[Layer, ...]
    effects: tuple[Effect, ...]
    latencies: Times | None = None


def layer(name: str, node: int, shape: tuple[int, ...] = (1, 8, 4, 4), **more: Any) -> Layer:
    return Layer(
        name, "Convolution", Decision(int8=True, reason=""), shape=shape, multiply_accumulates=64, node=node, **more
    )


def rows(*layers: Layer, effects: tuple[Effect, ...] = (), times: tuple[LayerTime, ...] = ()) -> list[LayerRow]:
    return list(layer_rows(cast(Report, Part(layers, effects, Times(times)))))


def test_layers_and_rounded_operations_stand_in_the_order_of_the_model() -> None:
    effects = Effect((), 2, "sum", "Add", 20.0, (), 0.8), Effect((), 1, "one", "Convolution", 30.0, (), 0.2)
    found = rows(layer("three", 3), layer("one", 1), effects=effects)
    assert [(each.name, each.runs, each.order) for each in found] == [
        ("one", "int8", 2),
        ("sum", "", 1),
        ("three", "int8", 5),
    ]
    assert [each.length for each in found] == [0.25, 1.0, 0.0]


@pytest.mark.parametrize(
    ("shape", "shown", "products"),
    [((1, 8, 4, 4), "1x8x4x4", 64), ((-1, 8, 4, 4), "?x8x4x4", 64), ((1, 8, -1, -1), "1x8x?x?", 0)],
)
def test_the_work_of_a_layer_of_unknown_size_is_unknown(shape: tuple[int, ...], shown: str, products: int) -> None:
    (row,) = rows(layer("one", 1, shape))
    assert (row.shape, row.macs) == (shown, products)


def test_layers_that_run_as_one_share_their_time_and_bodies_have_none() -> None:
    time = LayerTime(("one", "two"), 1e-3, 2e-3)
    one, two, inner = rows(layer("one", 1), layer("two", 2), layer("one", 3, scope=((9, "body"),)), times=(time,))
    assert (one.time, two.time, inner.time) == (time, time, None)
    assert (one.is_slower, inner.is_slower) == (True, False)
    (unsure,) = rows(layer("one", 1), times=(dataclasses.replace(time, is_sure=False),))
    assert not unsure.is_slower
