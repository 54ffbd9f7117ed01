"""One way in: what a job reads, refuses, writes and says, whoever asks for it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import UserError
from irquant.passes import QuantizationConfig, quantize
from irquant.passes.files.model_place import FilePlace, MemoryPlace
from irquant.passes.jobs.quantize_job import QuantizeJob
from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.resolved import ResolvedOptions

FEW = "only 10 samples: ranges and check depend on each of them; give 100 to 300 typical ones"
DATA = [np.random.default_rng(seed).random((1, 3, 8, 8), np.float32) for seed in range(10)]
KEEPING = ResolvedOptions.of(ConfigFile(config=QuantizationConfig(keep_intermediate=True)))


def model() -> ov.Model:
    x = op.parameter([1, 3, 8, 8], np.float32, name="x")
    weights = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)
    return ov.Model([op.relu(op.convolution(x, weights, [1, 1], [0, 0], [0, 0], [1, 1]))], [x], "m")


@pytest.fixture
def place(tmp_path: Path) -> FilePlace:
    ov.serialize(model(), tmp_path / "m.xml", tmp_path / "m.bin")
    return FilePlace(tmp_path / "m.xml", tmp_path / "int8.xml")


def refused(job: QuantizeJob[Path]) -> str:
    with pytest.raises(UserError) as caught:
        job.load()
    return str(caught.value)


def test_a_job_gives_what_quantize_gives(place: FilePlace, tmp_path: Path) -> None:
    job = QuantizeJob(place, ResolvedOptions.of(ConfigFile()))
    assert job.run(job.load(), DATA).model == place.output
    quantize(place.path, DATA, output=tmp_path / "other.xml")
    assert (tmp_path / "other.bin").read_bytes() == (tmp_path / "int8.bin").read_bytes()
    assert (tmp_path / "other.xml").read_bytes() == (tmp_path / "int8.xml").read_bytes()


def test_a_result_is_not_written_over_its_model(place: FilePlace) -> None:
    job = QuantizeJob(replace(place, output=place.path), ResolvedOptions.of(ConfigFile()))
    assert refused(job) == f"{place.path}: is the model that is being read; give another path for the result"


def test_what_else_is_read_is_not_written_over(place: FilePlace, tmp_path: Path) -> None:
    (tmp_path / "int8.bin").write_bytes(b"data")
    job = QuantizeJob(place, ResolvedOptions.of(ConfigFile()), reads=[("the data", tmp_path / "int8.bin")])
    assert refused(job) == (
        f"{tmp_path}/int8.bin: is the data that is being read; give another path for the weights of the result"
    )


def test_what_else_is_written_is_not_written_over(place: FilePlace) -> None:
    job = QuantizeJob(place, ResolvedOptions.of(ConfigFile()), writes=[("the report", place.output)])
    assert refused(job) == (
        f"{place.output}: the result and the report would both be written there; give one another path"
    )


def test_a_folder_that_is_not_there_is_told_of_before_the_data_are_read(place: FilePlace, tmp_path: Path) -> None:
    job = QuantizeJob(replace(place, output=tmp_path / "no" / "int8.xml"), ResolvedOptions.of(ConfigFile()))
    graph, data = job.load(), iter(DATA)
    with pytest.raises(UserError):
        job.run(graph, data)
    assert next(data) is DATA[0]


def test_the_model_before_bias_correction_is_written_beside_the_result(place: FilePlace, tmp_path: Path) -> None:
    job = QuantizeJob(place, KEEPING)
    assert job.run(job.load(), DATA).report.warnings == (FEW,)
    assert (tmp_path / "int8_before_bias_correction.xml").is_file()


def test_a_place_that_does_not_keep_it_says_so(place: FilePlace, tmp_path: Path) -> None:
    job = QuantizeJob(replace(place, no_intermediate="not here"), KEEPING)
    assert job.run(job.load(), DATA).report.warnings == (FEW, "not here")
    assert not (tmp_path / "int8_before_bias_correction.xml").exists()


def test_a_place_that_does_not_keep_it_says_nothing_if_nobody_wants_it(place: FilePlace) -> None:
    job = QuantizeJob(replace(place, no_intermediate="not here"), ResolvedOptions.of(ConfigFile()))
    assert job.run(job.load(), DATA).report.warnings == (FEW,)


def test_a_model_in_memory_gives_a_new_one_and_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = model()
    job = QuantizeJob(MemoryPlace(before), ResolvedOptions.of(ConfigFile()))
    after = job.run(job.load(), DATA).model
    assert "FakeQuantize" in {each.get_type_name() for each in after.get_ordered_ops()}
    assert "FakeQuantize" not in {each.get_type_name() for each in before.get_ordered_ops()}
    assert not list(tmp_path.iterdir())


def test_a_model_in_memory_is_made_although_files_of_the_run_appear_at_its_end(tmp_path: Path) -> None:
    after = quantize(model(), DATA, report=lambda _: None, save_statistics=tmp_path / "s.npz")
    assert "FakeQuantize" in {each.get_type_name() for each in after.get_ordered_ops()}
    assert [each.name for each in tmp_path.iterdir()] == ["s.npz"]
