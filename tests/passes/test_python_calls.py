"""Calls as people have them in scripts for NNCF: loaders with labels, tensors of torch, and its options."""

import logging
import re
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, cast

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant import QuantizationWarning, quantize, quantize_model
from irquant.ir import UserError
from irquant.passes.reporting.report import Report

X = np.random.default_rng(1).normal(size=(20, 3, 8, 8)).astype(np.float32)
Array = np.ndarray[Any, np.dtype[Any]]
ONE = "'image' f32[1,3,8,8]"


class Tensor:
    """What irquant uses of a tensor of torch: one that needs gradients, lies elsewhere or is bfloat16 gives no array."""

    def __init__(
        self, values: Any, dtype: str = "torch.float32", *, requires_grad: bool = False, here: bool = True
    ) -> None:
        self.values: Array = np.asarray(values)
        self.dtype, self.requires_grad, self.here = dtype, requires_grad, here

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def _like(self, **changed: Any) -> "Tensor":
        kept: dict[str, Any] = {"dtype": self.dtype, "requires_grad": self.requires_grad, "here": self.here} | changed
        return Tensor(kept.pop("values", self.values), **kept)

    def detach(self) -> "Tensor":
        return self._like(requires_grad=False)

    def cpu(self) -> "Tensor":
        return self._like(here=True)

    def float(self) -> "Tensor":
        return self._like(dtype="torch.float32")

    def __getitem__(self, index: Any) -> "Tensor":
        return self._like(values=self.values[index])

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        if self.requires_grad or not self.here or self.dtype == "torch.bfloat16":
            message = "can't convert this tensor to numpy"
            raise TypeError(message)
        return self.values


class Loader:
    """A loader of batches, like torch's."""

    def __init__(self, item: Callable[[int, int], object], batch_size: int) -> None:
        self.item, self.batch_size = item, batch_size

    def __len__(self) -> int:
        return len(X) // self.batch_size

    def __iter__(self) -> Iterator[object]:
        return (self.item(start, start + self.batch_size) for start in range(0, len(X), self.batch_size))


class Preset(Enum):
    MIXED = "mixed"


class Device(Enum):
    CPU = "CPU"


def model(batch: int = 1) -> ov.Model:
    """Two convolutions; input `image`, output `logits`."""
    rng = np.random.default_rng(0)
    image = op.parameter([batch, 3, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((8, 3, 3, 3), (4, 8, 1, 1))]
    hidden = op.relu(op.convolution(image, weights[0], [1, 1], [1, 1], [1, 1], [1, 1], name="first"))
    second = op.convolution(hidden, weights[1], [1, 1], [0, 0], [0, 0], [1, 1], name="second")
    second.output(0).set_names({"logits"})
    return ov.Model([op.result(second)], [image], "small")


def pair(start: int, stop: int) -> object:
    return Tensor(X[start:stop]), Tensor(np.zeros(stop - start, np.int64), "torch.int64")


def labelled(start: int, stop: int) -> object:
    return {"image": Tensor(X[start:stop]), "label": Tensor(np.zeros(stop - start))}


@pytest.fixture(scope="module")
def plain() -> Report:
    return quantize_model(model(), [each[np.newaxis] for each in X]).report


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch", "data", "told"),
    [
        (1, X, ""),
        (1, [Tensor(each) for each in X], ""),
        (1, Loader(pair, 1), "the first of 2 elements is used"),
        (1, Loader(pair, 4), "the first of 2 elements is used"),
        (-1, Loader(pair, 4), "the first of 2 elements is used"),
        (1, Loader(labelled, 1), "'label' is not used"),
        (-1, Loader(labelled, 5), "'label' is not used"),
        (1, [(each, 3) for each in X], "the first of 2 elements is used"),
        (1, [Tensor(each, requires_grad=True) for each in X], ""),
        (1, [Tensor(each, here=False) for each in X], ""),
        (1, [Tensor(X[:10], "torch.bfloat16", requires_grad=True, here=False), Tensor(X[10:])], ""),
    ],
)
def test_loaders_and_tensors_are_samples(batch: int, data: Any, told: str, plain: Report) -> None:
    report = quantize_model(model(batch), data).report
    assert report.check.outputs == plain.check.outputs
    assert (report.samples, report.held_out) == (19, 1)
    assert report.data.line.startswith(f"20 samples ({told}); 'image' f32[" if told else "20 samples; 'image' f32[")
    assert report.data.warnings == ()


def test_a_transform_makes_the_samples(plain: Report) -> None:
    report = quantize_model(model(), Loader(labelled, 1), transform=lambda item: item["image"]).report
    assert report.check.outputs == plain.check.outputs
    assert report.data.line.startswith("20 samples; ")


@pytest.mark.parametrize("options", [{"samples": 10}, {"subset_size": 10}])
def test_the_subset_counts_samples_and_not_batches(options: dict[str, int]) -> None:
    report = quantize_model(model(), Loader(pair, 4), **options).report  # type: ignore[call-overload]
    assert report.samples + report.held_out == 10


def test_options_come_as_words_of_any_case_or_as_enumerations() -> None:
    for preset, target in ((Preset.MIXED, Device.CPU), ("MIXED", "CPU")):
        assert quantize_model(model(), X, preset=preset, target=target).report.preset == "mixed"


def test_one_name_is_not_a_list_of_letters() -> None:
    report = quantize_model(model(), X, ignored="first").report
    assert [each.name for each in report.layers if not each.decision.int8] == ["first"]
    assert report.warnings == ()


def test_a_name_that_matches_nothing_is_a_warning() -> None:
    with pytest.warns(QuantizationWarning, match="^ignored: 'firsst' matches no operation of the model; did you mean"):
        quantize(model(), X, ignored="firsst")


def test_a_pair_whose_parts_are_alike_is_doubtful() -> None:
    said = f"samples hold more than the model takes ({ONE}): the first of 2 elements is used, and another has the same shape"
    with pytest.warns(QuantizationWarning) as caught:
        quantize(model(), [(each, each) for each in X])
    assert [str(each.message) for each in caught] == [f"{said}; transform= makes samples of other parts"]


def test_a_poor_output_is_a_warning() -> None:
    spoilt = X.copy()
    spoilt[0] *= 1e4
    with pytest.warns(QuantizationWarning) as caught:
        quantize(model(), spoilt, guard=False)
    assert any(str(each.message).startswith("output 'logits' is poor, ") for each in caught)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"samples": 10, "subset_size": 10}, "samples and subset_size are the same option: give one of them"),
        (
            {"transform": lambda item: item["image"]},
            "sample 0: transform raised IndexError: only integers, slices (`:`), ellipsis (`...`), numpy.newaxis "
            "(`None`) and integer or boolean arrays are valid indices",
        ),
        ({"output": "small.txt"}, "small.txt: the output must end in .xml; did you mean 'small.xml'?"),
        (
            {"transform": "image"},
            "transform is 'image', expected a function of an item of the data, which gives a sample",
        ),
        (
            {"report": "report.html"},
            "report is 'report.html', expected a function of the report; for a page, write "
            "quantize_model(...).report.save('report.html')",
        ),
        ({"extensions": "mine.so"}, "extensions is 'mine.so', expected a list of extensions"),
        ({"extensions": 3}, "extensions is 3, expected a list of extensions"),
        ({"output": 3}, "output is 3, expected the path of a file"),
        ({"statistics": ["s.npz"]}, "statistics is ['s.npz'], expected the path of a file"),
        ({"tuning": 3}, "tuning is 3, expected the path of a file"),
        ({"tune": "yes"}, "tune is 'yes', expected True or False"),
        ({"force": "yes"}, "force is 'yes', expected True or False"),
        ({"tune_seconds": "5"}, "tune_seconds is '5', expected a number"),
        ({"cluster": 3}, "cluster is 3, expected the address of a Dask scheduler, or 'local'"),
        (
            {"ignored": [model().get_results()[0].input_value(0).get_node()]},
            "ignored.scope[0]: it is an operation; write its name, 'second', which get_friendly_name() gives",
        ),
        (
            {"config": {"preset": "mixed"}},
            'unknown key \'preset\': it is a parameter of an algorithm: {"name": "DefaultQuantization", "params": '
            '{"preset": ...}}; in Python, also QuantizationConfig(preset=...)',
        ),
        (
            {"config": {"algorithms": [{"name": "DefaultQuantization"}]}},
            'unknown key \'algorithms\': it belongs into "compression": {"compression": {"algorithms": ...}}',
        ),
        (
            {"target": "GPU.0"},
            "no target 'GPU.0'; did you mean 'gpu'? there are: cpu, cpu_avx2, cpu_spr, gna, gpu, npu; or give the path of a "
            ".yaml file",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    options: dict[str, Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        quantize(model(), X, **options)
    assert str(caught.value) == said
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_numbers() -> None:
    report = quantize_model(model(), X, samples=cast(Any, np.int64(18)), guard=cast(Any, np.bool_(False))).report
    assert report.samples + report.held_out == 18


def test_a_model_in_memory_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "small_int8.xml"
    result = quantize_model(model(), X, output=path)
    assert isinstance(result.model, ov.Model)
    assert ov.Core().read_model(path).get_ordered_ops()[0].get_type_name() == "Parameter"
    assert str(result.report).startswith(f"{path}: ")
    ov.serialize(model(), tmp_path / "small.xml")
    assert path.with_suffix(".bin").read_bytes() == (
        quantize(tmp_path / "small.xml", X, output=tmp_path / "again.xml").with_suffix(".bin").read_bytes()
    )


def test_ones_own_function_sees_the_progress() -> None:
    seen: list[tuple[str, int, int | None]] = []
    quantize(model(), X, progress=lambda task, done, total: seen.append((task, done, total)))
    assert ("calibrating", 20, 20) in seen
    seen.clear()
    quantize(model(), Loader(pair, 4), progress=lambda *step: seen.append(step), report=lambda _: None)
    assert ("calibrating", 5, 5) in seen
    assert ("calibrating", 20, None) in seen


def test_the_log_says_what_each_pass_did(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="irquant"):
        quantize(model(), X)
    said = [each.getMessage() for each in caplog.records]
    assert any(each.startswith("calibrate: samples: ") for each in said)
    assert any(re.fullmatch(r"check: \d+ of \d+ executed layers in int8", each) for each in said)
    assert said[-1].startswith("verdict: ")
    assert not any(": changes: 0," in each for each in said), "these are for people who look for a fault"


def test_an_odd_progress_is_refused() -> None:
    with pytest.raises(UserError) as raised:
        quantize(model(), X, progress=cast(Any, "no"))
    assert str(raised.value) == "progress is 'no', expected True, False, None or a function of (task, done, total)"
