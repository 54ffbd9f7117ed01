"""26 command lines and configurations as scripts for pot, mo and ovc have them: each runs, or says what to write instead.

Most are in the documentation of these tools, with other paths; `irquant quantize` is in the place of the tool's name.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from irquant.tools.cli import run

CHECKER = """\
models:
  - name: small
    datasets:
      - data_source: photos
        preprocessing:
          - type: resize
            size: 8
"""
DATA_FREE = (
    "irquant makes no synthetic data, since ranges that were measured on them do not fit real data; give 100 typical "
    "samples without labels: --data SOURCE"
)
SHAPES = "shapes and parts are chosen at conversion: ovc MODEL --input NAME[1,3,224,224]; then give its .xml"
BY_OVC = "convert the model with ovc, which needs no such option; then give its .xml"
SIMPLIFIED = {"type": "simplified", "data_source": "photos"}
#: Configurations: the section `engine`, the section `compression` besides its algorithm, and its parameters.
CONFIGURATIONS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "simplified.json": (SIMPLIFIED, {"target_device": "CPU"}, {"preset": "PERFORMANCE", "stat_subset_size": [10]}),
    "template.json": (
        {"stat_requests_number": 8, "eval_requests_number": 8, **SIMPLIFIED},
        {"target_device": "ANY", "model_type": "None", "dump_intermediate_model": False, "inplase_statistics": True},
        {
            "ignored": {"scope": ["first"], "operations": [{"type": "MatMul"}]},
            "preset": "mixed",
            "stat_subset_size": 100,
            "weights": {"bits": 8, "mode": "symmetric", "granularity": "perchannel"},
            "activations": {"range_estimator": {"preset": "quantile", "max": {"clipping_value": 6}}},
        },
    ),
    "checker.json": (
        {"type": "accuracy_checker", "config": "ac.yml"},
        {"target_device": "GPU"},
        {"stat_subset_size": 10},
    ),
    "free.json": (
        {"type": "data_free", "generate_data": "True", "layout": "NCHW", "data_type": "image", "data_source": "made"},
        {},
        {"preset": "performance", "stat_subset_size": 300},
    ),
    "many.json": (SIMPLIFIED, {}, {"stat_subset_size": [10, 100]}),
}
#: A line -> the message that says what to write instead; empty: the line runs.
LINES = {
    # pot
    "-q default -m model.xml -w model.bin -n small --engine simplified --data-source photos --preset MIXED --output-dir "
    "out -d --log-level INFO --progress-bar --stream-output --keep-uncompressed-weights": "",
    "--quantize=DEFAULT --model=model.xml --weights=model.bin --engine=simplified --data-source=photos": "",
    "-c simplified.json --output-dir backup -sm": "",
    "-c template.json": "",
    "-c checker.json -d": "",
    "-c free.json": "free.json: engine data_free: synthetic data are no longer supported; give data of the model: irquant "
    "quantize -c free.json --data SOURCE",
    "-c many.json": "many.json: compression.algorithms[0].params.stat_subset_size is [10, 100]; should be an integer",
    "-c simplified.json -e": "--evaluate: irquant has no metrics for data sets; check the result with `irquant compare`, "
    "or use your own metric: --metric module:function",
    "-q accuracy_aware -m model.xml -w model.bin --ac-config ac.yml --max-drop 0.01": "-q accuracy_aware: give a "
    "metric of your own, --metric module:function",
    "-q default -m model.xml -w model.bin --ac-config ac.yml": "",
    "-q default -m model.xml -w model.bin --engine data_free --generate-data --shape [1,3,8,8] --data-type image": "--engine "
    f"data_free, --generate-data, --shape: {DATA_FREE}",
    "-m .\\model.xml -w .\\model.bin --data-source .\\photos": ".\\model.bin: no such file; write ./model.bin",
    "-m model.xml --data-source D:\\calibration": "D:\\calibration: no such file or folder (nor module:function); write "
    "the path on this system, with / between folders",
    "-m model.xml --data-source photos --target-device GPU --stat_subset_size 10": "--stat-subset-size: write --samples "
    "10; --target-device: write --target GPU",
    # mo
    "--input_model model.xml --data photos --mean_values [123.675,116.28,103.53] --scale_values [58.395,57.12,57.375] "
    "--reverse_input_channels --data_type FP16 --output_dir ir --model_name small": "",
    '--input_model=model.xml --data=photos --mean_values "image[127.5, 127.5, 127.5]" -s 127.5 --log_level=ERROR': "",
    "--input_model model.xml --data photos --layout image([n,c,h,w]) --static-shape": f"--static_shape: {SHAPES}",
    "--input-model model.xml --data photos --layout image([n,c,h,w]) --disable_fusing --use_new_frontend": "",
    "--input_model model.xml --data photos --layout nhwc->nchw": "layout 'NHWC->NCHW' is unknown; the layout of a model "
    "does not change here; write --layout NHWC",
    "--input_model model.xml --data photos --mean_values image[123,116,103],mask[1]": "Invalid value for '--mean_values': "
    "'image[123,116,103],mask[1]' names several inputs: write the numbers of the image input, e.g. 123.675,116.28,103.53",
    "--input_model model.xml --data photos --input_shape [1,3,8,8] --input image -b 1": f"--input_shape, --input, -b: "
    f"{SHAPES}",
    "--input_model f.pb --transformations_config ssd.json --tensorflow_object_detection_api_pipeline_config p.config": "--"
    f"transformations_config, --tensorflow_object_detection_api_pipeline_config: {BY_OVC}",
    "--input_model net.caffemodel --input_proto net.prototxt": "--input_proto: the runtime reads neither Caffe nor MXNet "
    "models any more: convert the model to ONNX, then give its .onnx",
    # ovc
    "model.xml --data photos --compress_to_fp16=False --verbose --share_weights True": "",
    "model.xml --data photos --output_model model_int8.xml": "--output_model: write -o model_int8.xml",
    "model.xml --data photos --input image[1,3,8,8]": f"--input: {SHAPES}",
}


@pytest.fixture(autouse=True)
def _here(model: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a model, images and configurations."""
    monkeypatch.chdir(tmp_path)
    for link, path in {"model.xml": model, "model.bin": model.with_suffix(".bin"), "photos": pictures}.items():
        Path(link).symlink_to(path)
    Path("ac.yml").write_text(CHECKER)
    for name, (engine, compression, params) in CONFIGURATIONS.items():
        algorithms = [{"name": "DefaultQuantization", "params": params}]
        whole = {
            "model": {"model_name": "small", "model": "model.xml", "weights": "model.bin"},
            "engine": engine,
            "compression": {**compression, "algorithms": algorithms},
        }
        Path(name).write_text(json.dumps(whole))


@pytest.mark.parametrize(("line", "instead"), LINES.items())
def test_a_line_runs_or_says_what_to_write_instead(line: str, instead: str, capfd: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line, posix=True) if '"' in line else line.split()
    assert run(["quantize", *words]) == (2 if instead else 0)
    captured = capfd.readouterr()
    assert (captured.err == f"error: {instead}\n") if instead else ("error" not in captured.err)


def test_the_documents_have_the_count_of_lines() -> None:
    assert (len(LINES), sum(not instead for instead in LINES.values())) == (26, 10)


def test_options_are_known_with_dashes_and_with_underscores(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["quantize", "model.xml", "--data", "photos", "--color_order", "bgr", "--save_statistics", "s.npz"]) == 0
    assert Path("s.npz").exists()
    assert run(["explain", "model.xml", "--nothing_of_the_kind"]) == 2
    assert "--nothing_of_the_kind" in capfd.readouterr().err
