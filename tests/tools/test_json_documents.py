"""docs/json.md lists the keys of all JSON documents: what a command prints is there, and what is there is printed."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from irquant.tools.cli import run
from tests.passes.weight_only_models import language_model, sentences

DOCUMENT = Path(__file__).parents[2] / "docs" / "json.md"
if not DOCUMENT.is_file():
    pytest.skip("the documents are not part of the wheel", allow_module_level=True)
#: Where the tables of common objects apply.
SHARED = {"Output": ("outputs[]", "outputs_by_default[]"), "Mode": ("latency[]", "latency.modes[]")}


def _tables() -> dict[str, list[str]]:
    """Heading -> the keys of its table."""
    parts = re.split(r"^## (.*)$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = {
        head: re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
        for head, text in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {head: [key for row in found for key in re.findall(r"`([^`]+)`", row)] for head, found in rows.items()}


TABLES = _tables()
COMMANDS = {
    "irquant quantize": "quantize m.xml --data d.npz -o o.xml",
    "irquant quantize --dry-run": "quantize m.xml --dry-run",
    "irquant compress": "compress language.xml --data texts.npz -o c.xml",
    "irquant analyze": "analyze m.xml --data d.npz",
    "irquant compare": "compare m.xml m.xml --data d.npz --per-layer --latency-seconds 0.01",
    "irquant explain": "explain m.xml",
    "irquant inspect": "inspect m.xml",
    "irquant diff": "diff m.xml changed.xml",
    "irquant opt": "opt m.xml -p normalize",
    "irquant opt --list": "opt --list",
    "irquant targets": "targets",
    "irquant config check": "config check c.json",
    "irquant config show": "config show",
    "irquant zoo init": "zoo init . --data d.npz",
    "irquant zoo --dry-run": "zoo b.yaml --dry-run",
    "irquant demo": "demo",
    "irquant zoo": "zoo b.yaml",
    "irquant zoo compare": "zoo compare old.jsonl new.jsonl",
}
SLOW = ("irquant demo", "irquant zoo", "irquant compare", "irquant compress")


def documented(head: str) -> set[str]:
    """All keys of a document, those of common objects included."""
    keys = set(TABLES[head])
    for name, places in SHARED.items():
        for place in keys & {*places}:
            keys = keys - {place} | {f"{place}.{key}" for key in TABLES[name]}
    return keys


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, bool]]:
    """The paths of a document down to values, and whether there is nothing below them: null, or empty."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from leaves(inner, f"{path}[]")
    else:
        yield path, value is None or value in ({}, [])


def matches(found: str, listed: str) -> bool:
    return re.fullmatch(re.escape(listed).replace(r"\*", r"[^.\[\]]+(\.\d+)*"), found) is not None


def test_the_document_covers_all_commands() -> None:
    assert {*COMMANDS} | {*SHARED} == {*TABLES}


@pytest.mark.parametrize(
    "head", [pytest.param(each, marks=[pytest.mark.slow] if each in SLOW else []) for each in COMMANDS]
)
def test_the_keys_of_a_command_are_those_of_the_document(
    head: str,
    model: Path,
    arrays: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for suffix in (".xml", ".bin"):
        (tmp_path / f"m{suffix}").write_bytes(model.with_suffix(suffix).read_bytes())
    (tmp_path / "d.npz").write_bytes(arrays.read_bytes())
    (tmp_path / "c.json").write_text('{"compression": {"algorithms": [{"name": "DefaultQuantization"}]}}')
    (tmp_path / "mine.py").write_text("def constant(predict): return 1")
    (tmp_path / "b.yaml").write_text("models: [{model: m.xml, data: d.npz, metric: mine.py:constant}]")
    (tmp_path / "old.jsonl").write_text('{"name":"a","state":"done"}\n')
    (tmp_path / "new.jsonl").write_text('{"name":"b","state":"done"}\n')
    ov.serialize(language_model(), "language.xml", "language.bin")
    np.savez("texts.npz", rows=np.concatenate(sentences(12)))
    assert run(shlex.split("opt m.xml -p normalize -o changed.xml")) == 0
    (tmp_path / "changed.xml").write_text((tmp_path / "changed.xml").read_text().replace('"first"', '"other"'))
    capfd.readouterr()
    assert run([*shlex.split(COMMANDS[head]), "--json"]) == (1 if head == "irquant diff" else 0)
    found = {*leaves(json.loads(capfd.readouterr().out))}
    listed = documented(head)
    without = {path for path, is_empty in found if is_empty}
    assert {
        path for path, _ in found if not _is_listed(path, listed) and path not in _parents(listed, without)
    } == set()
    assert {
        key for key in listed if not any(matches(path, key) for path, _ in found) and not _below(key, without)
    } == set()


def _is_listed(path: str, listed: set[str]) -> bool:
    return any(matches(path, key) for key in listed)


def _parents(listed: set[str], without: set[str]) -> set[str]:
    """The empty values that have keys in other documents."""
    return {path for path in without if any(_below(key, {path}) for key in listed)}


def _below(key: str, without: set[str]) -> bool:
    return any(key.startswith((f"{path}.", f"{path}[]")) for path in without)
