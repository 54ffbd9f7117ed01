"""Fronts of packages: names are found when they are used, and are what type checkers read."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

FRONTS = ("irquant.ir", "irquant.targets", "irquant.passes")


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("package", FRONTS)
def test_type_checkers_and_programs_find_the_same_names(package: str) -> None:
    front = import_module(package)
    tree = ast.parse(Path(str(front.__file__)).read_text(encoding="utf-8"))
    guarded = [each for node in tree.body if isinstance(node, ast.If) for each in node.body]
    read = {
        each.module: tuple(name.name for name in each.names) for each in guarded if isinstance(each, ast.ImportFrom)
    }
    assert read == vars(front)["_NAMES"]
    assert all(getattr(front, name).__name__ for names in read.values() for name in names if name[0].islower())


@pytest.mark.parametrize("package", FRONTS)
def test_a_front_imports_no_module_before_its_names_are_used(package: str) -> None:
    found = run(f"import sys, {package}; print(sorted(each for each in sys.modules if each.startswith('irquant.')))")
    assert ast.literal_eval(found) == [package]


def test_a_module_that_is_imported_first_does_not_hide_the_function_of_its_name() -> None:
    script = (
        "import irquant.targets.explain, irquant.ir.verify, irquant.ir.neighbourhood\n"
        "import irquant.passes.explain as first\n"
        "from irquant.passes import explain\n"
        "from irquant import ir, targets\n"
        "print([each.__name__ for each in (first, explain, ir.verify, ir.neighbourhood, targets.explain)])\n"
        "print([type(each).__name__ for each in (first, explain, ir.verify, ir.neighbourhood, targets.explain)])"
    )
    assert run(script).splitlines() == [
        "['explain', 'explain', 'verify', 'neighbourhood', 'explain']",
        "['function', 'function', 'function', 'function', 'function']",
    ]


def test_a_name_can_be_replaced_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    front, original = import_module("irquant.passes"), import_module("irquant.passes").quantize
    with monkeypatch.context() as context:
        context.setattr(front, "quantize", len)
        assert import_module("irquant.passes").quantize is len
    assert front.quantize is original


@pytest.mark.parametrize("package", FRONTS)
def test_a_front_lists_its_public_names_and_refuses_others(package: str) -> None:
    front = import_module(package)
    assert set(front.__all__) <= set(dir(front))
    with pytest.raises(AttributeError, match=rf"^No {package} attribute quantise$"):
        getattr(front, "quantise")  # noqa: B009 - type checkers know that there is none
