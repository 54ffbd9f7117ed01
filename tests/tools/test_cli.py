"""The command line: what a user types, what comes back."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import openvino as ov
import pytest

from irquant.passes import default_quantization
from irquant.passes.options.pot_config import Parameters
from irquant.targets import target_names
from irquant.tools.cli import COMMANDS, run

Complaint = Callable[..., str]
#: What only work needs: a command that prints its help, or refuses an option, imports none of these.
HEAVY = {
    "PIL",
    "distributed",
    "jinja2",
    "json5",
    "ml_dtypes",
    "networkx",
    "numpy",
    "openvino",
    "pydantic",
    "rich",
    "yaml",
}
#: What options need of the passes.
LIGHT = {
    "irquant.passes.evaluation.latency_seconds",
    "irquant.passes.files.result_path",
    "irquant.passes.infra.progress",
    "irquant.passes.infra.registry",
    "irquant.passes.options.config_error",
    "irquant.passes.options.image_size",
    "irquant.passes.options.note",
    "irquant.passes.reporting.detail",
    "irquant.passes.tuning.goals",
}
#: What a quantization from arrays without a terminal and a page does not use.
UNUSED = {
    *("PIL", "av", "distributed", "jinja2", "json5", "psutil", "rich"),
    *("irquant.passes.analyze", "irquant.passes.compress", "irquant.passes.explain", "irquant.passes.testing"),
    "irquant.passes.evaluation.compare_models",
    "irquant.passes.infra.instruments",
    "irquant.passes.jobs.compress_graph",
    "irquant.passes.jobs.quantize_options",
    *(f"irquant.passes.accuracy.{name}" for name in ("control", "evaluations", "metric_goals", "metrics")),
    *("irquant.passes.analysis.bit_choice", "irquant.passes.analysis.streams", "irquant.passes.dry_run"),
    *("irquant.passes.calibration.load_statistics", "irquant.passes.statistics.file"),
    *("irquant.passes.evaluation.closeups", "irquant.passes.evaluation.latency"),
    *("irquant.passes.options.content", "irquant.passes.options.engine", "irquant.passes.options.pot_config"),
    *("irquant.passes.reporting.report_figures", "irquant.passes.transforms.correct_biases"),
    *("irquant.passes.tuning.tune", "irquant.passes.tuning.tuner", "irquant.passes.tuning.tuning_file"),
    *("irquant.tools.demo", "irquant.tools.report.page", "irquant.tools.zoo"),
    *(f"irquant.tools.sources.{kind}_source" for kind in ("function", "image", "sequence", "video")),
    *("irquant.tools.sources.metric_function", "irquant.tools.terminal.trial_table"),
}


@pytest.fixture
def complaint(model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Complaint:
    """Runs `irquant quantize` with something wrong; gives what it says, having checked that it does so properly."""

    def quantize(*more: str, given: Path | None = None, data: Path | str | None = None, out: Path | None = None) -> str:
        before = sorted(tmp_path.rglob("*"))
        output = out or tmp_path / "out.xml"
        arguments = [str(given or model), "--data", str(data or arrays), "-o", str(output), *more]
        assert run(["quantize", *arguments]) == 2
        captured = capfd.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1, "one line"
        assert sorted(tmp_path.rglob("*")) == before, "no output file, no temporary file"
        return captured.err.removeprefix("error: ").rstrip("\n")

    return quantize


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ("{'image': [[1, 2, 3], [4, 5]]}", "list cannot be made an array of numbers: setting an array element with a "),
        ("{'image': np.full((1, 3, 8, 8), 1e300)}", "got 1e+300, which float32 cannot hold"),
        ("'photos/1.png'", "expected numbers, got str"),
    ],
)
def test_samples_that_are_no_arrays_are_told(complaint: Complaint, tmp_path: Path, sample: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"import numpy as np\ndef samples(): return [{sample}] * 9\n")
    found = complaint(data=f"{path}:samples")
    assert found.startswith(f"sample 0 of {path}:samples: input 'image' f32[1,3,8,8]: {said}")


def test_a_model_is_quantized_by_one_command(model: Path, arrays: Path, tmp_path: Path) -> None:
    output = tmp_path / "int8.xml"
    command = [sys.executable, "-c", "from irquant.tools.start import main; main()"]
    done = subprocess.run(
        [*command, "quantize", model, "--data", arrays, "-o", output], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    verdict = r"good on 1 sample only \(no loss of accuracy was seen at this level; output 'logits': [\d.]+ dB\)"
    assert re.fullmatch(rf"{re.escape(str(output))}: {verdict}", lines[0])
    assert lines[1] == "next: give 80 samples or more, so that 8 or more are held out to check the result"
    assert lines[2].startswith("size: ")
    assert lines[3] == "data: 20 samples; 'image' f32[1,3,8,8] -3.672 to 3.543"
    assert lines[4] == (
        "calibrated on 19 samples (all are needed: fewer than 32 are not enough); "
        "output SQNR on 1 held-out sample (few: others may say otherwise):"
    )
    assert lines[5].startswith("  logits: ")
    assert lines[6] == "ran in int8: 2 of 2 executed layers (100%)"
    assert lines[7] == "the device computes the FakeQuantizes correctly (2 samples)"
    assert lines[8] == "quantized: 2 of 2 layers (2 Convolution), preset performance"
    assert re.fullmatch(
        r"biases corrected: \d of 2 layers with constant weights(; \d not: no gain on other samples)?", lines[9]
    )
    assert lines[10].startswith("time: ")
    assert len(lines) == 11
    image = np.random.default_rng(5).normal(size=(1, 3, 8, 8)).astype(np.float32)
    float_, int8 = (ov.Core().compile_model(path, "CPU")(image)[0] for path in (model, output))
    assert 0 < np.abs(float_ - int8).max() < 0.1 * np.abs(float_).max()


def test_a_pipeline_from_a_file_takes_the_place_of_the_default_one(model: Path, arrays: Path, tmp_path: Path) -> None:
    names = [each.name for each in default_quantization()]
    (tmp_path / "p.yaml").write_text("".join(f"- {name}\n" for name in names))
    data = ["--data", str(arrays), "-o"]
    assert run(["quantize", str(model), *data, str(tmp_path / "a.xml")]) == 0
    assert run(["quantize", str(model), "--pipeline", str(tmp_path / "p.yaml"), *data, str(tmp_path / "b.xml")]) == 0
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


def test_a_pipeline_writes_over_nothing_that_is_read(complaint: Complaint, model: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    path = tmp_path / "p.yaml"
    names = [each.name for each in default_quantization()]
    path.write_text(
        "".join(f"- calibrate: {{save-to: {model}}}\n" if name == "calibrate" else f"- {name}\n" for name in names)
    )
    said = complaint("--pipeline", str(path))
    assert said.startswith(f"{model}: is the model that is being read; give another path for the save_to of the pass ")
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ("normalize", "calibrate", "plan-placement", "insert-fake-quantize", "set-ranges"),
            "'set-ranges' requires measured, which 'plan-placement' drops: put 'set-ranges' in front of 'plan-placement', "
            "or repeat 'calibrate' behind it",
        ),
        (
            ("normalize", "plan-placement", "insert-fake-quantize", "calibrate", "set-ranges"),
            "'calibrate' runs the model, but FakeQuantize ",
        ),
    ],
)
def test_a_pipeline_in_another_order_is_the_users_mistake(
    complaint: Complaint, tmp_path: Path, names: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("".join(f"- {name}\n" for name in names))
    assert complaint("--pipeline", str(path)).startswith(said)


def test_a_pipeline_goes_with_no_dry_run(complaint: Complaint, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("- normalize\n")
    assert complaint("--pipeline", str(path)).startswith("the pipeline quantizes nothing: ")
    path.write_text("".join(f"- {each.name}\n" for each in default_quantization()))
    assert complaint("--pipeline", str(path), "--dry-run") == (
        "a dry run shows the default passes only: leave out --pipeline or --dry-run"
    )


def imported_by(*arguments: str) -> tuple[str, set[str]]:
    """What a command prints in a process of its own, and the modules that it imported."""
    script = (
        "import sys; from irquant.tools.cli import run; code = run(sys.argv[1:]); "
        "print('modules', *sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return done.stdout, set(done.stderr.splitlines()[-1].split()[1:])


def test_the_list_of_commands_is_complete_and_needs_none_of_them() -> None:
    folder = Path(str(import_module("irquant.tools.commands").__file__)).parent
    assert sorted(COMMANDS) == sorted(path.stem for path in folder.glob("[!_]*.py"))
    shown, loaded = imported_by("--help")
    assert all(f"  {name} " in shown for name in COMMANDS)
    assert not HEAVY & loaded


def test_the_help_of_the_commands_needs_nothing_of_their_work() -> None:
    script = (
        "import sys; from irquant.tools.cli import COMMANDS, run\n"
        "for name in COMMANDS: run([name, '--help']); print(name, *sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.count("Usage: irquant ") == len(COMMANDS)
    for line in done.stderr.splitlines():
        command, *loaded = line.split()
        assert not HEAVY & set(loaded), command
        passes = {each for each in loaded if each.startswith("irquant.passes.") and each.count(".") > 2}
        assert not passes - LIGHT, command


def test_a_run_imports_only_what_it_uses(model: Path, arrays: Path, tmp_path: Path) -> None:
    _, loaded = imported_by("quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "out.xml"))
    assert {"irquant.tools.runs.quantize", "openvino", "networkx"} <= loaded
    assert not UNUSED & loaded


def test_without_an_output_path_the_result_goes_next_to_the_model(model: Path, arrays: Path, tmp_path: Path) -> None:
    for suffix in (".xml", ".bin"):
        (tmp_path / f"mine{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    assert run(["quantize", str(tmp_path / "mine.xml"), "--data", str(arrays)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine.bin",
        "mine.xml",
        "mine_int8.bin",
        "mine_int8.xml",
    ]


def test_pictures_calibrate_a_model(model: Path, pictures: Path, tmp_path: Path) -> None:
    arguments = ["--mean", "127", "--scale", "64", "--color-order", "bgr", "--size", "8x8", "--layout", "NCHW"]
    assert run(["quantize", str(model), "--data", str(pictures), "-o", str(tmp_path / "o.xml"), *arguments]) == 0
    assert (tmp_path / "o.bin").is_file()


def test_options_beat_the_configuration_file(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.json"
    config.write_text(
        '{"compression": {"target_device": "CPU", "algorithms": [ // one\n'
        '  {"name": "DefaultQuantization", "params": {"preset": "mixed", "stat_subset_size": 10,},},\n]}}'
    )
    outputs = [tmp_path / f"{name}.xml" for name in ("file", "flags", "both")]
    command = ["quantize", str(model), "--data", str(arrays), "-o"]
    assert run([*command, str(outputs[0]), "-c", str(config)]) == 0
    assert "calibrated on 9 samples" in capfd.readouterr().out
    assert run([*command, str(outputs[1]), "--preset", "mixed", "--samples", "10"]) == 0
    assert run([*command, str(outputs[2]), "-c", str(config), "--preset", "performance"]) == 0
    texts = [output.read_bytes() + output.with_suffix(".bin").read_bytes() for output in outputs]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_few_samples_are_all_used_and_that_is_said(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "o.xml"), "--samples", "4"]) == 0
    assert (
        "calibrated on 4 samples; no held-out samples to check the outputs (give 9 samples or more)"
        in capfd.readouterr().out
    )


def test_statistics_are_measured_once_for_every_preset(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, outputs = tmp_path / "s.npz", [tmp_path / f"{name}.xml" for name in ("fresh", "saved", "mixed", "again")]
    command = ["quantize", str(model)]
    data = ["--data", str(arrays)]
    assert run([*command, *data, "-o", str(outputs[0])]) == 0
    assert run([*command, *data, "-o", str(outputs[1]), "--save-statistics", str(file)]) == 0
    assert run([*command, *data, "-o", str(outputs[2]), "--preset", "mixed"]) == 0
    capfd.readouterr()
    assert run([*command, "--statistics", str(file), "-o", str(outputs[3]), "--preset", "mixed"]) == 0
    said = "calibrated on 19 samples (all those of the statistics file); no held-out samples to check the outputs"
    assert said in capfd.readouterr().out
    texts = [output.read_bytes() + output.with_suffix(".bin").read_bytes() for output in outputs]
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]


def test_a_dry_run_tells_what_would_be_measured(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", str(model), "-o", str(tmp_path / "o.xml"), "--dry-run"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "image  [1,3,8,8]  max, mean per channel (axis 1), min, sample of all channels (axis 1)"
    assert lines[1].endswith("  [1,8,8,8]  max, mean per channel (axis 1), sample of all channels (axis 1)")
    assert lines[2] == "8 statistics requested; measured: 7 at 2 tensors"
    assert lines[3] == "one run over the data, one compiled model; 718 numbers a sample"
    assert not list(tmp_path.iterdir())


def test_calibration_takes_data_or_statistics(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", str(model)]) == 2
    assert capfd.readouterr().err == (
        "error: give calibration data (--data SOURCE; in Python, the second argument), or measured statistics "
        "(--statistics FILE)\n"
    )


# ---------------------------------------------------------------------------------------------------- the wrong model


def test_a_missing_model_is_named(complaint: Complaint, tmp_path: Path) -> None:
    assert complaint(given=tmp_path / "gone.xml") == f"{tmp_path / 'gone.xml'}: no such file"


def test_a_folder_is_no_model(complaint: Complaint, tmp_path: Path) -> None:
    assert complaint(given=tmp_path) == (
        f"{tmp_path}: a folder without saved_model.pb or saved_model.pbtxt: no TensorFlow SavedModel"
    )


def test_a_file_that_is_no_ir_is_refused(complaint: Complaint, tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_text("not xml")
    assert complaint(given=tmp_path / "m.xml") == (
        f"{tmp_path / 'm.xml'}: not an OpenVINO IR: not well-formed XML: syntax error: line 1, column 0"
    )
    (tmp_path / "m.xml").write_text("<svg/>")
    assert complaint(given=tmp_path / "m.xml") == (
        f"{tmp_path / 'm.xml'}: not an OpenVINO IR: the root element is <svg>, expected <net>"
    )


def test_an_execution_graph_is_refused(complaint: Complaint, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "exec.xml"
    ov.serialize(ov.Core().compile_model(model, "CPU").get_runtime_model(), path, path.with_suffix(".bin"))
    assert complaint(given=path) == (
        f"{path}: this is an execution graph, as a compiled model exports it; give the IR that was compiled"
    )


def test_missing_and_short_weights_are_named(complaint: Complaint, model: Path, tmp_path: Path) -> None:
    (tmp_path / "m.xml").write_bytes(model.read_bytes())
    assert complaint(given=tmp_path / "m.xml") == (
        f"{tmp_path / 'm.xml'}: its weights are missing: there is no m.bin next to it"
    )
    (tmp_path / "m.bin").write_bytes(model.with_suffix(".bin").read_bytes()[:100])
    said = complaint(given=tmp_path / "m.xml")
    assert said.startswith(f"{tmp_path / 'm.xml'}: constant '")
    assert said.endswith("but the weights file has only 100 bytes: is it the .bin of this .xml?")


def test_a_quantized_model_is_refused(
    complaint: Complaint, model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "int8.xml")]) == 0
    capfd.readouterr()
    assert complaint(given=tmp_path / "int8.xml").startswith("the model is quantized already: it holds FakeQuantize '")


# ----------------------------------------------------------------------------------------------------- the wrong data


def test_data_that_are_not_there_are_named(complaint: Complaint, tmp_path: Path) -> None:
    assert (
        complaint(data=tmp_path / "gone.npz")
        == f"{tmp_path / 'gone.npz'}: no such file or folder (nor module:function)"
    )


def test_empty_data_are_refused(complaint: Complaint, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def samples():\n    return []\n")
    assert complaint(data=f"{tmp_path / 'mine.py'}:samples") == (
        "the calibration data are empty: at least one sample is needed"
    )


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("np.zeros((1, 2, 8, 8), 'f4')", "input 'image' f32[1,3,8,8]: got float32[1, 2, 8, 8]"),
        (
            "{'imag': np.zeros((1, 3, 8, 8))}",
            "the model has no input 'imag'; did you mean 'image'? it takes 'image' f32[1,3,8,8]",
        ),
        ("{}", "no array for input 'image' f32[1,3,8,8]"),
        (
            "[np.zeros(3), np.zeros(3)]",
            "got a list of 2 (one array per input), but the model has 1 input: 'image' f32[1,3,8,8]",
        ),
        (
            "'text'",
            "input 'image' f32[1,3,8,8]: expected numbers, got str; if it is a path, read it: transform=FUNCTION, or give "
            "the folder or a glob of the files as data",
        ),
        (
            "np.zeros((1, 3, 8, 8), complex)",
            "input 'image' f32[1,3,8,8]: got complex128[1, 3, 8, 8]; convert it to f32 first",
        ),
        ("np.full((1, 3, 8, 8), np.nan)", "input 'image' f32[1,3,8,8]: the array holds NaN"),
        (
            "np.full((1, 3, 8, 8), np.inf)",
            "the float model gives NaN or Inf at Parameter 'image' (id 0); leave the sample out",
        ),
    ],
)
def test_a_sample_that_does_not_fit_is_named(complaint: Complaint, tmp_path: Path, made: str, said: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(f"import numpy as np\ndef samples():\n    yield np.ones((1, 3, 8, 8))\n    yield {made}\n")
    assert complaint(data=f"{path}:samples") == f"sample 1 of {path}:samples: {said}"


# -------------------------------------------------------------------------------------------------- the wrong options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--preset", "mixd"], "preset is 'mixd'; did you mean 'mixed'? there are: performance, mixed, accuracy"),
        (["--samples", "0"], "samples is 0; should be greater than or equal to 1"),
        (
            ["--target", "cpuu"],
            "no target 'cpuu'; did you mean 'cpu'? "
            f"there are: {', '.join(target_names())}; or give the path of a .yaml file",
        ),
        (["--size", "224"], "Invalid value for '--size': '224' is not a size; write HEIGHTxWIDTH, e.g. 224x224"),
        (["--mean", "1,b"], "Invalid value for '--mean': '1,b' is not a comma-separated list of numbers"),
        (["--mean", "nan"], "Invalid value for '--mean': 'nan' is not a comma-separated list of numbers"),
        (["-c", "config.ini"], "config.ini: a configuration ends in .json, .yaml or .yml"),
    ],
)
def test_a_wrong_option_is_explained(complaint: Complaint, options: list[str], said: str) -> None:
    assert complaint(*options) == said


@pytest.mark.parametrize("threads", ["many", "0", "-1"])
def test_a_wrong_number_of_threads_is_told(complaint: Complaint, monkeypatch: pytest.MonkeyPatch, threads: str) -> None:
    monkeypatch.setenv("IRQUANT_THREADS", threads)
    assert complaint() == f"IRQUANT_THREADS is '{threads}' in the environment, expected a number of threads"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            ["-q", "default", "-m", "my model.xml"],
            "no such option: -q; did you mean `irquant quantize -q default -m 'my model.xml'`?",
        ),
        (
            ["--input_model", "m.xml"],
            "no such option: --input_model; did you mean `irquant quantize --input_model m.xml`?",
        ),
        (["--output_dir=ir"], "no such option: --output_dir; did you mean `irquant quantize --output_dir=ir`?"),
        (["--nonsense_word"], "no such option: --nonsense_word; irquant --help lists the commands"),
        (["quantize", "m.xml", "-data", "photos"], "no such option: -data; did you mean --data?"),
    ],
)
def test_options_without_a_command_are_meant_for_quantize(
    line: list[str], said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(line) == 2
    assert capfd.readouterr() == ("", f"error: {said}\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["quantize", "m.xml", "photos"], "unexpected argument: photos; did you mean --data photos?"),
        (["quantize", "m.xml", "photos", "--data", "x"], "unexpected argument: photos"),
        (["config", "show", "c.json"], "unexpected argument: c.json; did you mean -c c.json?"),
        (["diff", "a.xml", "b.xml", "c.xml"], "unexpected argument: c.xml"),
        (["inspect", "a.xml", "b.xml", "c.xml"], "unexpected arguments: b.xml, c.xml"),
        (
            ["quantize", "m.xml", "--mean", "1", "2", "3.5"],
            "unexpected arguments: 2, 3.5; numbers of one option have commas between them, e.g. --mean 123.675,116.28,103.53",
        ),
        (
            ["compare", "a.xml", "b.xml", "--data", "tests", *["tests"] * 5],
            "unexpected arguments: tests, tests, tests and 2 more; if the shell made them of a glob, put quotes around it",
        ),
    ],
)
def test_arguments_that_are_too_many_may_be_meant_for_an_option(
    line: list[str], said: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert run(line) == 2
    assert capfd.readouterr() == ("", f"error: {said}\n")


def test_a_model_in_place_of_a_command_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["my model.xml", "--data", "p"]) == 2
    said = "no such command: my model.xml; did you mean `irquant quantize 'my model.xml' --data p`?"
    assert capfd.readouterr() == ("", f"error: {said}\n")


@pytest.mark.parametrize("line", [["-o=q.xml", "m.xml"], ["-o", "q.xml", "-m=m.xml"]])
def test_short_options_take_an_equals_sign(line: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", *line, "--data", "p"]) == 2
    assert capfd.readouterr() == ("", "error: m.xml: no such file\n")


def test_a_dash_of_a_web_page_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "m.xml", "\u2014data", "p"]) == 2
    said = "unexpected arguments: \u2014data, p; '\u2014' is no hyphen: type --data"
    assert capfd.readouterr() == ("", f"error: {said}\n")


@pytest.mark.parametrize(
    ("word", "instead"),
    [
        ("pot", "write `irquant quantize` with the same options"),
        ("help", "write `irquant --help`, or `irquant COMMAND --help`"),
        ("benchmark_app", "`irquant compare` measures the latency of two models"),
    ],
)
def test_a_word_that_others_take_as_a_command_says_what_to_write(
    word: str, instead: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run([word, "-c", "x"]) == 2
    assert capfd.readouterr() == ("", f"error: no such command: {word}; {instead}\n")


def test_an_unknown_option_is_told_as_it_was_typed(complaint: Complaint) -> None:
    assert "--input_modell" in complaint("--input_modell", "m.xml")


def test_a_misspelt_option_gets_a_hint(complaint: Complaint) -> None:
    said = complaint("--presett", "mixed")  # click's words differ from version to version
    hint = r"\(?(Did you mean (one of: )?|Possible options: )'?--preset'?.*\)?"
    assert re.fullmatch(rf"No such option:? '?--presett'?\.? {hint}", said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            {"compresion": {}},
            "unknown key 'compresion'; did you mean 'compression'? known keys: model, engine, compression",
        ),
        (
            {"compression": {"algorithms": [{"name": "DefaultQuantization", "params": {"prset": "mixed"}}]}},
            "unknown key 'compression.algorithms[0].params.prset'; did you mean 'preset'? "
            f"known keys: {', '.join(Parameters.model_fields)}",
        ),
        (
            {"compression": {"algorithms": []}},
            "compression.algorithms is []; should have at least 1 entry",
        ),
        ([], "compression.algorithms is []; should have at least 1 entry"),
        (7, "the content is 7; should be a mapping; its keys: model, engine, compression"),
    ],
)
def test_a_mistake_in_a_configuration_file_has_its_path(
    complaint: Complaint, tmp_path: Path, content: object, said: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    assert complaint("-c", str(path)) == f"{path}: {said}"


def test_the_model_itself_is_never_the_output(complaint: Complaint, model: Path) -> None:
    before = [model.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")]
    assert complaint(out=model) == f"{model}: is the model that is being read; give another path for the result"
    assert [model.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")] == before


def test_an_output_that_cannot_be_is_refused_before_the_work(complaint: Complaint, tmp_path: Path) -> None:
    said = "the output must end in .xml; did you mean"
    for given, meant in (("o.onnx", "o.xml"), ("o.bin", "o.xml"), ("o", "o.xml"), ("", "model_int8.xml")):
        assert complaint(out=tmp_path / given) == f"{tmp_path / given}: {said} '{tmp_path / meant}'?"
    assert complaint(out=Path()) == f".: {said} 'model_int8.xml'?"
    assert complaint(out=Path("/")) == f"/: {said} '/model_int8.xml'?"


def test_control_characters_of_names_do_not_reach_the_terminal(complaint: Complaint) -> None:
    assert complaint(given=Path("a\x1b[31mb.xml")) == "a\\x1b[31mb.xml: no such file"


@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing(model: Path, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import numpy as np, time\ndef samples():\n    while True:\n        print('pulled', flush=True)\n"
        "        time.sleep(0.05)\n        yield np.ones((1, 3, 8, 8))\n"
    )
    arguments = [str(model), "--data", f"{tmp_path / 'slow.py'}:samples", "-o", str(tmp_path / "o.xml")]
    # a shell in the background lets its programs ignore interrupts
    started = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from irquant.tools.start import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", started, "quantize", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "pulled\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said.lstrip("\n")) == (130, "error: interrupted; nothing was written\n")
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != "") == ["slow.py"]
