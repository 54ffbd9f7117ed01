"""The order of folders, one home for each outside library, and a package list that is complete."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from irquant.passes.infra.registry import PASSES

PACKAGES = ("ir", "targets", "passes", "tools")
#: A folder imports from itself and from folders before it. Files that lie flat in `passes/` and `tools/` are on top.
ORDER = (
    "ir",
    "targets",
    "passes/statistics",
    "passes/runtime",
    "passes/analysis",
    "passes/options",
    "passes/placement",
    "passes/infra",
    "passes/calibration",
    "passes/transforms",
    "passes/evaluation",
    "passes/accuracy",
    "passes/tuning",
    "passes/reporting",
    "passes/files",
    "passes/jobs",
    "passes",
    "tools/terminal",
    "tools/sources",
    "tools/options",
    "tools/report",
    "tools/zoo",
    "tools/demo",
    "tools/runs",
    "tools/commands",
    "tools",
)
#: All that lies flat in `passes/`: what runs use, by its verb, and what tests of passes use.
FLAT = {"analyze", "compress", "dry_run", "explain", "quantize", "testing"}
FOLDERS = {name: Path(str(import_module(f"irquant.{name}").__file__)).parent for name in PACKAGES}
MODULES = [(name, path) for name, folder in FOLDERS.items() for path in sorted(folder.rglob("*.py"))]
#: What only these modules may import at the top level or anywhere else.
HOMES = {
    "networkx": {"ir/edges.py"},
    "openvino": {"passes/runtime", "tools/demo/train.py"},
    "distributed": {"passes/calibration/cluster.py", "tools/zoo/cluster.py"},
    "olive": {"tools/olive_pass.py"},
    "mmap": {"ir/weights.py", "tools/terminal/outlive.py"},
    "json5": {"passes/options/content.py"},
    "lazy_loader": {"ir/__init__.py", "targets/__init__.py", "passes/__init__.py"},
    "av": set(),  # an extra, which tools/sources/video_source.py imports by its name
    "PIL": {f"tools/sources/{each}_image.py" for each in ("read", "fit", "prepare")}
    | {"tools/sources/video_source.py"},
    "click": {
        "tools/cli.py",
        "tools/commands",
        "tools/options",
        "tools/runs",
        "tools/terminal",
    },
    "jinja2": {"tools/report/page.py"},
    "rich": {"tools/terminal/progress_bar.py", "tools/demo/demo.py", "tools/zoo/display.py"},
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


@cache
def outside(package: str, path: Path) -> frozenset[str]:
    """The first parts of the names that a file imports."""
    return frozenset(name.split(".")[0] for name in imported(package, path))


def name_of(package: str, path: Path) -> str:
    return f"{package}/{path.relative_to(FOLDERS[package]).as_posix()}"


def folder_of(module: str) -> str:
    """The longest folder of `ORDER` that a module of irquant lies in."""
    parts = module.split(".")[1:]
    return max((each for each in ORDER if each.split("/") == parts[: each.count("/") + 1]), key=len)


@pytest.mark.parametrize(("package", "path"), MODULES, ids=[name_of(*each) for each in MODULES])
def test_imports_go_one_way(package: str, path: Path) -> None:
    parts = path.relative_to(FOLDERS[package]).with_suffix("").parts
    later = ORDER[ORDER.index(folder_of(".".join(["irquant", package, *parts]))) + 1 :]
    ours = (name for name in imported(package, path) if name.startswith("irquant."))
    wrong = [name for name in ours if folder_of(name) in later]
    assert not wrong, f"{name_of(package, path)} may not import {wrong}"


def test_only_entry_points_lie_flat_among_the_folders_of_passes() -> None:
    assert {path.stem for path in FOLDERS["passes"].glob("[!_]*.py")} == FLAT


def test_transforms_are_passes() -> None:
    names = {each.partition(":")[0].rpartition(".")[2] for each in PASSES.values() if each.startswith("transforms.")}
    assert {path.stem for path in (FOLDERS["passes"] / "transforms").glob("[!_]*.py")} == names


@pytest.mark.parametrize("library", HOMES)
def test_an_outside_library_is_imported_in_its_home_only(library: str) -> None:
    users = {name_of(*each) for each in MODULES if library in outside(*each)}
    assert all({user, user.rpartition("/")[0]} & HOMES[library] for user in users), users


def test_the_check_sees_relative_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FOLDERS, "ir", tmp_path)
    (tmp_path / "bad.py").write_text(
        "from ..passes import base\nfrom .graph import Graph\nimport networkx.algorithms\n"
    )
    assert list(imported("ir", tmp_path / "bad.py")) == ["irquant.passes", "irquant.ir.graph", "networkx.algorithms"]


def test_the_wheel_lists_every_package_and_nothing_else() -> None:
    config = Path(__file__).parents[1] / "pyproject.toml"
    setup = tomllib.loads(config.read_text(encoding="utf-8"))["tool"]["setuptools"]
    packages = setup["packages"]
    assert sorted(setup["package-dir"]) == sorted(packages)
    there = {
        ".".join(["irquant", name, *path.parent.relative_to(FOLDERS[name]).parts])
        for name, path in MODULES
        if path.name == "__init__.py"
    }
    assert set(packages) == (there - {"irquant.tools.package"}) | {"irquant"}


def test_every_package_says_that_it_is_typed() -> None:
    assert all((path.parent / "py.typed").is_file() for _, path in MODULES if path.name == "__init__.py")


def test_every_public_name_exists() -> None:
    for name in PACKAGES[:3]:
        module = import_module(f"irquant.{name}")
        assert sorted(module.__all__) == list(module.__all__) or name in ("ir", "passes", "targets")
        assert all(hasattr(module, public) for public in module.__all__)


def test_nothing_of_the_checkout_shadows_the_package() -> None:
    assert not {"ir", "passes", "targets", "tools"} & set(sys.modules)
