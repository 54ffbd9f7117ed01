"""The container, the action and the workflow: what they would run is what the command line takes."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import openvino as ov
import pytest
import yaml

from irquant.tools.cli import cli
from tests.documents import ROOT
from tests.recipes.vision import classifier

if not (ROOT / "Dockerfile").is_file():
    pytest.skip("what deploys irquant is not part of the wheel", allow_module_level=True)

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOW: dict[Any, Any] = yaml.safe_load(
    (ROOT / "docs" / "examples" / "quantize_models.yml").read_text(encoding="utf-8")
)


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, with continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


Parse = Callable[[str], dict[str, Any]]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parse:
    """Gives the options of an irquant command as the command line reads them, and runs nothing."""
    read: list[dict[str, Any]] = []

    def keep(_: click.Command, context: click.Context) -> None:
        read.append(context.params)

    def parse(command: str) -> dict[str, Any]:
        cli.main(shlex.split(command)[1:], standalone_mode=False)
        return read[-1]

    monkeypatch.setattr(click.Command, "invoke", keep)
    return parse


def scripts() -> list[dict[str, Any]]:
    """The steps of the action that run a shell."""
    return [step for step in ACTION["runs"]["steps"] if "run" in step]


def test_the_dockerfile_follows_the_rules_of_the_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_holds_nothing_of_the_build_and_runs_without_rights() -> None:
    found = instructions()
    last = max(index for index, (name, _) in enumerate(found) if name == "FROM")
    assert [name for name, _ in found].count("FROM") == 2
    stage = dict(found[last:])
    assert stage["COPY"].startswith("--from=build ")
    assert "RUN" not in stage
    assert not re.match(r"root|0\b", stage["USER"])
    assert json.loads(stage["ENTRYPOINT"]) == ["irquant"]


def test_the_build_gets_all_that_it_reads_and_nothing_else() -> None:
    ignored, *allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {folder.partition("/")[0] for folder in setuptools["package-dir"].values()}
    files = {"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"}
    assert ignored == "*"
    assert {each.removeprefix("!") for each in allowed} == folders | files | {"**/__pycache__"}


def test_the_command_of_the_container_is_one(parsed: Parse) -> None:
    commands = re.findall(r"irquant (quantize .+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert commands
    for command in commands:
        assert parsed(f"irquant {command}")["data"] == "photos"


def test_inputs_reach_the_shell_of_the_action_as_variables_only() -> None:
    """Text of a pull request that is pasted into a script would run."""
    for step in scripts():
        assert "${{" not in step["run"]
        ours = {"GITHUB_ACTION_PATH", "GITHUB_STEP_SUMMARY", "RUNNER_TEMP", "file"}
        used = set(re.findall(r"\$\{?(\w+)", step["run"])) - ours
        assert used == set(step.get("env", {}))
        assert step["shell"] == "bash"
    named = re.findall(r"inputs\.([\w-]+)", str(ACTION["runs"]))
    assert set(named) == set(ACTION["inputs"])


def test_the_commands_of_the_action_are_those_of_the_command_line(parsed: Parse) -> None:
    lines = [line.strip() for step in scripts() for line in step["run"].splitlines()]
    zoo, rows, compare = (line.partition(" |")[0] for line in lines if line.startswith("irquant"))
    assert parsed(zoo.replace('${JOBS:+--jobs "$JOBS"}', "--jobs 2"))["output_dir"] == Path("$RESULTS")
    assert parsed(rows.replace("$MAX_LOSS", ACTION["inputs"]["max-loss"]["default"]))["new"] == Path("$RESULTS")
    assert parsed(compare)["data"] == "$DATA"


def test_the_workflow_gives_the_action_inputs_that_it_has() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    calls = [step["with"] for step in steps if step.get("uses") == "./.irquant"]
    assert len(calls) == len(WORKFLOW["jobs"]) == 2
    for call in calls:
        assert set(call) <= set(ACTION["inputs"])
    assert all("uses" in step for step in steps)


def test_the_results_of_a_run_are_kept_even_if_a_model_fails() -> None:
    assert set(WORKFLOW[True]) == {"pull_request", "schedule", "workflow_dispatch"}, "YAML reads on as true"
    steps = WORKFLOW["jobs"]["quantize"]["steps"]
    restore, run, save = (
        next(step for step in steps if step["uses"].startswith(name))
        for name in ("actions/cache/restore@", "./.irquant", "actions/cache/save@")
    )
    assert steps.index(restore) < steps.index(run) < steps.index(save)
    assert (save["if"], save["with"]["path"]) == ("always()", run["with"]["results"])
    assert restore["with"] == {**save["with"], "restore-keys": "zoo-"}


def test_only_results_that_can_be_used_are_uploaded() -> None:
    steps = WORKFLOW["jobs"]["quantize"]["steps"]
    (upload,) = (step for step in steps if step["uses"].startswith("actions/upload-artifact@"))
    names = ("*.xml", "*.bin", "*.html", "results.jsonl")
    assert upload["with"]["path"].split() == [f"zoo_results/{name}" for name in names], "missed/ and earlier/ stay"


def environment(step: Mapping[str, Any], inputs: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables of a step, with the inputs filled in."""
    for name, value in step.get("env", {}).items():
        yield name, re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: inputs[found[1]], value)


@pytest.mark.slow
def test_the_steps_of_the_action_run(tmp_path: Path) -> None:
    ov.serialize(classifier(), tmp_path / "m.xml", tmp_path / "m.bin")
    np.savez(tmp_path / "d.npz", image=np.random.default_rng(0).normal(size=(20, 3, 64, 64)).astype(np.float32))
    (tmp_path / "batch.yaml").write_text(
        "models:\n  - {model: m.xml, data: d.npz, expect: {sqnr: 15, int8_share: 0.5}}\n"
    )
    command = tmp_path / "bin" / "irquant"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m irquant "$@"\n')
    command.chmod(0o755)
    inputs = {name: given.get("default", "") for name, given in ACTION["inputs"].items()}
    inputs |= {"batch": "batch.yaml", "first": "m.xml", "second": "zoo_results/m.xml", "data": "d.npz"}
    (tmp_path / "runner").mkdir()
    (tmp_path / "zoo_results").mkdir()
    (tmp_path / "zoo_results" / "results.jsonl").write_text('{"name":"left","state":"done"}\n')
    for step in scripts():
        if step["name"] != "Install irquant":
            variables = {
                **os.environ,
                "PATH": f"{command.parent}:{os.environ['PATH']}",
                "RUNNER_TEMP": str(tmp_path / "runner"),
                "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
                **dict(environment(step, inputs)),
            }
            shell = ["bash", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(shell, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "zoo_results" / "report.html").is_file()
    assert (tmp_path / "comparison.html").is_file()
    summary = (tmp_path / "summary.md").read_text().splitlines()
    assert summary[0] == summary[4] == "```text"
    assert summary[-4:] == ["new: m: done", "gone: left: it was done", "2 models: 1 new, 1 gone", "```"]
