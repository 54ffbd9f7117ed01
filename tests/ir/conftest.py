"""Small files in the styles of OpenVINO's serializer and of Model Optimizer."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

ESCAPED = 'a > b & "c" < d\ne'


def conv_model() -> ov.Model:
    """Convolution + bias + ReLU with odd names, a layout and metadata."""
    rng = np.random.default_rng(0)
    x = op.parameter([1, 3, 6, 6], np.float32, name="x")
    x.output(0).set_names({"x", "alias"})
    weights = op.constant(rng.normal(size=(4, 3, 3, 3)).astype(np.float32), name="w")
    conv = op.convolution(x, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=ESCAPED)
    total = op.add(conv, rng.normal(size=(1, 4, 1, 1)).astype(np.float32), name="bias")
    relu = op.relu(total, name="relu")
    relu.output(0).set_names({"y"})
    model = ov.Model([op.result(relu)], [x], "conv")
    model.inputs[0].get_node().set_layout(ov.Layout("NCHW"))
    model.set_rt_info("0 < 1", ["model_info", "labels"])
    return model


def body_model() -> ov.Model:
    """An If whose branches hold constants of their own."""
    x = op.parameter([2, 2], np.float32, name="x")
    flag = op.parameter([], np.bool_, name="flag")
    branch = op.if_op(flag)
    for setter, factor in ((branch.set_then_body, 2.0), (branch.set_else_body, 3.0)):
        inner = op.parameter([2, 2], np.float32)
        setter(ov.Model([op.result(op.multiply(inner, np.full((2, 2), factor, np.float32)))], [inner]))
    branch.set_input(
        x.output(0), branch.get_function(0).get_parameters()[0], branch.get_function(1).get_parameters()[0]
    )
    out = branch.set_output(branch.get_function(0).get_results()[0], branch.get_function(1).get_results()[0])
    scaled = op.multiply(out, np.full((1, 1), 5.0, np.float32))
    return ov.Model([op.result(scaled)], [x, flag], "branches")


def loop_model() -> ov.Model:
    """A Loop that adds the rows of its input to a running sum, with a constant in its body and a state around it."""
    x = op.parameter([5, 3], np.float32, name="x")
    total, row = op.parameter([1, 3], np.float32), op.parameter([1, 3], np.float32)
    grown = op.add(total, op.multiply(row, np.full((1, 1), 0.5, np.float32)))
    body = ov.Model([op.result(grown), op.result(op.constant([True]))], [total, row])
    loop = op.loop(op.constant(5), op.constant([True]))
    loop.set_function(body)
    loop.set_special_body_ports([-1, 1])
    loop.set_sliced_input(row, x.output(0), 0, 1, 1, -1, 0)
    loop.set_merged_input(total, op.constant(np.zeros((1, 3), np.float32)).output(0), grown.output(0))
    return ov.Model([op.result(loop.get_iter_value(grown.output(0), -1))], [x], "loop")


def save(model: ov.Model, folder: Path, name: str = "model") -> Path:
    path = folder / f"{name}.xml"
    ov.serialize(model, path, path.with_suffix(".bin"))
    return path


@pytest.fixture
def conv(tmp_path: Path) -> Path:
    return save(conv_model(), tmp_path, "conv")


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    return save(loop_model(), tmp_path, "loop")


@pytest.fixture
def branches(tmp_path: Path) -> Path:
    return save(body_model(), tmp_path, "branches")


V10 = """<?xml version="1.0" ?>
<net name="old" version="10">
	<layers>
		<layer id="0" name="data" type="Parameter" version="opset1">
			<data element_type="f32" shape="1,2,2,2"/>
			<output>
				<port id="0" precision="FP32">
					<dim>1</dim>
					<dim>2</dim>
					<dim>2</dim>
					<dim>2</dim>
				</port>
			</output>
		</layer>
		<layer id="3" name="w" type="Const" version="opset1">
			<data element_type="f32" offset="4" shape="1,2,1,1" size="8"/>
			<output>
				<port id="1" precision="FP32">
					<dim>1</dim>
					<dim>2</dim>
					<dim>1</dim>
					<dim>1</dim>
				</port>
			</output>
		</layer>
		<layer id="7" name="conv" type="Convolution" version="opset1">
			<data auto_pad="explicit" dilations="1,1" output_padding="0,0" pads_begin="0,0" pads_end="0,0" strides="1,1"/>
			<input>
				<port id="0">
					<dim>1</dim>
					<dim>2</dim>
					<dim>2</dim>
					<dim>2</dim>
				</port>
				<port id="1">
					<dim>1</dim>
					<dim>2</dim>
					<dim>1</dim>
					<dim>1</dim>
				</port>
			</input>
			<output>
				<port id="2" precision="FP32">
					<dim>1</dim>
					<dim>1</dim>
					<dim>2</dim>
					<dim>2</dim>
				</port>
			</output>
		</layer>
		<layer id="8" name="conv/sink_port_0" type="Result" version="opset1">
			<input>
				<port id="0">
					<dim>1</dim>
					<dim>1</dim>
					<dim>2</dim>
					<dim>2</dim>
				</port>
			</input>
		</layer>
	</layers>
	<edges>
		<edge from-layer="0" from-port="0" to-layer="7" to-port="0"/>
		<edge from-layer="3" from-port="1" to-layer="7" to-port="1"/>
		<edge from-layer="7" from-port="2" to-layer="8" to-port="0"/>
	</edges>
	<meta_data>
		<MO_version value="2021.4"/>
		<cli_parameters>
			<caffe_parser_path value="DIR"/>
			<unset unset_cli_parameters="batch, counts"/>
		</cli_parameters>
	</meta_data>
</net>
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A v10 file as Model Optimizer wrote it: another prolog, `/>`, Const port 1, no input precisions, a gap in the .bin."""
    path = tmp_path / "old.xml"
    path.write_text(V10, newline="")
    path.with_suffix(".bin").write_bytes(b"gap." + np.array([0.5, -2.0], np.float32).tobytes())
    return path


def run(path: Path, *inputs: Any) -> list[np.ndarray[Any, np.dtype[Any]]]:
    compiled = ov.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(value) for value in compiled(list(inputs)).values()]
