"""`compress` and `compress_model` for paths and for models in memory."""

from enum import Enum
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
import pytest

from irquant import CompressionReport, compress, compress_model
from irquant.ir import UserError
from irquant.passes.runtime.samples import DataError
from tests.passes.weight_only_models import language_model, sentences


def test_a_model_in_memory_gives_one_in_memory() -> None:
    model = language_model()
    result = compress_model(model, sentences(20), weights="int4", group=16)
    kinds = [
        each.get_element_type().get_type_name() for each in result.model.get_ops() if each.get_type_name() == "Constant"
    ]
    assert {"i4", "u4"} & {*kinds}
    assert all(each.get_element_type() != ov.Type.i4 for each in model.get_ops() if each.get_type_name() == "Constant")
    assert (result.report.samples, result.report.held_out) == (19, 1)
    assert len(result.report.check.kept) == 6


def test_a_path_gives_a_path(tmp_path: Path) -> None:
    ov.serialize(language_model(), tmp_path / "m.xml", tmp_path / "m.bin")
    reports: list[CompressionReport] = []
    assert compress(tmp_path / "m.xml", report=reports.append) == tmp_path / "m_weights_int8.xml"
    assert (reports[0].samples, reports[0].check.outputs) == (0, None)


@pytest.mark.slow
def test_more_bits_and_smaller_groups_are_closer() -> None:
    model, data = language_model(), sentences(30)

    def ratio(**options: Any) -> float:
        outputs = compress_model(model, data, all_layers=True, **options).report.check.outputs
        assert outputs is not None
        return outputs[0].sqnr

    assert ratio(weights="int8") > ratio(weights="int4", group=8) + 10 > ratio(weights="int4", group=64) + 11


def outputs(model: ov.Model, data: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    config = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
    compiled = ov.Core().compile_model(model, "CPU", config)
    return np.concatenate([compiled([each])[0] for each in data])


def test_data_bring_the_outputs_closer() -> None:
    model, data, fresh = language_model(), sentences(40), sentences(10, seed=7)
    expected = outputs(model, fresh)
    without, having = (
        compress_model(model, each, weights="int4", group=32, all_layers=True).model for each in (None, data)
    )
    far, near = (float(((outputs(each, fresh) - expected) ** 2).sum()) for each in (without, having))
    assert near < 0.8 * far


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weights": "int3"}, "weights is 'int3'; did you mean 'int8'? there are: int8, int4, nf4"),
        ({"group": -2}, "group is -2; should be greater than or equal to 0"),
        ({"target": 3}, "target is 3, expected the name of a target, the path of a target file, or a Target"),
        ({"output": 3}, "output is 3, expected the path of a file"),
        ({"group": 2.5}, "group is 2.5; should be an integer"),
        ({"group": 64}, "group is 64, but int8 has one scale for each row: groups are for int4 and nf4"),
        ({"samples": 0}, "samples is 0; should be greater than or equal to 1"),
        ({"target": "cpuu"}, "no target 'cpuu'; did you mean 'cpu'? "),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        compress(language_model(), **options)
    assert str(caught.value).startswith(said)


def test_data_are_given_as_to_quantize(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {f"{number:05}|rows": each for number, each in enumerate(sentences(40))}
    np.savez(tmp_path / "d.npz", **arrays)
    seen: list[str] = []

    def progress(task: str, done: int, total: int | None) -> None:
        seen.append(task)

    found = [
        compress_model(language_model(), tmp_path / "d.npz", subset_size=20).report,
        compress_model(language_model(), sentences(40), samples=20, progress=progress).report,
        compress_model(
            language_model(), [(each, 1) for each in sentences(40)], subset_size=20, transform=lambda item: item[0]
        ).report,
    ]
    assert [(each.samples, each.held_out) for each in found] == [(19, 1)] * 3
    assert seen
    with pytest.raises(UserError, match=r"^samples and subset_size are the same option: give one of them$"):
        compress(language_model(), sentences(9), samples=9, subset_size=9)


def test_an_unknown_option_is_refused() -> None:
    options: Any = {"bits": 4}
    with pytest.raises(TypeError, match=r"^compress\(\) got an unexpected keyword argument 'bits'$"):
        compress(language_model(), **options)


def test_data_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match=r"^sample 0: input 'rows' i64\[1,\?\]: got float64\[3, 4, 5\]$"):
        compress(language_model(), [np.zeros((3, 4, 5))])
    with pytest.raises(DataError, match=r"^the calibration data are empty: at least one sample is needed$"):
        compress(language_model(), [])


class Device(Enum):
    """NNCF's `TargetDevice`."""

    CPU = "CPU"


def test_a_target_is_a_path_or_a_member_of_an_enumeration(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("extends: cpu\nname: mine\n")
    for target in (Device.CPU, tmp_path / "mine.yaml"):
        report = compress_model(language_model(), target=cast(Any, target)).report
        assert report.bytes_after < report.bytes_before
