"""`irquant opt`: any passes in any order, and what it says of lists that cannot work."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openvino as ov
import pytest

from irquant.ir import read_model, to_text
from irquant.passes.infra.registry import PASSES
from irquant.tools.cli import run

Complaint = Callable[..., str]

MINE = '''
from dataclasses import dataclass
from typing import ClassVar
from irquant.passes import Pass

@dataclass(frozen=True)
class Rename(Pass):
    """Renames the ReLU."""
    to: str = "new"
    name: ClassVar[str] = "rename"
    requires: ClassVar[frozenset] = frozenset()
    establishes: ClassVar[frozenset] = frozenset()
    drops: ClassVar[frozenset] = frozenset()

    def run(self, graph, context):
        (node,) = graph.nodes("ReLU")
        changed = node.name != self.to
        graph.rename(node, self.to)
        return int(changed)

class Loud(Rename):
    name = "Loud One"

class Half:
    name = "half"

class Bare:
    name = "bare"
    def run(self, graph, context):
        return 0

def function():
    pass
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


@pytest.fixture
def complaint(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Complaint:
    """Runs `irquant opt` with something wrong; gives what it says, having checked that it does so properly."""

    def opt(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*.xml"))
        assert run(["opt", str(model), *arguments]) == 2
        captured = capfd.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1, "one line"
        assert sorted(tmp_path.rglob("*.xml")) == before, "no output file"
        return captured.err.removeprefix("error: ").rstrip("\n")

    return opt


def test_without_passes_the_text_form_is_printed(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["opt", str(model)]) == 0
    assert capfd.readouterr() == (to_text(read_model(model)), "")


def test_the_default_pipeline_gives_what_quantize_gives(model: Path, arrays: Path, tmp_path: Path) -> None:
    data = ["--data", str(arrays), "-o"]
    assert run(["quantize", str(model), *data, str(tmp_path / "a.xml"), "--no-guard"]) == 0
    assert run(["opt", str(model), "--pipeline", "default-quantization", *data, str(tmp_path / "b.xml")]) == 0
    graphs = [read_model(tmp_path / f"{name}.xml") for name in "ab"]
    assert to_text(graphs[0]) == to_text(graphs[1])
    assert (tmp_path / "a.bin").read_bytes() == (tmp_path / "b.bin").read_bytes()


def test_a_model_in_the_text_form_goes_from_process_to_process(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from irquant.tools.start import main; main()", "opt"]
    (tmp_path / "m.txt").write_text("x: f32[1] = Parameter()\ny: f32[1] = ReLU(x)\nr = Result(y)\n")
    done = subprocess.run(
        [*command, tmp_path / "m.txt", "-p", "normalize", "--time-passes"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout == "graph 11\nx: f32[1] = Parameter()\ny: f32[1] = ReLU(x)\nr = Result(y)\n"
    assert re.fullmatch(r" +0\.\d+ s 100\.0%  normalize: changes: 0\n", done.stderr)


def test_a_pass_of_ones_own_runs_with_its_options(
    model: Path, mine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spec = f"{mine}:Rename{{to=brand-new}}"
    assert run(["opt", str(model), "-p", f"normalize,{spec}", "--pass", spec, "--time-passes", "--verify-each"]) == 0
    captured = capfd.readouterr()
    assert "brand-new: f32[1,8,8,8] = ReLU(" in captured.out
    assert "  rename: changes: 1\n" in captured.err, "a second run changes nothing"


def test_a_class_with_a_name_and_run_is_a_pass(model: Path, mine: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["opt", str(model), "-p", f"{mine}:Bare", "--time-passes"]) == 0
    assert "bare" in capfd.readouterr().err


def test_what_the_model_itself_states_wrongly_is_no_fault_of_a_pass(model: Path, tmp_path: Path) -> None:
    text = to_text(read_model(model), values=True)
    wrong = re.sub(r": f32(\S+ = ReLU)", r": f16\1", text)
    assert wrong != text
    (tmp_path / "wrong.txt").write_text(wrong)
    arguments = ["-p", "normalize", "--verify-each", "-o", str(tmp_path / "o.xml")]
    assert run(["opt", str(tmp_path / "wrong.txt"), *arguments]) == 0


def test_a_pass_that_was_renamed_is_printed_by_either_name(model: Path, arrays: Path, tmp_path: Path) -> None:
    passes = "normalize,plan-placement,calibrate,migrate-scales"
    command = ["opt", str(model), "-p", passes, "--data", str(arrays), "-o", str(tmp_path / "o.txt")]
    assert run([*command[:-2], "--print-after", "migrate-scales"]) == 0


def test_the_runtime_refuses_what_no_rule_knows(model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The pass puts an operation into the graph that there is not."""
    path = tmp_path / "spoil.py"
    path.write_text(
        "class Spoil:\n    name = 'spoil'\n    def run(self, graph, context):\n"
        "        (node,) = graph.nodes('ReLU')\n        node.set_attribute('alpha', '1')\n"
        "        node._layer.element.set('type', 'Nothing')\n        return 1\n"
    )
    command = ["opt", str(model), "-p", f"normalize,{path}:Spoil", "-o", str(tmp_path / "o.xml")]
    assert run([*command, "--verify-each"]) == 0
    assert run([*command, "--verify-runtime", "--force"]) == 2
    assert "pass 'spoil' left a broken graph: the runtime cannot compile the model: " in capfd.readouterr().err


def test_passes_of_a_file_come_before_the_others(model: Path, mine: Path, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"- normalize\n- {mine}:Rename: {{to: first}}\n")
    arguments = ["-p", f"{mine}:Rename{{to=last}}", "--pipeline", str(tmp_path / "p.yaml"), "-o"]
    assert run(["opt", str(model), *arguments, str(tmp_path / "o.xml")]) == 0
    assert [node.name for node in read_model(tmp_path / "o.xml").nodes("ReLU")] == ["last"]
    ov.Core().read_model(tmp_path / "o.xml")


def test_graphs_are_printed_and_dumped_after_passes(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["-p", "normalize,plan-placement,insert-fake-quantize", "--dump-dir", str(tmp_path / "new" / "dump")]
    assert run(["opt", str(model), *arguments, "--print-after", "plan-placement"]) == 0
    captured = capfd.readouterr()
    assert captured.err.startswith("---- after plan-placement ----\ngraph 11\n")
    assert captured.err.count("---- after") == 1
    assert "FakeQuantize(" in captured.out
    assert sorted(path.name for path in (tmp_path / "new" / "dump").iterdir()) == [
        *(f"00_normalize{suffix}" for suffix in (".bin", ".txt", ".xml")),
        *(f"01_plan-placement{suffix}" for suffix in (".bin", ".txt", ".xml")),
        "02_insert-fake-quantize.txt",
    ]


def test_all_passes_are_listed_with_their_options(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["opt", "--list"]) == 0
    shown = capfd.readouterr().out
    assert [line.partition("{")[0] for line in shown.splitlines() if not line.startswith(" ")] == list(PASSES)
    assert "calibrate{save-to=PATH cluster=TEXT}\n    Measures the requests of the passes" in shown
    assert (
        "    requires: fake-quantized, measured, planned\n    establishes: ranges-set\n    drops: as-measured\n"
        in shown
    )


def test_the_shell_completes_commands_and_passes() -> None:
    def completed(words: str) -> list[str]:
        environment = {"_IRQUANT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        command = [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'irquant'; from irquant.tools.start import main; main()",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PYTHONPATH": ":".join(sys.path), **environment}
        )
        return done.stdout.split()

    assert completed("irquant qu") == ["plain,quantize"]
    assert completed("irquant opt m.xml -p normalize,plan") == ["plain,normalize,plan-placement"]
    assert completed("irquant compare m.xml n.xml --per") == ["plain,--per-layer"]


# ------------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("passes", "said"),
    [
        (
            "plan-placement",
            "'plan-placement' requires normalized: no pass before it establishes that; put 'normalize' before it",
        ),
        (
            "normalize,plan-placement,set-ranges",
            "'set-ranges' requires fake-quantized, measured: no pass before it establishes that; "
            "put 'insert-fake-quantize', 'calibrate' or 'load-statistics' before it",
        ),
        (
            "normalise",
            f"no pass 'normalise'; did you mean 'normalize'? there are: {', '.join(PASSES)}; or give module:Class",
        ),
        ("normalize,calibrate", "pass 'calibrate' runs the model on samples: give --data"),
        (
            "calibrate{sav-to=x}",
            "pass 'calibrate' has no option 'sav-to'; did you mean 'save-to'? it has: save-to=PATH, cluster=TEXT",
        ),
        ("a{", "cannot read 'a{' as passes; write name{option=value},name"),
        ("load-statistics", "pass 'load-statistics' needs the option path=PATH"),
    ],
)
def test_a_list_that_cannot_work_is_refused_before_any_work(complaint: Complaint, passes: str, said: str) -> None:
    assert complaint("-p", passes) == said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("{}:Renam", "{}:Renam: '{}' has no 'Renam'; did you mean 'Rename'?"),
        ("{}:function", "{}:function: is function, expected a class"),
        ("{}:Loud", "{}:Loud: its name is 'Loud One', expected lower-case words joined by hyphens"),
        ("{}:Half", "{}:Half: is not a pass: it has no run; see irquant.passes.Pass"),
        ("gone.py:Mine", "gone.py: no such file"),
        ("no_such_module_anywhere:Mine", "no module 'no_such_module_anywhere'"),
        ("{}:Rename{{to=a too=b}}", "pass 'rename' has no option 'too'; did you mean 'to'? it has: to=TEXT"),
    ],
)
def test_a_class_that_is_no_pass_is_refused(complaint: Complaint, mine: Path, name: str, said: str) -> None:
    path = str(mine)
    assert complaint("-p", name.format(path)) == said.format(path, path)


def test_a_module_that_cannot_be_imported_is_named(complaint: Complaint, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("1 / 0\n")
    said = complaint("-p", f"{tmp_path / 'bad.py'}:Mine")
    assert (
        said
        == f"importing '{tmp_path / 'bad.py'}' raised ZeroDivisionError: division by zero ({tmp_path / 'bad.py'}:1)"
    )


def test_a_wrong_pass_of_a_file_is_told_with_the_file(complaint: Complaint, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("- normalise\n")
    assert complaint("--pipeline", str(path)).startswith(f"{path}: no pass 'normalise'; did you mean 'normalize'?")
    path.write_text("- normalize: {a: 1}\n")
    assert complaint("--pipeline", str(path)).startswith(f"{path}: pass 'normalize' has no option 'a'")


def test_an_unknown_pipeline_is_refused(complaint: Complaint) -> None:
    assert complaint("--pipeline", "default") == (
        "no pipeline 'default'; there is default-quantization; or give the path of a .yaml file"
    )


def test_what_is_to_be_printed_must_be_run(complaint: Complaint) -> None:
    assert complaint("-p", "normalize", "--print-after", "normalise") == (
        "--print-after: no pass 'normalise' is run; did you mean 'normalize'? there are: normalize, all"
    )


def test_a_folder_with_files_takes_no_dumps(complaint: Complaint, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("dear")
    said = complaint("-p", "normalize", "--dump-dir", str(tmp_path / "full"))
    assert said == f"{tmp_path / 'full'}: exists and is not an empty folder; give a new one for the dumps"
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_a_model_without_ranges_is_not_written(complaint: Complaint, tmp_path: Path) -> None:
    said = complaint("-p", "normalize,plan-placement,insert-fake-quantize", "-o", str(tmp_path / "o.xml"))
    assert said.endswith("has no ranges yet: 'set-ranges' must run before the model can be written")


def test_a_text_that_is_no_graph_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.txt").write_text("x: f32[1] = Parameter()\ny: f32[1] = ReLU(z)\n")
    assert run(["opt", str(tmp_path / "m.txt")]) == 2
    assert capfd.readouterr().err == f"error: {tmp_path / 'm.txt'}: line 2: no line above defines 'z'\n"
    assert run(["opt", str(tmp_path / "gone.txt")]) == 2
    assert capfd.readouterr().err == f"error: {tmp_path / 'gone.txt'}: cannot be read: No such file or directory\n"


@pytest.mark.parametrize("passes", [[], ["-p", "normalize"]], ids=["no pass", "a pass"])
def test_a_second_run_replaces_what_the_first_one_made(model: Path, tmp_path: Path, passes: list[str]) -> None:
    command = ["opt", str(model), *passes, "-o", str(tmp_path / "made.xml")]
    assert [run(command), run(command)] == [0, 0]
