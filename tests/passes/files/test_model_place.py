"""Models come from files or from memory; the result goes to files or to memory."""

from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op
import pytest

from irquant.ir import UserError, read_model
from irquant.passes import QuantizationConfig
from irquant.passes.files.model_place import FilePlace, MemoryPlace

CONFIG = QuantizationConfig()
INTERMEDIATE = QuantizationConfig(keep_intermediate=True)


def model() -> ov.Model:
    x = op.parameter([1, 3], np.float32, name="x")
    return ov.Model([op.result(op.relu(x, name="y"))], [x], "m")


@pytest.fixture
def place(tmp_path: Path) -> FilePlace:
    ov.save_model(model(), tmp_path / "m.xml", compress_to_fp16=False)
    return FilePlace(tmp_path / "m.xml", tmp_path / "out.xml")


def test_a_model_is_read_from_its_files_and_the_result_written(place: FilePlace) -> None:
    graph = place.load()
    place.check(graph)
    assert place.put(graph) == place.output
    assert [node.type for node in read_model(place.output).nodes()] == [node.type for node in graph.nodes()]


def test_all_its_files_are_named(place: FilePlace) -> None:
    assert {Path(path).name for _, path in place.reads()} == {"m.xml", "m.bin"}
    assert {Path(path).name for _, path in place.writes(CONFIG)} == {"out.xml", "out.bin"}


def test_the_model_before_its_biases_are_corrected_is_one_more_result(place: FilePlace) -> None:
    assert len(list(place.watching(INTERMEDIATE))) == 1
    assert len(list(place.writes(INTERMEDIATE))) == 4
    kept_out = FilePlace(place.path, place.output, no_intermediate="not here")
    assert list(kept_out.watching(INTERMEDIATE)) == []
    assert len(list(kept_out.writes(INTERMEDIATE))) == 2


def test_a_place_that_cannot_be_written_is_refused_before_any_work(place: FilePlace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone"):
        FilePlace(place.path, tmp_path / "gone" / "out.xml").check(place.load())


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.xml"):
        FilePlace(tmp_path / "none.xml", tmp_path / "out.xml").load()


def test_a_model_in_memory_touches_no_file_and_stays_as_it_is() -> None:
    source = model()
    place = MemoryPlace(source)
    graph = place.load()
    place.check(graph)
    graph.rename(next(node for node in graph.nodes() if node.name == "y"), "z")
    result = place.put(graph)
    assert [each.get_friendly_name() for each in result.get_ops() if each.get_type_name() == "Relu"] == ["z"]
    assert [each.get_friendly_name() for each in source.get_ops() if each.get_type_name() == "Relu"] == ["y"]
    assert [*place.reads(), *place.writes(INTERMEDIATE), *place.watching(INTERMEDIATE)] == []
    assert place.no_intermediate.endswith("give a path")
