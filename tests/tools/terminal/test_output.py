"""`--json`, `-q` and `-v` on all commands."""

import json
from pathlib import Path

import click
import pytest

from irquant.tools.cli import run
from tests.tools.terminal.test_help_groups import ALL


@pytest.mark.parametrize("words", [words for words in ALL if words not in ("zoo", "config")])
def test_every_command_takes_them(words: str) -> None:
    flags = {flag for each in ALL[words].params if isinstance(each, click.Option) for flag in each.opts}
    assert {"--json", "-q", "--quiet", "-v", "--verbose"} <= flags


def test_quiet_prints_nothing_and_keeps_the_exit_code(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["quantize", str(model), "--data", str(arrays), "-o", str(tmp_path / "o.xml"), "-q"]) == 0
    assert run(["diff", str(model), str(tmp_path / "o.xml"), "-q"]) == 1
    assert run(["inspect", "-q", str(model)]) == 0
    assert run(["targets", "-q"]) == 0
    assert run(["opt", str(model), "-q"]) == 0
    assert capfd.readouterr() == ("", "")
    assert run(["inspect", "-q", "gone.xml"]) == 2
    assert capfd.readouterr() == ("", "error: gone.xml: no such file\n")


def test_pot_chooses_the_algorithm_with_the_same_letter(
    model: Path, arrays: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["quantize", "--data", str(arrays), "-o", str(tmp_path / "o.xml")]
    assert run([*command, "-q", str(model)]) == 0
    assert capfd.readouterr() == ("", "")
    assert run([*command, "-q", "default", str(model)]) == 0
    assert capfd.readouterr().out.startswith(f"{tmp_path / 'o.xml'}: ")
    assert run([*command, "-q", "accuracy_aware", str(model)]) == 2
    assert capfd.readouterr().err == ("error: -q accuracy_aware: give a metric of your own, --metric module:function\n")


def test_what_users_code_prints_stays_out_of_the_document(
    model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\ndef samples():\n    print('hello')\n    return np.ones((1, 1, 3, 8, 8), 'f4')\n"
    )
    command = ["quantize", str(model), "--data", f"{tmp_path / 'mine.py'}:samples", "-o", str(tmp_path / "o.xml")]
    assert run([*command, "--json"]) == 0
    shown = capfd.readouterr()
    assert json.loads(shown.out)["samples"] == 1
    assert shown.err == "hello\n"


def test_an_error_leaves_no_document(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "gone.xml", "--json"]) == 2
    assert capfd.readouterr() == ("", "error: gone.xml: no such file\n")


def test_a_checked_configuration_lists_its_mistakes_in_the_document(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"compresion": {}, "modl": {}}')
    assert run(["config", "check", str(path), "--json"]) == 2
    shown = capfd.readouterr()
    document = json.loads(shown.out)
    assert len(document.pop("mistakes")) == 3
    assert document == {"file": str(path), "warnings": [], "notes": []}
    path.write_text("{}")
    assert run(["config", "check", str(path), "--json"]) == 2
    path.write_text('{"compression": {"algorithms": [{"name": "DefaultQuantization"}]}}')
    capfd.readouterr()
    assert run(["config", "check", str(path), "--json"]) == 0
    assert json.loads(capfd.readouterr().out) == {"file": str(path), "mistakes": [], "warnings": [], "notes": []}


def test_options_of_a_group_do_not_vanish_in_front_of_a_subcommand(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["targets", "--json", "show", "cpu"]) == 2
    assert capfd.readouterr().err == ("error: --json goes behind the subcommand: irquant targets show ... --json\n")
