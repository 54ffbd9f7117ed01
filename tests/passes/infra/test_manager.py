"""The manager refuses what cannot work, and says which pass is to blame for the rest."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest

from irquant.ir import Graph, UserError, from_text
from irquant.passes import Context, Pass, PassManager, Verify
from irquant.passes.calibration.calibrate import Calibrate
from irquant.passes.infra.base import PassResult, PipelineError
from irquant.passes.infra.instruments import DumpAfter, PrintAfter, Timing
from irquant.passes.jobs.pipelines import default_quantization
from irquant.passes.runtime.samples import DataError
from irquant.passes.transforms.align_activation_channels import AlignActivationChannels
from irquant.passes.transforms.compress_weights import CompressWeights
from irquant.passes.transforms.fold_input_normalization import FoldInputNormalization
from irquant.passes.transforms.insert_fake_quantize import InsertFakeQuantize
from irquant.passes.transforms.normalize import Normalize
from irquant.passes.transforms.plan_placement import PlanPlacement
from irquant.passes.transforms.set_ranges import SetRanges
from irquant.passes.transforms.smooth_quant import SmoothQuant
from irquant.targets import load_target


def graph() -> Graph:
    return from_text("x: f32[1] = Parameter()\ny: f32[1] = ReLU(x)\nr = Result(y)\n")


def context() -> Context:
    return Context(load_target("cpu"))


@dataclass(frozen=True)
class Raises(Pass):
    error: Exception

    name: ClassVar[str] = "raises"

    def run(self, graph: Graph, context: Context) -> int:
        raise self.error


@dataclass(frozen=True)
class Breaks(Pass):
    name: ClassVar[str] = "breaks"

    def run(self, graph: Graph, context: Context) -> int:
        node = graph.node("y")
        graph.unlink(node.input())
        return 1


def test_the_default_pipeline_can_work() -> None:
    assert len(PassManager(default_quantization()).passes) == 28


@pytest.mark.parametrize(
    ("passes", "said"),
    [
        ([PlanPlacement()], "'plan-placement' requires normalized: no pass before it establishes that"),
        (
            [Normalize(), InsertFakeQuantize()],
            "'insert-fake-quantize' requires planned: no pass before it establishes that",
        ),
        (
            [Normalize(), PlanPlacement(), SetRanges()],
            "'set-ranges' requires fake-quantized, measured: no pass before it establishes that",
        ),
        (
            [Normalize(), PlanPlacement(), Calibrate(), InsertFakeQuantize(), SetRanges(), AlignActivationChannels()],
            "'align-activation-channels' requires as-measured, which 'set-ranges' drops: put 'align-activation-channels' in "
            "front of 'set-ranges', or repeat 'calibrate' behind it",
        ),
        (
            [Normalize(), PlanPlacement(), Calibrate(), FoldInputNormalization(), SmoothQuant()],
            "'smooth-quant' requires as-measured, planned, which 'fold-input-normalization' drops: put 'smooth-quant' in "
            "front of 'fold-input-normalization', or repeat 'plan-placement' and 'calibrate' behind it",
        ),
        ([CompressWeights()], "'compress-weights' requires planned, ranges-set: no pass before it establishes that"),
    ],
)
def test_a_list_that_cannot_work_is_refused_when_it_is_built(passes: list[Pass], said: str) -> None:
    with pytest.raises(PipelineError) as caught:
        PassManager(passes)
    assert str(caught.value) == said


@dataclass(frozen=True)
class Returns(Pass):
    result: object

    name: ClassVar[str] = "returns"

    def run(self, graph: Graph, context: Context) -> int:
        return cast(int, self.result)


@pytest.mark.parametrize(("result", "found"), [(None, "None"), (1.5, "float 1.5"), ([1], "list [1]")])
def test_a_pass_that_returns_no_number_is_named(result: object, found: str) -> None:
    with pytest.raises(PipelineError) as caught:
        PassManager([Returns(result)]).run(graph(), context())
    assert str(caught.value) == (
        f"pass 'returns' returned {found} from run, expected the number of places that it changed, an int"
    )
    assert caught.value.pass_name == "returns"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Normalize, "passes holds the class Normalize, expected an object: write Normalize()"),
        (
            max,
            "passes holds <built-in function max>, expected objects of classes that are derived from irquant.passes.Pass",
        ),
    ],
)
def test_what_is_no_pass_is_refused_when_the_list_is_built(given: Any, said: str) -> None:
    with pytest.raises(UserError) as caught:
        PassManager([given])
    assert str(caught.value) == said


def test_a_pass_that_fails_is_named() -> None:
    with pytest.raises(PipelineError) as caught:
        PassManager([Normalize(), Raises(KeyError("k"))]).run(graph(), context())
    said = r"pass 'raises' failed: KeyError: 'k' \((.+):(\d+)\)"
    assert (found := re.fullmatch(said, str(caught.value)))
    assert found[1] == __file__
    assert "raise" in Path(__file__).read_text(encoding="utf-8").splitlines()[int(found[2]) - 1]
    assert (caught.value.pass_name, caught.value.layer) == ("raises", "")
    assert isinstance(caught.value.__cause__, KeyError)


def test_the_users_mistake_comes_through_as_it_is() -> None:
    with pytest.raises(DataError, match=r"^empty$"):
        PassManager([Raises(DataError("empty"))]).run(graph(), context())


@dataclass(frozen=True)
class Looks(Pass):
    """Changes nothing."""

    name: ClassVar[str] = "looks"

    def run(self, graph: Graph, context: Context) -> int:
        return 0


def test_each_graph_between_two_passes_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[Graph] = []
    monkeypatch.setattr("irquant.passes.infra.instruments.verify", checks.append)
    PassManager([Looks(), Looks(), Looks()], [Verify()]).run(graph(), context())
    assert len(checks) == 4


def test_another_graph_is_checked_before_its_first_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[Graph] = []
    monkeypatch.setattr("irquant.passes.infra.instruments.verify", checks.append)
    manager, first, second = PassManager([Looks()], [Verify()]), graph(), graph()
    manager.run(first, context())
    manager.run(second, context())
    assert [each is first for each in checks] == [True, True, False, False]


def test_shapes_that_the_model_states_wrongly_are_no_fault_of_any_pass() -> None:
    wrong = from_text("x: f32[1] = Parameter()\ny: f32[2] = ReLU(x)\nr = Result(y)\n")
    PassManager([Looks(), Looks()], [Verify()]).run(wrong, context())
    with pytest.raises(PipelineError, match="breaks"):
        PassManager([Looks(), Breaks()], [Verify()]).run(wrong, context())


def test_results_are_listed_in_order() -> None:
    results = PassManager([Normalize(), PlanPlacement()]).run(graph(), context())
    assert [(name, result.changes) for name, result in results.items()] == [("normalize", 0), ("plan-placement", 0)]


def test_timing_counts_a_pass_that_raised() -> None:
    timing = Timing()
    with pytest.raises(PipelineError):
        PassManager([Normalize(), Raises(ValueError())], [timing]).run(graph(), context())
    assert list(timing.seconds) == ["normalize", "raises"]


def test_a_dump_is_written_after_each_pass_and_also_when_it_raised(tmp_path: Path) -> None:
    with pytest.raises(PipelineError):
        PassManager([Normalize(), Raises(ValueError())], [DumpAfter(tmp_path / "d")]).run(graph(), context())
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == ["00_normalize.txt", "01_raises.txt"]
    assert "y: f32[1] = ReLU(x)" in (tmp_path / "d" / "01_raises.txt").read_text()


def test_a_pass_that_is_run_again_adds_up() -> None:
    timing = Timing()
    results = PassManager([Normalize(), Normalize()], [timing]).run(graph(), context())
    assert list(results) == list(timing.seconds) == ["normalize"]
    assert PassResult(2, 1.0) + PassResult(3, 0.5) == PassResult(5, 1.5)


def test_models_are_dumped_as_far_as_they_are_models(tmp_path: Path) -> None:
    dump = DumpAfter(tmp_path / "d", with_models=True)
    with pytest.raises(PipelineError):
        PassManager([Normalize(), Breaks()], [dump, Verify()]).run(graph(), context())
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == [
        "00_normalize.bin",
        "00_normalize.txt",
        "00_normalize.xml",
        "01_breaks.txt",
    ]
    text = (tmp_path / "d" / "01_breaks.txt").read_text()
    assert text == "the graph is broken: input 0 of ReLU 'y' (id 1) has no source\n"


def test_dumps_never_meet_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("dear")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UserError) as caught:
            DumpAfter(folder)
        assert str(caught.value) == f"{folder}: exists and is not an empty folder; give a new one for the dumps"
    assert (tmp_path / "mine.txt").read_text() == "dear"
    (tmp_path / "empty").mkdir()
    DumpAfter(tmp_path / "empty")


def test_the_graph_is_shown_after_the_passes_that_were_named_also_when_one_raised() -> None:
    shown: list[str] = []
    passes: list[Pass] = [Normalize(), PlanPlacement(), Raises(ValueError())]
    with pytest.raises(PipelineError):
        PassManager(passes, [PrintAfter(shown.append, ["normalize", "raises"])]).run(graph(), context())
    assert [text.splitlines()[0] for text in shown] == ["---- after normalize ----", "---- after raises ----"]
    assert all("y: f32[1] = ReLU(x)" in text for text in shown)


def test_verify_names_the_pass_that_broke_the_graph() -> None:
    with pytest.raises(PipelineError) as caught:
        PassManager([Normalize(), Breaks()], [Verify()]).run(graph(), context())
    assert str(caught.value) == "pass 'breaks' left a broken graph: input 0 of ReLU 'y' (id 1) has no source"
