"""The front door: what comes in, what comes out, and what stays as it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
import openvino.opset15 as opset15
import pytest

from irquant.ir import Graph, UserError, read_model, to_text
from irquant.passes import (
    Context,
    InternalError,
    Pass,
    QuantizationConfig,
    Report,
    default_quantization,
    quantize,
    quantize_model,
)
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.infra.execution import Execution
from irquant.passes.jobs.quantize_graph import quantize_graph
from irquant.passes.reporting.detail import Detail
from irquant.passes.runtime.samples import DataError
from irquant.passes.transforms.normalize import Normalize
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.passes.transforms.set_ranges import SetRanges
from irquant.targets import load_target, target_names
from tests.passes.beside_data import beside_data

Array = np.ndarray[Any, np.dtype[Any]]
RNG = np.random.default_rng(0)
DATA = [RNG.normal(size=(1, 3, 8, 8)).astype(np.float32) for _ in range(12)]


def model() -> ov.Model:
    """Conv + bias + ReLU, depthwise, residual sum, MatMul; one input `image`, one output `logits`."""
    rng = np.random.default_rng(1)
    image = op.parameter([1, 3, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})

    def weights(*shape: int) -> Array:
        return rng.normal(size=shape).astype(np.float32)

    ones = [1, 1]
    stem = op.relu(op.add(op.convolution(image, weights(8, 3, 3, 3), ones, ones, ones, ones), weights(1, 8, 1, 1)))
    deep = op.relu(op.group_convolution(stem, weights(8, 1, 1, 3, 3), ones, ones, ones, ones))
    total = op.add(stem, op.convolution(deep, weights(8, 8, 1, 1), ones, [0, 0], [0, 0], ones))
    mean = op.reduce_mean(op.relu(total), np.array([2, 3]), keep_dims=False)
    logits = op.matmul(mean, weights(5, 8), False, True)
    logits.output(0).set_names({"logits"})
    return ov.Model([op.result(logits)], [image], "small")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ov.serialize(model(), tmp_path / "small.xml", tmp_path / "small.bin")
    return tmp_path / "small.xml"


def files(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_a_path_gives_a_path(path: Path) -> None:
    before = files(path.parent)
    result = quantize(path, DATA)
    assert result == path.with_name("small_int8.xml")
    after = files(path.parent)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"small_int8.xml", "small_int8.bin"}


def test_model_and_report_come_together(path: Path) -> None:
    seen: list[Report] = []
    result = quantize_model(path, DATA)
    assert result.model == path.with_name("small_int8.xml")
    quantize(path, DATA, output=path.with_name("again.xml"), report=seen.append)
    assert seen[0].check == result.report.check
    assert path.with_name("again.bin").read_bytes() == path.with_name("small_int8.bin").read_bytes()
    assert isinstance(quantize_model(model(), DATA).model, ov.Model)


def test_an_option_that_does_not_exist_is_refused(path: Path) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'presets'"):
        quantize(path, DATA, presets="mixed")  # type: ignore[call-overload]


@dataclass(frozen=True)
class Look(Pass):
    """Only says that it was there."""

    seen: list[str]

    name: ClassVar[str] = "look"

    def run(self, graph: Graph, context: Context) -> int:
        self.seen.append(graph.name)
        return 0


def test_a_pipeline_of_ones_own_keeps_guard_and_check(path: Path) -> None:
    seen: list[str] = []
    default = quantize_model(path, DATA)
    own = quantize_model(path, DATA, passes=[Look(seen), *default_quantization()], output=path.with_name("own.xml"))
    assert seen == [read_model(path).name]
    assert own.model.with_suffix(".bin").read_bytes() == default.model.with_suffix(".bin").read_bytes()
    assert own.report.check.asked == default.report.check.asked
    assert own.report.check.outputs == default.report.check.outputs


@pytest.mark.parametrize(
    ("passes", "options", "said"),
    [
        (
            [Normalize()],
            {},
            "the pipeline quantizes nothing: none of its passes establishes measured; 'calibrate' or "
            "'load-statistics' does",
        ),
        (
            [Normalize(), PlanPlacement(), Calibrate()],
            {},
            "the pipeline quantizes nothing: none of its passes establishes ranges-set; 'set-ranges' does",
        ),
        (
            default_quantization(),
            {"cluster": "local"},
            "a pipeline says where statistics come from: leave out statistics, save_statistics and cluster",
        ),
        ([SetRanges()], {}, None),
    ],
)
def test_a_pipeline_that_cannot_quantize_is_refused(
    path: Path, passes: list[Pass], options: dict[str, Any], said: str | None
) -> None:
    with pytest.raises(UserError) as caught:
        quantize_model(path, DATA, passes=passes, **options)
    assert said is None or str(caught.value) == said


def test_what_is_no_pass_is_refused_before_any_work(path: Path) -> None:
    class Bare:
        name = "bare"

    with pytest.raises(
        UserError, match=r"^passes holds <.*Bare object .*>, expected objects of classes that are derived "
    ):
        quantize_model(path, DATA, passes=[*default_quantization(), Bare()])  # type: ignore[list-item]
    assert isinstance(quantize_model(path, DATA, passes=tuple(default_quantization())).model, Path)


def test_an_array_is_as_good_as_the_list_of_its_rows(path: Path) -> None:
    expected = files(quantize(path, DATA, output=path.with_name("a.xml")).parent)["a.bin"]
    for data in (np.concatenate(DATA), np.stack(DATA)):
        assert quantize(path, data, output=path.with_name("b.xml")).with_suffix(".bin").read_bytes() == expected


def test_one_dict_of_arrays_is_not_taken_for_samples(path: Path) -> None:
    with pytest.raises(DataError) as caught:
        quantize(path, {"image": np.concatenate(DATA)})
    assert str(caught.value) == (
        "the data are one dict ('image'), expected a list of dicts, one for each sample; of arrays with a sample a row: "
        "[dict(zip(d, rows)) for rows in zip(*d.values())]"
    )


def test_the_output_may_be_anywhere(path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert quantize(str(path), DATA, output=tmp_path / "out" / "m.xml") == tmp_path / "out" / "m.xml"


def test_a_runtime_model_gives_a_runtime_model_and_stays_as_it_was() -> None:
    given = model()
    before = [(node.get_friendly_name(), node.get_type_name()) for node in given.get_ordered_ops()]
    result = quantize(given, DATA)
    assert isinstance(result, ov.Model)
    assert result is not given
    assert [(node.get_friendly_name(), node.get_type_name()) for node in given.get_ordered_ops()] == before
    assert dict(given.get_rt_info().items()) == {}
    outputs = [ov.Core().compile_model(each, "CPU")(DATA[0])[0] for each in (given, result)]
    assert 0 < np.abs(outputs[0] - outputs[1]).max() < 0.2 * np.abs(outputs[0]).max()
    assert [port.get_names() for port in result.outputs] == [{"logits"}]


def test_the_report_tells_what_was_done(path: Path) -> None:
    reports: list[Report] = []
    quantize(path, DATA, report=reports.append)
    (report,) = reports
    assert [(layer.type, layer.decision.int8, layer.fallen == "") for layer in report.layers] == [
        ("Convolution", True, True),
        ("GroupConvolution", True, True),
        ("Convolution", True, True),
        ("MatMul", True, True),
    ]
    assert report.check.execution == Execution(int8=4, total=4)
    assert (report.samples, report.held_out) == (11, 1)
    assert report.check.outputs is not None
    assert [each.name for each in report.check.outputs] == ["logits"]
    assert report.check.margin > 10
    assert next(iter(report.results)) == "decompose-einsum"
    assert report.bytes_after < report.bytes_before


def test_two_runs_give_the_same_bytes(path: Path) -> None:
    first, second = (quantize(path, DATA, output=path.with_name(f"{name}.xml")) for name in "ab")
    for suffix in (".xml", ".bin"):
        assert first.with_suffix(suffix).read_bytes() == second.with_suffix(suffix).read_bytes()


def test_any_iterable_will_do_and_is_read_once(path: Path) -> None:
    pulled: list[int] = []

    def generate() -> Any:
        for index, sample in enumerate(DATA):
            pulled.append(index)
            yield {"image": sample}

    one, other = quantize(path, generate()), quantize(path, DATA, output=path.with_name("list.xml"))
    assert pulled == list(range(12))
    assert one.with_suffix(".bin").read_bytes() == other.with_suffix(".bin").read_bytes()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("FakeQuantize", r"^the model is quantized already: it holds FakeQuantize '.*; give the float model it was "),
        ("int8 weights", r"^the weights of 4 layers are compressed already, .*; give the float model they are from, "),
    ],
)
def test_a_quantized_model_is_refused(path: Path, kind: str, said: str) -> None:
    int8 = read_model(quantize(path, DATA))
    for node in list(int8.nodes("FakeQuantize")) if kind == "int8 weights" else []:
        node.replace_with(node.source())
    before = to_text(int8)
    with pytest.raises(UserError, match=said):
        quantize_graph(int8, DATA, load_target("cpu"), QuantizationConfig())
    assert to_text(int8) == before


def test_a_model_with_nothing_to_quantize_is_refused(tmp_path: Path) -> None:
    x = op.parameter([1, 4], np.float32, name="x")
    ov.serialize(ov.Model([op.result(op.relu(x))], [x]), tmp_path / "m.xml", tmp_path / "m.bin")
    before = files(tmp_path)
    with pytest.raises(UserError) as caught:
        quantize(tmp_path / "m.xml", [np.zeros((1, 4), np.float32)])
    assert str(caught.value) == "nothing to quantize: target 'cpu' can run no layer of the model in int8"
    assert files(tmp_path) == before


def test_a_model_whose_layers_all_stay_float_says_why() -> None:
    x = op.parameter([1, 4], np.float64, name="x")
    layers = [x]
    for index in range(3):
        layers.append(op.matmul(layers[-1], op.constant(np.eye(4) + index), False, True, name=f"layer{index}"))
    with pytest.raises(UserError) as caught:
        quantize(ov.Model([op.result(layers[-1])], [x]), [np.zeros((1, 4))])
    assert str(caught.value) == (
        "nothing to quantize: target 'cpu' can run no layer of the model in int8 "
        "(MatMul 'layer0' and 2 others: it computes in f64)"
    )


def test_no_data_are_read_for_a_model_with_nothing_to_quantize(path: Path) -> None:
    def unread() -> Iterator[Array]:
        pytest.fail("a sample was asked for")
        yield DATA[0]

    with pytest.raises(UserError, match=r"^nothing to quantize: you ignore all 4 layers of the model$"):
        quantize(path, unread(), ignored=["*"])


@pytest.mark.parametrize(
    ("ignored", "said"),
    [
        ({"skip_model": True}, "you ignore all 4 layers of the model"),
        ({"scope": ["*"]}, "you ignore all 4 layers of the model"),
        (
            {"operations": [{"type": "Convolution"}]},
            "you ignore 3 of 4 layers, and target 'mine' runs the others in float",
        ),
        ({}, "target 'mine' can run no layer of the model in int8"),
    ],
)
def test_a_model_of_which_nothing_is_left_to_quantize_is_refused(
    path: Path, ignored: dict[str, Any], said: str
) -> None:
    target = load_target("cpu")
    if not said.endswith("of the model"):
        rules = [rule for rule in target.rules if ignored and "Convolution" in rule.op]
        target = target.model_copy(update={"name": "mine", "rules": tuple(rules)})
    with pytest.raises(UserError) as caught:
        quantize(path, DATA, target=target, config=QuantizationConfig.checked(ignored=ignored))
    assert str(caught.value).split(" (")[0] == f"nothing to quantize: {said}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"preset": "accurate"},
            "preset is 'accurate'; did you mean 'accuracy'? there are: performance, mixed, accuracy",
        ),
        ({"samples": "many"}, "samples is 'many'; should be an integer"),
        (
            {"target": "gnaa"},
            "no target 'gnaa'; did you mean 'gna'? "
            f"there are: {', '.join(target_names())}; or give the path of a .yaml file",
        ),
    ],
)
def test_wrong_options_are_refused_before_any_work(path: Path, options: dict[str, Any], said: str) -> None:
    def never() -> Any:
        pytest.fail("the data were touched")
        yield

    before = files(path.parent)
    with pytest.raises(UserError) as caught:
        quantize(path, never(), **options)
    assert str(caught.value) == said
    assert files(path.parent) == before


def test_an_error_in_the_data_leaves_no_output(path: Path) -> None:
    before = files(path.parent)
    with pytest.raises(UserError, match=r"^sample 1: "):
        quantize(path, [DATA[0], np.zeros(3)])
    assert files(path.parent) == before


def test_a_model_that_the_runtime_rejects_is_the_users_to_mend(path: Path) -> None:
    text = path.read_text().replace('type="ReLU" version="opset1"', 'type="MyOwn" version="mine"')
    path.write_text(text)
    with pytest.raises(UserError, match=r"^the runtime cannot compile the model: "):
        quantize(path, DATA)


def test_dynamic_sizes_are_named_if_the_runtime_rejects_a_model_that_it_may_take_with_fixed_ones() -> None:
    x = op.parameter([1, 3, -1, -1], np.float32, name="picture")
    convolution = op.convolution(x, np.ones((4, 3, 3, 3), np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
    squeezed = op.multiply(opset15.squeeze(convolution), op.constant(np.float32(2)))  # of unknown rank: a size may be 1
    model = ov.Model([op.result(squeezed)], [x])
    with pytest.raises(UserError, match=r"dynamic rank.*; it may work with fixed sizes of 'picture' \(docs/trouble"):
        quantize(model, DATA)
    model.reshape([1, 3, 8, 8])
    quantize(model, DATA)


def test_an_input_of_unknown_rank_is_refused_with_its_name() -> None:
    x = op.parameter(ov.PartialShape.dynamic(), np.float32, name="picture")
    convolution = op.convolution(x, np.ones((4, 3, 3, 3), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    layer = op.convolution(op.relu(convolution), np.ones((4, 4, 1, 1), np.float32), [1, 1], [0, 0], [0, 0], [1, 1])
    said = "it does not run an input of unknown rank; give 'picture' one, for example with Model.reshape"
    with pytest.raises(UserError, match=rf"^the runtime cannot compile the model: {said}$"):
        quantize(ov.Model([op.result(layer)], [x]), [np.zeros((1, 3, 8, 8), np.float32)])


KEEPING = {"name": "DefaultQuantization", "params": {"dump_intermediate_model": True}}


def test_the_model_before_bias_correction_appears_with_the_result(path: Path) -> None:
    quantize(path, DATA, config=KEEPING)
    names = {each.name for each in path.parent.iterdir()}
    assert {"small_int8.xml", "small_int8_before_bias_correction.xml", "small_int8_before_bias_correction.bin"} <= names


def test_a_run_that_fails_leaves_no_model_before_bias_correction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("irquant.passes.transforms.correct_biases_fast.CorrectBiasesFast.run", broken)
    before = files(path.parent)
    with pytest.raises(InternalError, match=r"^pass 'correct-biases-fast' failed"):
        quantize(path, DATA, config=KEEPING)
    assert files(path.parent) == before


def test_a_model_in_memory_has_no_place_for_the_model_before_bias_correction() -> None:
    reports: list[Report] = []
    quantize(model(), DATA, config=KEEPING, report=reports.append)
    said = "dump_intermediate_model has no effect: it writes beside the result, which is in memory; give a path"
    assert beside_data(reports[0]) == (said,)


ALGORITHM = {"name": "DefaultQuantization", "params": {"preset": "mixed", "stat_subset_size": 11}}


@pytest.mark.parametrize(
    "config",
    [
        ALGORITHM,
        [ALGORITHM],
        {"compression": {"target_device": "CPU", "algorithms": [ALGORITHM]}},
        QuantizationConfig.checked(preset="mixed", samples=11),
        ({**ALGORITHM, "params": {"preset": "mixed", "stat_subset_size": np.int64(11)}},),
    ],
    ids=["an algorithm", "a list", "the whole", "typed", "a tuple, and numbers of numpy"],
)
def test_a_configuration_may_be_python_objects_of_any_extent(path: Path, config: Any) -> None:
    reports: list[Report] = []
    quantize(path, DATA, config=config, report=reports.append)
    (report,) = reports
    assert (report.preset, report.samples + report.held_out) == ("mixed", 11)


@pytest.mark.parametrize(
    ("given", "said"),
    [(5, "5"), (True, "True"), (b"c.json", "bytes"), ({"DefaultQuantization"}, "set"), (DATA[0], "ndarray")],
    ids=["number", "truth", "bytes", "set", "array"],
)
def test_what_is_no_configuration_is_refused_with_what_is(path: Path, given: Any, said: str) -> None:
    with pytest.raises(UserError) as caught:
        quantize(path, DATA, config=given)
    assert str(caught.value) == (
        f"config is {said}; give a QuantizationConfig, the path of a .json or .yaml file, a mapping (the whole configuration, or "
        "one algorithm), or a list of algorithms"
    )


def test_an_empty_configuration_is_none(path: Path) -> None:
    with pytest.raises(UserError, match=r"^'compression' is missing$"):
        quantize(path, DATA, config={})


def test_a_configuration_may_be_a_file(path: Path, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("name: DefaultQuantization\nparams: {preset: mixed, threshold: 3.0}\n")
    reports: list[Report] = []
    quantize(path, DATA, config=tmp_path / "c.yaml", report=reports.append)
    said = "threshold: corrections of any size are judged by samples that they were not computed from"
    assert (reports[0].preset, beside_data(reports[0])) == ("mixed", (said,))


def test_what_is_given_beside_a_configuration_overrules_it(path: Path) -> None:
    reports: list[Report] = []
    quantize(path, DATA, config=ALGORITHM, preset="performance", samples=10, target="gpu", report=reports.append)
    assert (reports[0].preset, reports[0].device) == ("performance", "GPU")
    assert reports[0].samples + reports[0].held_out == 10


def test_data_that_only_the_command_line_reads_are_told_of(path: Path) -> None:
    config = {"engine": {"data_source": "photos"}, "compression": {"algorithms": [ALGORITHM]}}
    with pytest.raises(UserError, match=r"^engine\.data_source is read by the command line; here, give the data$"):
        quantize(path, config=config)
    assert quantize(path, DATA, config=config).is_file()


def test_contradicting_algorithms_are_refused(path: Path) -> None:
    other = {"name": "FastBiasCorrection", "params": {"stat_subset_size": 12}}
    said = (
        r"^compression\.algorithms\[1\]\.params\.stat_subset_size is 12, but algorithms\[0\] has 11: make them equal$"
    )
    with pytest.raises(UserError, match=said):
        quantize(path, DATA, config=[ALGORITHM, other])


def test_algorithms_that_quantize_nothing_are_refused(path: Path) -> None:
    said = r"^compression\.algorithms: FastBiasCorrection quantizes nothing; add MinMaxQuantization$"
    with pytest.raises(UserError, match=said):
        quantize(path, DATA, config={"name": "FastBiasCorrection"})


def test_a_data_set_of_pairs_calibrates(path: Path) -> None:
    class Pairs:
        def __len__(self) -> int:
            return len(DATA)

        def __getitem__(self, index: int) -> tuple[Array, int]:
            return DATA[index], 7

    # A data set with a length and an index is no `Iterable` to a type checker, though Python iterates over it.
    alone = quantize(path, DATA, output=path.with_name("alone.xml"))
    pairs = quantize(path, cast(Any, Pairs()), output=path.with_name("pairs.xml"))
    assert alone.read_bytes() == pairs.read_bytes()


def test_latencies_are_measured_only_if_a_report_wants_them(path: Path) -> None:
    for detail in (None, Detail.BRIEF):
        _, report = quantize_graph(read_model(path), DATA, load_target("cpu"), QuantizationConfig(), detail=detail)
        assert (report.latencies is not None) is (detail is not None)
        assert bool(report.effects) is bool(report.close_ups) is (detail is not None)
    assert report.latencies is not None
    assert report.latencies.first.median >= report.latencies.first.p10 > 0
