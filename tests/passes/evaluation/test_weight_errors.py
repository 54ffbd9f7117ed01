"""What 4 bits cost each layer: the error, and the bytes that they save."""

from collections.abc import Callable

import openvino as ov
import pytest

from irquant.ir import Graph
from irquant.passes import Context, QuantizationConfig
from irquant.passes.analysis.bit_choice import Candidate
from irquant.passes.calibration.measure_outputs import MeasureOutputs
from irquant.passes.evaluation.weight_errors import MeasureWeightErrors
from irquant.passes.options.compression import CompressionConfig
from irquant.passes.reporting.report import constant_bytes
from irquant.passes.transforms.quantize_weights_only import QuantizeWeightsOnly
from irquant.targets import load_target
from tests.passes.weight_only_models import Array, language_model, sentences

Read = Callable[[ov.Model], Graph]
CONFIG = CompressionConfig(weights="int4", group=32)


def measured(graph: Graph, data: list[Array] | None = None, config: CompressionConfig = CONFIG) -> dict[str, Candidate]:
    context = Context(load_target("cpu"), QuantizationConfig(), data)
    if data:
        MeasureOutputs().run(graph, context)
    assert MeasureWeightErrors(config).run(graph, context) == 0
    assert not graph.is_edited
    return {each.name: each for each in context.four_bits}


def test_only_layers_that_may_have_4_bits_are_measured(graph_of: Read) -> None:
    assert set(measured(graph_of(language_model()))) == {"up0", "down0", "up1", "down1"}


@pytest.mark.parametrize("bits", ["int4", "nf4"])
def test_at_least_the_saved_bytes_are_saved(graph_of: Read, bits: str) -> None:
    config = CompressionConfig.read({"weights": bits, "group": 32, "all_layers": True}, "")
    found = measured(graph_of(language_model()), config=config)
    sizes: list[int] = []
    for eight in (frozenset(found), frozenset[str]()):
        graph = graph_of(language_model())
        QuantizeWeightsOnly(config.weights, 32, True, eight).run(graph, Context(load_target("cpu")))
        sizes.append(constant_bytes(graph))
    saved = sum(each.saved for each in found.values())
    assert saved - 1500 < sizes[0] - sizes[1] <= saved + 1500  # zero points, which are chosen later, may differ


def test_data_give_the_error_of_the_outputs(graph_of: Read) -> None:
    without, having = measured(graph_of(language_model())), measured(graph_of(language_model()), sentences(12))
    assert all(0.001 < each.error < 0.05 for each in (*without.values(), *having.values()))
    assert all(without[name].error != having[name].error for name in without)
