"""21 calls as scripts with NNCF have them, with irquant in its place: each runs, or says what to write instead."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

import irquant

RNG = np.random.default_rng(7)
GUIDE = "docs/migrate_from_nncf.md"


# ------------------------------------------------------------------------ the interface of NNCF 3.4, as far as it is used


@dataclass
class Dataset:
    """`nncf.Dataset`, which has neither a length nor an index, and cannot be iterated."""

    data_source: Iterable[Any]
    transform_func: Callable[[Any], Any] = lambda item: item

    def get_inference_data(self, indices: list[int] | None = None) -> Iterator[Any]:
        """The samples."""
        assert indices is None
        return map(self.transform_func, self.data_source)


@dataclass
class IgnoredScope:
    """`nncf.IgnoredScope`."""

    names: list[str] = field(default_factory=list[str])
    patterns: list[str] = field(default_factory=list[str])
    types: list[str] = field(default_factory=list[str])
    subgraphs: list[Any] = field(default_factory=list[Any])
    validate: bool = True


class Word(Enum):
    """Members of the enumerations of NNCF."""

    MIXED = "mixed"
    CPU = "CPU"
    TRANSFORMER = "transformer"
    INT4_SYM = "int4_sym"
    RELATIVE = "relative"


def two_layers() -> ov.Model:
    """MatMul `first`, ReLU, MatMul `second` over `x` f32[?,8]; output `logits`."""
    x = op.parameter([-1, 8], np.float32, name="x")
    x.output(0).set_names({"x"})
    hidden = op.relu(op.matmul(x, RNG.normal(size=(8, 16)).astype(np.float32), False, False, name="first"))
    logits = op.matmul(hidden, RNG.normal(size=(16, 4)).astype(np.float32), False, False, name="second")
    logits.output(0).set_names({"logits"})
    return ov.Model([op.result(logits)], [x], "two_layers")


def scope() -> dict[str, Any]:
    """The names that the snippets use."""
    rows = [RNG.normal(size=(1, 8)).astype(np.float32) for _ in range(20)]
    return {
        **{each.__name__: each for each in (Dataset, IgnoredScope)},
        **dict.fromkeys(("QuantizationPreset", "TargetDevice", "ModelType", "CompressWeightsMode", "DropType"), Word),
        "irquant": irquant,
        "model": two_layers(),
        "rows": rows,
        "loader": [(np.concatenate(rows[start : start + 4]), np.zeros(4)) for start in range(0, 20, 4)],
        "transform_fn": lambda item: {"x": item[0]},
        "validate": lambda model, data: 1.0,
        "measure": lambda predict: float(predict(rows[0])["logits"][0, 0] > -1e9),
    }


#: A snippet -> the error that says what to write instead; empty: it runs.
SNIPPETS = {
    "irquant.quantize(model, Dataset(rows), subset_size=10)": "",
    "irquant.quantize(model, Dataset(loader, transform_fn), preset=QuantizationPreset.MIXED)": "",
    "irquant.quantize(model, loader, transform=transform_fn, subset_size=10)": "",
    "irquant.quantize(model, rows, preset='MIXED', metric=measure, max_drop=0.01, drop_type=DropType.RELATIVE)": "",
    "irquant.compress(model, Dataset(rows), weights='INT8', all_layers=True)": "",
    "irquant.quantize(model, rows, ignored={'operations': [{'type': 'Relu'}], 'scope': ['first']})": "",
    "irquant.quantize(model, rows, ignored=[{'type': 'MatMul'}])": "ignored holds {'type': 'MatMul'}, expected names of "
    "layers; write ignored={'operations': [{'type': 'MatMul'}]}",
    "irquant.quantize(model, rows, ignored={'operation': []})": "unknown key 'ignored.operation'; did you mean "
    "'operations'? known keys: scope, operations, skip_model",
    "from irquant import Dataset, IgnoredScope": "irquant has no 'Dataset': give the items themselves: quantize(model, "
    "items), with transform=FUNCTION if they need one",
    "irquant.quantize(model, calibration_dataset=Dataset(rows), target_device=TargetDevice.CPU)": "quantize() got "
    "unexpected keyword arguments 'calibration_dataset', 'target_device'; calibration_dataset: give the samples, or a data "
    "set of NNCF, as second argument, after the model; target_device: write target='CPU'",
    "irquant.quantize(model, rows, model_type=ModelType.TRANSFORMER, fast_bias_correction=False)": "quantize() got "
    "unexpected keyword arguments 'model_type', 'fast_bias_correction'; model_type: leave it out: transformers are "
    'recognised; fast_bias_correction: write config=QuantizationConfig(correct_biases="sequential")',
    "irquant.quantize(model, rows, ignored_scope=IgnoredScope(names=['first'], patterns=['head/.*']))": "quantize() got "
    "an unexpected keyword argument 'ignored_scope'; ignored_scope: write ignored=['first', 're:head/.*']",
    "irquant.quantize(model, rows, ignored=IgnoredScope(types=['MatMul']))": "ignored is IgnoredScope, expected names of "
    "layers; write ignored={'operations': [{'type': 'MatMul'}]}",
    "irquant.quantize_with_accuracy_control(model, Dataset(rows), Dataset(rows), validate, max_drop=0.01)": "irquant has "
    "no 'quantize_with_accuracy_control': write quantize(model, data, metric=FUNCTION, max_drop=0.01)",
    "irquant.quantize(model, rows, metric=validate)": "metric <lambda> takes (model, data), but gets (predict): write a "
    "function of these, where predict(sample) gives the outputs by name",
    "irquant.compress_weights(model, mode=CompressWeightsMode.INT4_SYM)": "irquant has no 'compress_weights': write "
    "compress_model(model)",
    "irquant.compress(model, mode=CompressWeightsMode.INT4_SYM, ratio=0.8, group_size=64, dataset=rows, awq=True)": ""
    "compress() got unexpected keyword arguments 'mode', 'group_size', 'dataset', 'awq'; mode: write weights=\"int4\": a "
    "group gets a zero point only if that fits much better; group_size: write group=64; dataset: give the samples, or a "
    "data set of NNCF, as second argument, after the model; awq: leave it out: with data, irquant rounds weights by GPTQ, with "
    "scales of least error",
    "irquant.compress_model(model, ignored=['x'])": "compress_model() got an unexpected keyword argument 'ignored'; ignored: "
    "not supported: ratio= or min_db= leave the most sensitive layers in 8 bits, which are nearly exact",
    "irquant.quantize_model(model, rows, num_bit=8)": "quantize_model() got an unexpected keyword argument 'num_bit'",
    "irquant.compress(model, weights=CompressWeightsMode.INT4_SYM)": 'weights: write weights="int4": a group gets a zero '
    "point only if that fits much better",
    "irquant.compress(model, weights='int4', group=-1)": "group: write 0 for one scale in each row",
}


@pytest.mark.parametrize(("snippet", "instead"), SNIPPETS.items())
@pytest.mark.filterwarnings("ignore::irquant.QuantizationWarning")
def test_a_snippet_runs_or_says_what_to_write_instead(snippet: str, instead: str) -> None:
    if not instead:
        exec(snippet, scope())
        return
    with pytest.raises((TypeError, AttributeError, ImportError, irquant.UserError)) as raised:
        exec(snippet, scope())
    assert str(raised.value) == instead


def test_the_documents_have_the_count_of_snippets() -> None:
    assert (len(SNIPPETS), sum(not instead for instead in SNIPPETS.values())) == (21, 6)


def test_a_data_set_of_nncf_gives_the_same_result_as_its_items(tmp_path: Path) -> None:
    rows: Sequence[Any] = scope()["rows"]
    model = two_layers()
    given: dict[str, Any] = {"a": rows, "b": Dataset(rows)}
    for name, data in given.items():
        irquant.quantize(model, data, output=tmp_path / f"{name}.xml", subset_size=20, report=lambda _: None)
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("IEEngine", "write quantize(model, data_loader, config=algorithms)"),
        ("save_model", "write quantize(model, data, output='model_int8.xml'), or openvino.save_model(result, PATH)"),
        ("BackupMode", "there is nothing of the kind: leave it out"),
        ("QuantizationMode", "leave mode out: irquant makes int8 models"),
    ],
)
def test_other_names_of_former_tools_say_what_to_write(name: str, instead: str) -> None:
    with pytest.raises(AttributeError) as raised:
        getattr(irquant, name)
    assert str(raised.value) == f"irquant has no '{name}': {instead}"
    with pytest.raises(ImportError) as refused:
        exec(f"from irquant import {name}")
    assert str(refused.value) == str(raised.value)


def test_a_misspelt_parameter_gets_the_nearest_one() -> None:
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'traget'; did you mean 'target'\?$"):
        irquant.quantize("model.xml", [], **cast(Any, {"traget": "cpu"}))


@pytest.mark.parametrize("function", ["quantize", "quantize_model", "compress", "compress_model"])
def test_a_message_names_the_function_that_was_called(function: str) -> None:
    called = getattr(irquant, function)
    with pytest.raises(
        TypeError, match=rf"^{function}\(\) got an unexpected keyword argument 'outputs'; did you mean 'output'"
    ):
        called("model.xml", [], outputs="x.xml")


@pytest.mark.parametrize("keyword", ["iterations", "preprocess"])
def test_a_keyword_for_something_else_gets_no_suggestion(keyword: str) -> None:
    with pytest.raises(TypeError, match=rf"^quantize\(\) got an unexpected keyword argument '{keyword}'$"):
        irquant.quantize("model.xml", [], **cast(Any, {keyword: 1}))


def test_the_size_of_batches_is_left_out() -> None:
    said = "batch_size: leave it out: batches come as the samples are, and are split if necessary"
    with pytest.raises(TypeError, match=rf"argument 'batch_size'; {said}$"):
        irquant.quantize("model.xml", [], **cast(Any, {"batch_size": 4}))


class AdvancedQuantizationParameters:
    """An object of NNCF, whose text is long."""

    def __repr__(self) -> str:
        return "AdvancedQuantizationParameters(" + "overflow_fix=None, " * 60


@pytest.mark.parametrize(
    ("keyword", "said"),
    [
        ("config", "config is {}; write QuantizationConfig(...); " + GUIDE + " has each of its parameters"),
        ("target", "target is {}, expected the name of a target, the path of a target file, or a Target"),
        ("preset", "preset is {}; there are: performance, mixed, accuracy"),
        ("samples", "samples is {}; should be an integer"),
    ],
)
def test_an_object_of_another_tool_is_named_by_its_type(keyword: str, said: str) -> None:
    given: Any = {keyword: AdvancedQuantizationParameters()}
    with pytest.raises(irquant.UserError) as raised:
        irquant.quantize(two_layers(), [], **given)
    assert str(raised.value) == said.format("AdvancedQuantizationParameters")


def test_other_names_are_no_attributes() -> None:
    assert not hasattr(irquant, "nothing_of_the_kind")


def test_names_of_nncf_are_no_attributes_and_say_what_to_write() -> None:
    assert not hasattr(irquant, "Dataset")
    assert getattr(irquant, "IgnoredScope", None) is None
    with pytest.raises(AttributeError, match=r"^irquant has no 'compress_weights': write compress_model\(model\)$"):
        getattr(irquant, "compress_weights")  # noqa: B009 - type checkers know that there is none


@pytest.mark.parametrize("given", [[1.0], None])
def test_what_is_no_model_is_refused(given: Any) -> None:
    with pytest.raises(irquant.UserError, match=r"expected the path of a model, or an openvino\.Model$"):
        irquant.quantize(given, [])


class Module:
    """A network of torch."""


class Net(Module):
    """A user's own network."""


Module.__module__ = "torch.nn.modules.module"


@pytest.mark.parametrize(
    ("given", "way"),
    [
        (Net(), ": openvino.convert_model(...) makes one of it"),
        ({"model_name": "m", "model": "m.xml", "weights": "m.bin"}, ": give the path that is its 'model'"),
        (ov.compile_model(two_layers(), "CPU"), ": give the model that it was compiled from"),
        (ov.compile_model(two_layers(), "CPU").create_infer_request(), ": give the model that it was compiled from"),
    ],
)
def test_what_a_model_can_be_made_of_is_told(given: Any, way: str) -> None:
    said = f"the model is {type(given).__name__}, expected the path of a model, or an openvino.Model{way}"
    for function in (irquant.quantize, irquant.compress):
        with pytest.raises(irquant.UserError) as raised:
            function(given, [])
        assert str(raised.value) == said


def test_a_compressed_model_in_memory_is_written_too(tmp_path: Path) -> None:
    result = irquant.compress(two_layers(), output=tmp_path / "c.xml", all_layers=True)
    assert isinstance(result, ov.Model)
    assert ov.Core().read_model(tmp_path / "c.xml").get_friendly_name() == "two_layers"
