"""`irquant targets`: list, show, check."""

from pathlib import Path

import pytest

from irquant.targets import target_names, target_text
from irquant.tools.cli import run
from irquant.tools.runs import targets


def test_all_targets_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets"]) == 0
    assert [line.split()[0] for line in capfd.readouterr().out.splitlines()] == target_names()


def test_a_target_is_listed_with_its_aliases(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "gna        Intel GNA (OpenVINO up to 2023.3); also called gna3, gna3.5" in lines
    assert "npu        Intel NPUs (OpenVINO NPU plugin)" in lines


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ("sse avx2 avx512_vnni amx_int8", "cpu_spr"),
        ("avx2 avx512_vnni", "cpu"),
        ("avx2 avx_vnni", "cpu"),
        ("sse avx2", "cpu_avx2"),
        ("sse", ""),
    ],
)
def test_the_target_of_this_cpu_is_named(
    flags: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: fpu {flags}\n")
    monkeypatch.setattr(targets, "_CPU_INFO", tmp_path / "cpuinfo")
    assert run(["targets"]) == 0
    marked = [line for line in capfd.readouterr().out.splitlines() if line.endswith(" <- this machine")]
    assert [line.split()[0] for line in marked] == [name] * bool(name)
    monkeypatch.setattr(targets, "_CPU_INFO", tmp_path / "none")
    assert run(["targets"]) == 0
    assert "this machine" not in capfd.readouterr().out


@pytest.mark.parametrize("name", target_names())
def test_a_file_is_shown_as_it_is_and_is_fine(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", "show", name]) == 0
    text = capfd.readouterr().out
    assert text == target_text(name)
    (tmp_path / "mine.yaml").write_text(text)
    assert run(["targets", "check", str(tmp_path / "mine.yaml")]) == 0
    assert capfd.readouterr().out.startswith(f"{tmp_path}/mine.yaml: target '{name}' is fine: ")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["show", "cpv"], "no target 'cpv'; did you mean 'cpu'? "),
        (["check", "gone.yaml"], "gone.yaml: cannot be read: "),
        (
            ["chek", "mine.yaml"],
            "no such command: chek; did you mean 'check'? irquant targets --help lists the commands",
        ),
    ],
)
def test_mistakes_are_one_line(command: list[str], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", *command]) == 2
    complaint = capfd.readouterr().err
    assert complaint.startswith(f"error: {said}")
    assert complaint.count("\n") == 1


def test_a_wrong_file_is_told_with_line_and_path(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\nextends: cpu\nrules:\n  - {op: MatMul, inputs: {data: b8}}\n")
    assert run(["targets", "check", str(path)]) == 2
    assert capfd.readouterr().err.startswith(
        f"error: {path}, line 4: rules[0].inputs.data: no spec 'b8'; there are: a8"
    )


@pytest.mark.parametrize(
    ("device", "said"), [("", "device CPU (default: the file names none), "), ("device: GPU\n", "device GPU, ")]
)
def test_a_device_that_the_file_does_not_name_is_told(
    device: str, said: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"name: mine\n{device}specs: {{}}\nrules: []\n")
    assert run(["targets", "check", str(path)]) == 0
    assert capfd.readouterr().out == f"{path}: target 'mine' is fine: {said}rules: 0, specs: 0\n"
