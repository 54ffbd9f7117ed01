"""Import direction, one home for each outside library, and a package list that is complete."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

ORDER = ("ir", "targets", "passes", "tools")
FOLDERS = {name: Path(str(import_module(f"irquant.{name}").__file__)).parent for name in ORDER}
MODULES = [(name, path) for name, folder in FOLDERS.items() for path in sorted(folder.rglob("*.py"))]
#: What only these modules may import at the top level or anywhere else.
HOMES = {
    "networkx": {"ir/graph.py"},
    "openvino": {"passes/runtime.py", "tools/demo/train.py"},
    "distributed": {"passes/calibration/cluster.py", "tools/zoo/cluster.py"},
    "mmap": {"ir/weights.py"},
    "json5": {"passes/configuration/content.py"},
    "PIL": {"tools/image_source.py"},
    "click": {
        "tools/cli.py",
        "tools/quantize.py",
        "tools/analyze.py",
        "tools/inputs.py",
        "tools/inspect.py",
        "tools/compare.py",
        "tools/config.py",
        "tools/explain.py",
        "tools/extensions.py",
        "tools/internal_errors.py",
        "tools/diff.py",
        "tools/console.py",
        "tools/opt.py",
        "tools/options.py",
        "tools/pot_options.py",
        "tools/verbosity.py",
        "tools/targets.py",
        "tools/trial_table.py",
        "tools/zoo/command.py",
    },
    "jinja2": {"tools/report/page.py"},
    "rich": {"tools/console.py", "tools/demo/demo.py", "tools/zoo/display.py"},
    "psutil": {"tools/zoo/supervise.py"},
}


def imported(package: str, path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports."""
    inside = ["irquant", package, *path.relative_to(FOLDERS[package]).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = inside[: len(inside) - node.level + 1] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


def name_of(package: str, path: Path) -> str:
    return f"{package}/{path.relative_to(FOLDERS[package]).as_posix()}"


@pytest.mark.parametrize(("package", "path"), MODULES, ids=[name_of(*each) for each in MODULES])
def test_imports_go_one_way(package: str, path: Path) -> None:
    later = ORDER[ORDER.index(package) + 1 :]
    wrong = [
        name for name in imported(package, path) if name.split(".")[:1] == ["irquant"] and name.split(".")[1] in later
    ]
    assert not wrong, f"{name_of(package, path)} may not import {wrong}"


@pytest.mark.parametrize("library", HOMES)
def test_an_outside_library_is_imported_in_its_home_only(library: str) -> None:
    users = {name_of(*each) for each in MODULES if any(name.split(".")[0] == library for name in imported(*each))}
    assert users <= HOMES[library]


def test_the_check_sees_relative_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOLDERS, "ir", tmp_path)
    (tmp_path / "bad.py").write_text(
        "from ..passes import base\nfrom .graph import Graph\nimport networkx.algorithms\n"
    )
    assert list(imported("ir", tmp_path / "bad.py")) == ["irquant.passes", "irquant.ir.graph", "networkx.algorithms"]


def test_the_wheel_lists_every_package_and_nothing_else() -> None:
    config = Path(__file__).parents[1] / "pyproject.toml"
    packages = tomllib.loads(config.read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    there = {
        ".".join(["irquant", name, *path.parent.relative_to(FOLDERS[name]).parts])
        for name, path in MODULES
        if path.name == "__init__.py"
    }
    assert set(packages) == there


def test_every_package_says_that_it_is_typed() -> None:
    assert all((path.parent / "py.typed").is_file() for _, path in MODULES if path.name == "__init__.py")


def test_every_public_name_exists() -> None:
    for name in ORDER[:3]:
        module = import_module(f"irquant.{name}")
        assert sorted(module.__all__) == list(module.__all__) or name in ("ir", "passes", "targets")
        assert all(hasattr(module, public) for public in module.__all__)


def test_nothing_of_the_checkout_shadows_the_package() -> None:
    assert not {"ir", "passes", "targets", "tools"} & set(sys.modules)
