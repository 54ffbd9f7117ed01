"""Configurations in the styles of the published tool's documentation run as they stand, and the commands about them."""

import json
import shutil
from pathlib import Path

import openvino as ov
import pytest

from irquant.tools.cli import run
from tests.passes.runs_int8.nets import some_slow

FILES = sorted((Path(__file__).parent / "configurations").iterdir())
#: The configurations that name no data which can still be read.
WITHOUT_DATA = ("04", "30", "31", "32", "33", "36", "37")
#: Those that keep a metric, which the command line names.
WITH_METRIC = ("34", "35", "36")
#: What the user is told, by the number of the file; nothing else is worth a warning.
WARNINGS = {
    "04": [
        "warning: engine.config: configs/small.yaml: cannot be read: No such file or directory; give "
        "the data: irquant quantize -c FILE --data FOLDER --size HxW --mean M,M,M --scale S,S,S --colour-order bgr"
    ],
    "05": [
        "note: engine.datasets: AccuracyChecker is no longer supported; taken from it: --data images --size 8x8 --mean 127,127,127 --scale 64 "
        "--colour-order rgb --central-fraction 0.8 --fit crop"
    ],
    "07": [
        "note: engine.stat_requests_number, engine.eval_requests_number: the runtime chooses how many samples to run at once"
    ],
    "13": [
        "note: inplace_statistics: statistics are always computed inside the model, for each sample of a batch separately"
    ],
    "23": ["note: threshold: corrections of any size are judged by samples that they were not computed from"],
    "24": [
        "warning: use_layerwise_tuning, num_samples_for_tuning, batch_size: fine-tuning layers needs training; use_fast_bias: false "
        "is the closest replacement"
    ],
    "25": ["note: threshold: corrections of any size are judged by samples that they were not computed from"],
    "30": [
        "warning: engine data_free: synthetic data are no longer supported; give data of the model: irquant quantize -c FILE --data SOURCE"
    ],
    "32": ["note: stat_batch_size: statistics do not depend on how samples are batched"],
    "33": ["warning: weights.range_estimator.min affects only clipping: weights are symmetric, and max sets both ends"],
    "35": [
        "note: metric_subset_ratio, ranking_subset_size: layers are ranked by their effect on the outputs, and the metric uses "
        "all its data",
        "note: tune_hyperparams: wider ranges and asymmetric activations are always tried before layers return to float",
        "note: use_prev_if_drop_increase: the result is always the best measured model",
    ],
    "36": [
        "note: ranking_subset_size: layers are ranked by their effect on the outputs, and the metric uses all its data"
    ],
    "37": [
        "note: annotation_free: without labels there is no metric; the guard keeps outputs close to the float model's"
    ],
}
#: What `config check` says besides: a run cannot do without it.
NEEDED = (
    "warning: AccuracyAwareQuantization needs your metric: irquant quantize -c FILE --metric file.py:function "
    "(docs/migrate_from_pot.md has one for top-1)"
)
STALE = (
    "warning: metrics: baseline_value 1 of 'accuracy' stands for the float model, which is not measured then: leave it "
    "out unless your metric gave this value on these data"
)
#: What the user is told besides, by the run alone.
MORE = {
    "27": [
        "note: the weights of 2 layers have 16 bits, as target 'gna' or the options say: these are stored as floats, and do not make "
        "the model smaller"
    ],
    "32": [
        "warning: preset accuracy: weights stay symmetric, since target 'cpu' runs asymmetric ones in float; weights.mode: "
        "asymmetric forces them"
    ],
}
#: Of which the runtime executes something in float.
IN_FLOAT = {"09": 1, "10": 1, "11": 1, "16": 2, "18": 2, "35": 1}
#: The share of the float model's decisions that stay.
METRIC = """
import numpy as np
data = np.load("samples.npz")["image"]
wanted = []
def accuracy(predict):
    found = [predict(each)["logits"].argmax() for each in data[:, None]]
    wanted[:] = wanted or found
    return np.mean(np.equal(found, wanted))
"""

#: Warnings that depend on names and data, not on the configuration.
_ABOUT_DATA = tuple(f"warning: {each}" for each in ("ignored: ", "2 of 2 layers", "only ", "input 'image'"))


@pytest.fixture
def folder(model: Path, pictures: Path, arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds what the configurations speak of."""
    for suffix in (".xml", ".bin"):
        shutil.copy(model.with_suffix(suffix), tmp_path / f"model{suffix}")
    shutil.copy(arrays, tmp_path / "samples.npz")
    shutil.copytree(pictures, tmp_path / "images")
    (tmp_path / "metric.py").write_text(METRIC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("file", some_slow(FILES), ids=lambda path: path.stem)
def test_a_published_configuration_runs(file: Path, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    number = file.stem[:2]
    more = ["model.xml", "--data", "samples.npz"] if number in WITHOUT_DATA else []
    more += ["--metric", "metric.py:accuracy", "--max-drop", "0.99"] if number in WITH_METRIC else []
    # What is asked for is to be seen at work, also where a guard would not leave it so.
    assert run(["quantize", *more, "--no-guard", "-c", str(file), "-o", "out.xml"]) == 0
    ov.Core().read_model(folder / "out.xml")
    shown = capfd.readouterr().out.splitlines()
    warned = [line for line in shown if line.startswith(("warning: ", "note: "))]
    expected = [each.replace("FILE", str(file)) for each in WARNINGS.get(number, [])]
    assert [line for line in warned if not line.startswith(_ABOUT_DATA)] == [*MORE.get(number, []), *expected]
    if number != "27":  # a device that is not here
        assert f"ran in int8: {2 - IN_FLOAT.get(number, 0)} of 2 executed layers" in "\n".join(shown)
    assert run(["config", "check", str(file)]) == 0
    checked = capfd.readouterr().out.splitlines()
    needs = [NEEDED.replace("FILE", str(file))] * (number in WITH_METRIC) + [STALE] * (number == "35")
    checked = [line for line in checked if not line.startswith(_ABOUT_DATA)]
    is_enough = number not in (*WITH_METRIC, "04", "30")
    ending = "no mistakes" if is_enough else "quantize needs more than this file: see above"
    assert checked == [*expected, *needs, f"{file}: {ending}"]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("model.xml", "warning: ignored: 'frist' matches no operation of the model; did you mean 'first'?"),
        (None, None),
    ],
)
def test_names_are_checked_if_the_file_names_a_model(
    named: str | None, said: str | None, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    algorithm = {"name": "DefaultQuantization", "params": {"ignored": {"scope": ["frist"]}}}
    content = {"model": {"model": named} if named else {}, "compression": {"algorithms": [algorithm]}}
    (folder / "c.json").write_text(json.dumps(content))
    assert run(["config", "check", "c.json"]) == 0
    assert capfd.readouterr().out.splitlines() == [*([said] if said else []), "c.json: no mistakes"]


@pytest.mark.parametrize(
    ("sections", "mistakes"),
    [
        ({"model": {"model": "none.xml"}}, ["model.model: none.xml: no such file"]),
        ({"model": {"model": "model.xml", "weights": "w.bin"}}, ["model.weights: w.bin: no such file"]),
        (
            {"model": {"model": "none.xml"}, "engine": {"data_source": "photos"}},
            [
                "model.model: none.xml: no such file",
                "engine.data_source: photos: no such file or folder (nor module:function)",
            ],
        ),
        (
            {"engine": {"datasets": [{"name": "d", "data_source": "photos"}]}},
            ["engine.data_source: photos: no such file or folder (nor module:function)"],
        ),
    ],
)
def test_paths_at_which_there_is_nothing_are_mistakes(
    sections: dict[str, object], mistakes: list[str], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = {**sections, "compression": {"algorithms": [{"name": "DefaultQuantization"}]}}
    (folder / "c.json").write_text(json.dumps(content))
    assert run(["config", "check", "c.json"]) == 2
    captured = capfd.readouterr()
    assert captured.err.splitlines() == [f"error: c.json: {each}" for each in mistakes]
    assert "no mistakes" not in captured.out
    assert run(["config", "check", "c.json", "--json"]) == 2
    assert json.loads(capfd.readouterr().out)["mistakes"] == [f"c.json: {each}" for each in mistakes]


def test_paths_that_are_meant_from_the_folder_of_the_file_are_told(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "configs").mkdir()
    content = {
        "model": {"model": "../model.xml"},
        "compression": {"algorithms": [{"name": "DefaultQuantization"}]},
    }
    (folder / "configs" / "c.json").write_text(json.dumps(content))
    said = (
        "error: configs/c.json: model.model: ../model.xml: no such file; "
        "paths are relative to the current folder: run the command in configs\n"
    )
    for command in (
        ["quantize", "-c", "configs/c.json", "--data", "samples.npz"],
        ["config", "check", "configs/c.json"],
    ):
        assert run(command) == 2
        assert capfd.readouterr().err == said


def test_a_function_that_gives_data_is_no_missing_path(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    content = {
        "engine": {"data_source": "mine:samples"},
        "compression": {"algorithms": [{"name": "DefaultQuantization"}]},
    }
    (folder / "c.json").write_text(json.dumps(content))
    assert run(["config", "check", "c.json"]) == 0
    assert capfd.readouterr().out == "c.json: no mistakes\n"


def test_what_is_planned_in_float_is_not_said_to_stay_so(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The runtime may find that the layer suits it all the same."""
    (file,) = (each for each in FILES if each.stem.startswith("18"))
    assert run(["quantize", "-c", str(file), "-o", "out.xml"]) == 0
    shown = capfd.readouterr().out.splitlines()
    reason = "target 'cpu' runs no per-channel data there"
    assert f"planned in float: 2 x Convolution: quantized as your options say, but {reason}" in shown
    assert f"warning: 2 of 2 layers are quantized as your options say and may run in float: {reason}" in shown


def test_there_are_thirty_of_them_at_least() -> None:
    assert len(FILES) >= 30


def test_the_result_is_named_as_the_configuration_says(folder: Path) -> None:
    assert run(["quantize", "-c", str(FILES[0])]) == 0
    assert (folder / "small_int8.xml").is_file()


def test_the_model_before_bias_correction_is_kept_if_wanted(folder: Path) -> None:
    (file,) = (each for each in FILES if each.stem.startswith("29"))
    assert run(["quantize", "-c", str(file), "-o", "out.xml"]) == 0
    kept = ov.Core().read_model(folder / "out_before_bias_correction.xml")
    assert sum(op.get_type_name() == "FakeQuantize" for op in kept.get_ops()) == 4


def accuracy_aware(folder: Path, **params: object) -> str:
    (folder / "c.json").write_text(json.dumps({"name": "AccuracyAwareQuantization", "params": params}))
    return "c.json"


def test_what_accuracy_aware_quantization_says_is_shown(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    metrics = [{"name": "accuracy", "baseline_value": 0.75}, {"name": "top5"}]
    accuracy_aware(folder, maximal_drop=0.02, drop_type="relative", max_iter_num=7, metrics=metrics, preset="mixed")
    assert run(["config", "show", "-c", "c.json"]) == 0
    shown = capfd.readouterr().out
    for line in (
        "preset = mixed  (c.json)",
        "accuracy.max_drop = 0.02  (c.json)",
        "accuracy.drop_type = relative  (c.json)",
        "accuracy.max_layers = 7  (c.json)",
        "accuracy.baselines = {'accuracy': 0.75}  (c.json)",
    ):
        assert f"{line}\n" in shown
    assert run(["config", "show"]) == 0
    assert "accuracy = not set  (default)\n" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"maximal_drop": -1}, "{}maximal_drop is -1; should be greater than or equal to 0"),
        ({"maximal_drop": "1%"}, "{}maximal_drop is '1%'; should be a number"),
        ({"drop_type": "relativ"}, "{}drop_type is 'relativ'; did you mean 'relative'? there are: absolute, relative"),
        (
            {"metrics": [{"name": "a", "nam": 1}]},
            "unknown key '{}metrics[0].nam'; did you mean 'name'? known keys: name, baseline_value",
        ),
        (
            {"metrics": [{"name": "a", "baseline_value": "x"}]},
            "{}metrics[0].baseline_value is 'x'; should be a number",
        ),
        ({"base_algorithm": "Other"}, "{}base_algorithm is 'Other'; there are: DefaultQuantization"),
        ({"annotation_conf_threshold": 2}, "{}annotation_conf_threshold is 2; should be less than or equal to 1"),
        ({"tune_hyperparams": "yes"}, "{}tune_hyperparams is 'yes'; should be true or false"),
        ({"max_iter_num": 0.5}, "{}max_iter_num is 0.5; should be an integer"),
    ],
)
def test_a_mistake_in_accuracy_aware_quantization_has_its_path(
    params: dict[str, object], said: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "check", accuracy_aware(folder, **params)]) == 2
    assert capfd.readouterr().err == f"error: c.json: {said.format('compression.algorithms[0].params.')}\n"


def test_a_misspelt_parameter_of_accuracy_aware_quantization_is_guessed(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["config", "check", accuracy_aware(folder, maximal_dropp=1)]) == 2
    assert "params.maximal_dropp'; did you mean 'maximal_drop'? known keys: " in capfd.readouterr().err


def test_default_quantization_knows_nothing_of_drops(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = {"name": "DefaultQuantization", "params": {"maximal_drop": 0.01}}
    (folder / "c.json").write_text(json.dumps(text))
    assert run(["config", "check", "c.json"]) == 2
    assert "unknown key 'compression.algorithms[0].params.maximal_drop'; known keys: preset" in capfd.readouterr().err


def test_accuracy_aware_quantization_without_a_metric_function_is_refused(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", "model.xml", "--data", "samples.npz", "-c", accuracy_aware(folder)]) == 2
    assert capfd.readouterr().err == (
        "error: AccuracyAwareQuantization needs a metric: give --metric module:function, docs/migrate_from_pot.md has one for "
        "top-1; without one take DefaultQuantization, whose guard needs no labels\n"
    )


def test_a_known_baseline_is_not_measured_again(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "metric.py").write_text("calls = []\ndef top1(predict):\n    calls.append(1)\n    return len(calls)\n")
    accuracy_aware(folder, metrics=[{"name": "accuracy@top1", "baseline_value": 1.0}])
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-c", "c.json", "-o", "out.xml"]
    assert run([*arguments, "--metric", "metric.py:top1"]) == 0
    captured = capfd.readouterr()
    assert (
        "metric top1: FP32 1 (baseline_value of c.json, not measured), INT8 1, drop 0 (0.00%): within 0.01\n"
        in captured.out
    )
    assert "the float model; not measured: top1 is baseline_value of c.json\n" in captured.err
    assert run(["config", "check", "c.json"]) == 0
    assert "warning: metrics: baseline_value 1 of 'accuracy@top1' stands for the float model" in capfd.readouterr().out


def test_a_baseline_that_the_float_model_misses_stops_the_run(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "metric.py").write_text("def top1(predict):\n    return 0.9571\n")
    accuracy_aware(folder, metrics=[{"name": "accuracy@top1", "baseline_value": 0.98}])
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-c", "c.json", "-o", "out.xml"]
    assert run([*arguments, "--metric", "metric.py:top1"]) == 2
    assert capfd.readouterr().err.splitlines()[-1] == (
        "error: metric top1: the float model itself gives 0.9571: baseline_value of c.json, 0.98, does not fit this "
        "metric or these data; leave it out, and the float model is measured"
    )
    assert not (folder / "out.xml").exists()


def test_a_baseline_of_an_unknown_metric_is_refused(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "metric.py").write_text("def a(predict):\n    return 1\ndef b(predict):\n    return 1\n")
    accuracy_aware(folder, metrics=[{"name": "c", "baseline_value": 1.0}])
    arguments = ["quantize", "model.xml", "--data", "samples.npz", "-c", "c.json", "-o", "out.xml"]
    assert run([*arguments, "--metric", "metric.py:a", "--metric", "metric.py:b"]) == 2
    assert capfd.readouterr().err == "error: a baseline is given for metric 'c', but the metrics are: a, b\n"


def test_show_tells_where_each_value_comes_from(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = {"name": "DefaultQuantization", "params": {"weights": {"bits": 4}, "stat_subset_size": 7}}
    (folder / "c.json").write_text(json.dumps(text))
    assert run(["config", "show", "-c", "c.json", "--preset", "mixed"]) == 0
    shown = capfd.readouterr().out
    for line in (
        "target = cpu  (default)",
        "preset = mixed  (--preset)",
        "samples = 7  (c.json)",
        "weights.bits = 4  (c.json)",
        "seed = 0  (default)",
        "MatMul: data = 8 bits, 256 levels, asymmetric, per_tensor, min: min (mean of samples), max: max (mean of "
        "samples)  (target cpu, spec a8; preset mixed)",
        "MatMul: weights = 4 bits, 15 levels, symmetric, per_channel, max: abs_max  (target cpu, spec w8; preset mixed, "
        "c.json over it)",
    ):
        assert f"{line}\n" in shown
    assert run(["config", "show", "--json"]) == 0
    assert {"path": "samples", "value": "300", "origin": "default"} in json.loads(capfd.readouterr().out)


def test_show_takes_nothing_for_the_files_that_the_file_does_not_say(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ignored = {"scope": ["first"], "operations": [{"type": "Add"}]}
    (folder / "c.json").write_text(json.dumps({"name": "DefaultQuantization", "params": {"ignored": ignored}}))
    assert run(["config", "show", "-c", "c.json", "--ignored", "second"]) == 0
    shown = capfd.readouterr().out.splitlines()
    assert "target = cpu  (default)" in shown
    assert "samples = not set  (default)" in shown
    assert [line for line in shown if line.startswith("ignored")] == [
        "ignored.scope = ('first', 'second')  (c.json and --ignored)",
        "ignored.operations = (IgnoredType(type='Add', attributes={}),)  (c.json)",
    ]
    assert run(["config", "show", "--ignored", "second"]) == 0
    assert "ignored.scope = ('second',)  (--ignored)\n" in capfd.readouterr().out


def test_show_takes_the_preset_that_a_run_would(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "c.json").write_text(json.dumps({"name": "DefaultQuantization", "params": {"model_type": "transformer"}}))
    assert run(["config", "show", "-c", "c.json"]) == 0
    shown = capfd.readouterr().out
    assert "preset mixed" in shown
    assert "preset performance" not in shown


def test_check_tells_all_mistakes(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    params = {"presett": "mixed", "stat_subset_size": "many", "weights": {"bits": 99}}
    (folder / "c.json").write_text(json.dumps({"name": "DefaultQuantization", "params": params}))
    assert run(["config", "check", "c.json"]) == 2
    said = capfd.readouterr().err.splitlines()
    place = "c.json: {}compression.algorithms[0].params."
    assert said == [
        f"error: {place.format('')}stat_subset_size is 'many'; should be an integer",
        f"error: {place.format('')}weights.bits is 99; should be less than or equal to 16",
        f"error: {place.format(chr(39)).replace(chr(39), 'unknown key ' + chr(39))}presett'; did you mean 'preset'? "
        f"{said[-1].partition('? ')[2]}",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"model": {"cascade": []}},
            "model.cascade: models are quantized one by one: give each a configuration of its own",
        ),
        (
            {"engine": {"type": "simplifed"}},
            "engine.type is 'simplifed'; did you mean 'simplified'? there are: simplified, accuracy_checker, data_free",
        ),
        ({"engine": {"type": "simplified"}}, "'engine.data_source' is missing"),
        (
            {"engine": {"data_source": "x", "layout": "NHCW"}},
            "engine.layout is 'NHCW'; did you mean 'NHWC'? there are: NCHW, NHWC, CHW, HWC",
        ),
        (
            {"engine": {"data_source": "x", "central_fraction": 2}},
            "engine.central_fraction is 2; should be less than or equal to 1",
        ),
        (
            {"engine": {"data_source": "x", "lay_out": "NCHW"}},
            "unknown key 'engine.lay_out'; did you mean 'layout'? known "
            "keys: type, data_source, layout, central_fraction, size, mean, scale, colour_order, fit, resize_filter, "
            "pad_value, skip_broken",
        ),
        (
            {"engine": {"data_source": "x", "size": "8 by 8"}},
            "engine.size: '8 by 8' is not a size; write HEIGHTxWIDTH, e.g. 224x224",
        ),
        ({"engine": {"data_source": "x", "mean": ["a"]}}, "engine.mean[0] is 'a'; should be a number"),
        (
            {"model": {"model_name": "nets/onet"}},
            "model.model_name: 'nets/onet' is not a file name; give the path of the result by --output",
        ),
        (
            {"model": {"model_name": ""}},
            "model.model_name: '' is not a file name; give the path of the result by --output",
        ),
        (
            {"model": {"mode": "m.xml"}},
            "unknown key 'model.mode'; did you mean 'model'? known keys: model_name, model, weights",
        ),
    ],
)
def test_a_mistake_outside_of_the_algorithms_has_its_path(
    content: dict[str, object], said: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = {"compression": {"algorithms": [{"name": "DefaultQuantization"}]}, **content}
    (folder / "c.json").write_text(json.dumps(whole))
    assert run(["config", "check", "c.json"]) == 2
    assert capfd.readouterr().err == f"error: c.json: {said}\n"


def test_the_path_of_a_target_file_stands_as_it_is(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "MyTarget.yaml").write_text("name: mine\ndescription: mine\nextends: cpu\n")
    compression = {"target_device": "MyTarget.yaml", "algorithms": [{"name": "DefaultQuantization"}]}
    (folder / "c.json").write_text(json.dumps({"compression": compression}))
    assert run(["config", "show", "-c", "c.json"]) == 0
    assert capfd.readouterr().out.startswith("target = mine  (c.json)\n")
    compression["target_device"] = "Cpu_Avx2"
    (folder / "c.json").write_text(json.dumps({"compression": compression}))
    assert run(["config", "show", "-c", "c.json"]) == 0
    assert capfd.readouterr().out.startswith("target = cpu_avx2  (c.json)\n")


def test_without_a_model_the_command_says_where_it_may_stand(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "--data", "samples.npz"]) == 2
    said = "error: no model is given: give the path of an .xml, or a configuration with model.model\n"
    assert capfd.readouterr().err == said


def test_an_engine_that_names_no_data_asks_for_none_if_they_are_given(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Scripts with POT's Python interface have such an engine: their data come from a loader."""
    whole = {
        "model": {"model": "model.xml"},
        "engine": {"device": "CPU", "stat_requests_number": 2, "eval_requests_number": 2},
        "compression": {"algorithms": [{"name": "DefaultQuantization"}]},
    }
    (folder / "c.json").write_text(json.dumps(whole))
    assert run(["quantize", "-c", "c.json", "--data", "samples.npz"]) == 0
    said = [
        line for line in capfd.readouterr().out.splitlines() if line.startswith(("warning: engine", "note: engine"))
    ]
    assert said == [
        "note: engine.stat_requests_number, engine.eval_requests_number: the runtime chooses how many samples to run at once"
    ]
    assert run(["quantize", "-c", "c.json"]) == 2
    assert (
        capfd.readouterr().err == "error: give calibration data (--data SOURCE; in Python, the second argument), or "
        "measured statistics (--statistics FILE)\n"
    )


def test_weights_of_another_name_are_looked_for(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = {
        "model": {"model": "model.xml", "weights": "other.bin"},
        "compression": {"algorithms": [{"name": "DefaultQuantization"}]},
    }
    (folder / "c.json").write_text(json.dumps(whole))
    assert run(["quantize", "-c", "c.json", "--data", "samples.npz"]) == 2
    assert capfd.readouterr().err == "error: c.json: model.weights: other.bin: no such file\n"


PREPARED = {
    "data_source": "images",
    "size": "8x8",
    "mean": [127, 120, 110],
    "scale": 64,
    "colour_order": "RGB",
    "fit": "letterbox",
    "resize_filter": "nearest",
    "pad_value": 0,
    "skip_broken": True,
}
FLAGS = (
    "--size 8x8 --mean 127,120,110 --scale 64 --colour-order rgb --fit letterbox --resize-filter nearest --pad-value 0 "
    "--skip-broken"
)


def test_a_configuration_says_how_images_are_prepared(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "seen.py").write_text(
        "import numpy as np\ndef first(predict, samples):\n    return np.abs(next(iter(samples)).feed).sum()\n"
    )
    algorithms = [{"name": "DefaultQuantization"}]
    (folder / "c.json").write_text(json.dumps({"engine": PREPARED, "compression": {"algorithms": algorithms}}))
    assert run(["config", "check", "c.json"]) == 0
    metric = ["--metric", "seen.py:first", "--metric-data", "images"]
    assert run(["quantize", "model.xml", "-c", "c.json", "-o", "a.xml", *metric]) == 0
    flags = ["--data", "images", *FLAGS.split()]
    assert run(["quantize", "model.xml", *flags, "--samples", "300", "-o", "b.xml", *metric]) == 0
    assert (folder / "a.bin").read_bytes() == (folder / "b.bin").read_bytes()
    by_file, by_flags = (line for line in capfd.readouterr().out.splitlines() if line.startswith("metric first: "))
    assert by_file == by_flags, "the samples of the metric are prepared alike"
    assert run(["quantize", "model.xml", "-c", "c.json", "--data", "images", "-o", "c.xml"]) == 0
    assert (
        "note: engine: size, mean, scale, colour_order, fit, resize_filter, pad_value, skip_broken: for "
        "engine.data_source only; images of --data are prepared as options say"
    ) in capfd.readouterr().out.splitlines()
