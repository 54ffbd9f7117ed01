"""The check of a target file knows all operations and attributes, of OpenVINO and of extensions."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from irquant.targets import TargetError, check_target, load_target
from irquant.targets.operations import operation_table
from tests.targets.target_texts import SPECS

FILES = resources.files("irquant.targets")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n  - {op: LeakyRelu}\n", "line 5: rules[0].op: no operation 'LeakyRelu'; did you mean 'ReLU'?"),
        (
            "rules:\n  - {op: Qq}\n",
            "line 5: rules[0].op: no operation 'Qq'; spell it as the .xml does, and "
            "name it in 'operations' if an extension has it",
        ),
        (
            "rules:\n  - op: MaxPool\n    where: {pads_begim: '0'}\n",
            "line 6: rules[0].where.pads_begim: no attribute 'pads_begim' of MaxPool; did you mean 'pads_begin'? there "
            "are: auto_pad, axis, dilations, index_element_type, kernel, pads_begin, pads_end, rounding_type, strides",
        ),
        (
            "rules: []\nstays_float:\n  - chain: [{op: Sigmoid}, {op: Multiplies}]\n    because: it\n",
            "line 6: stays_float[0].chain[1].op: no operation 'Multiplies'; did you mean 'Multiply'?",
        ),
        (
            "rules:\n  - {op: FullyConnected}\n",
            "line 5: rules[0].op: no operation 'FullyConnected'; did you mean 'MatMul'?",
        ),
        (
            "rules:\n  - {op: Add, requantizes: true, fuses: [Relu]}\n",
            "line 5: rules[0].fuses: no operation 'Relu'; did you mean 'ReLU'?",
        ),
        ("rules: []\nunified: [Concatt]\n", "line 5: unified: no operation 'Concatt'; did you mean 'Concat'?"),
    ],
)
def test_operations_and_attributes_that_do_not_exist_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(SPECS + text)
    load_target(str(path))  # an extension of the runtime may have it
    with pytest.raises(TargetError) as caught:
        check_target(str(path))
    assert str(caught.value) == f"{path}, {said}"


@pytest.mark.parametrize(
    ("operations", "said"),
    [
        ("[MyShuffle]", ""),
        ("MyShuffle", ""),
        ("[Other, MyShuffle]", ""),
        ("[MyShufle]", "line 5: transparent[0].op: no operation 'MyShuffle'; did you mean 'MyShufle'?"),
        (
            "[]",
            "line 5: transparent[0].op: no operation 'MyShuffle'; spell it as the .xml does, and name it in 'operations' "
            "if an extension has it",
        ),
        ("{a: b}", "line 6: operations is {'a': 'b'}; should be a list"),
    ],
)
def test_operations_of_extensions_are_those_that_the_file_names(tmp_path: Path, operations: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(
        f"{SPECS}rules: [{{op: Add, inputs: {{all: a}}}}]\ntransparent: [{{op: MyShuffle, where: {{axis: '1'}}}}]\noperations: {operations}\n"
    )
    if said:
        with pytest.raises(TargetError) as caught:
            check_target(str(path))
        assert str(caught.value) == f"{path}, {said}"
    else:
        assert check_target(str(path)).transparent[0].op == ("MyShuffle",)


def test_an_operation_that_openvino_has_keeps_its_attributes_whoever_names_it(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"{SPECS}rules:\n  - {{op: ReLU, where: {{slope: '1'}}}}\noperations: [ReLU]\n")
    with pytest.raises(TargetError, match=r"no attribute 'slope' of ReLU; there are: none$"):
        check_target(str(path))


@pytest.mark.slow
def test_the_table_of_operations_is_that_of_the_runtime() -> None:
    """In a process of its own, without threads: the program forks."""
    script = (
        "import json, operation_table as table\n"
        "some = ('Convolution', 'Gather', 'MaxPool', 'Result')\n"
        "types = sorted({table.SPELT.get(name, name) for name in table.types()})\n"
        "print(json.dumps([table.version(), types, {name: table.attributes(name) for name in some}]))\n"
    )
    folder = Path(__file__).parents[1] / "programs"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    version, types, some = json.loads(done.stdout)
    written = json.loads((FILES / "operations.json").read_text(encoding="utf-8"))
    if written["openvino"] == version:
        assert types == sorted(written["operations"])
        assert some == {name: written["operations"][name] for name in some}
    assert operation_table()["Convolution"] == ["auto_pad", "dilations", "pads_begin", "pads_end", "strides"]


def test_an_operation_without_attributes_has_no_other_either(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(SPECS + "rules:\n  - op: ReLU\n    where: {nonsense: '1'}\n")
    with pytest.raises(TargetError, match=r"no attribute 'nonsense' of ReLU; there are: none$"):
        check_target(str(path))
