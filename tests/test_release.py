"""What is released is complete, and its description stands alone."""

import tarfile
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from tests.programs.release_contents import (
    AROUND_THE_PACKAGE,
    description_of,
    differences,
    installed_path,
    relative_links,
)

FOLDERS = {"irquant": "tools/package", "irquant.tools": "tools", "irquant.tools.report": "tools/report"}
TRACKED = {"tools/cli.py", "tools/package/__init__.py", "tools/report/templates/page.js"}
INSTALLED = {"irquant/tools/cli.py", "irquant/__init__.py", "irquant/tools/report/templates/page.js"}


def wheel(folder: Path, names: Iterable[str], description: str = "") -> Path:
    path = folder / "irquant-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "")
        file.writestr("irquant-1.dist-info/METADATA", description)
    return path


def sdist(folder: Path, names: Iterable[str]) -> Path:
    path = folder / "irquant-1.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        for name in names:
            member = tarfile.TarInfo(f"irquant-1/{name}")
            member.size = len(name)
            file.addfile(member, BytesIO(name.encode()))
    return path


def test_a_file_is_installed_below_the_package_of_its_folder() -> None:
    assert {installed_path(file, FOLDERS) for file in TRACKED} == INSTALLED


def test_a_complete_wheel_and_sdist_are_right(tmp_path: Path) -> None:
    assert differences(wheel(tmp_path, INSTALLED), TRACKED, FOLDERS) == []
    assert differences(sdist(tmp_path, TRACKED | AROUND_THE_PACKAGE), TRACKED, FOLDERS) == []


def test_a_template_that_the_wheel_lacks_is_named(tmp_path: Path) -> None:
    template = "irquant/tools/report/templates/page.js"
    assert differences(wheel(tmp_path, INSTALLED - {template}), TRACKED, FOLDERS) == [
        f"irquant-1-py3-none-any.whl: {template} is missing: list it in pyproject.toml"
    ]


def test_a_file_that_an_earlier_build_left_is_named(tmp_path: Path) -> None:
    assert differences(sdist(tmp_path, TRACKED | AROUND_THE_PACKAGE | {"tools/old.py"}), TRACKED, FOLDERS) == [
        "irquant-1.tar.gz: tools/old.py is not tracked by Git: add or delete it"
    ]


def test_links_that_need_the_repository_are_found(tmp_path: Path) -> None:
    text = "[a](docs/a.md#b) [c](https://arxiv.org/abs/1) [d](#e) [f](http://localhost)"
    assert relative_links(description_of(wheel(tmp_path, (), text))) == ["docs/a.md#b", "http://localhost"]
