"""Compares what an sdist or a wheel holds with what Git knows of the package: nothing may be missing, nothing may be more.

    python tests/programs/release_contents.py dist/*

Setuptools lists packages by name and data files by pattern, so a new folder or template can be left out without a word.
Relative links in the description are reported, too: on an index of packages they lead nowhere.
"""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
#: In the four folders, for those who read the repository.
NOT_INSTALLED = {"targets/README.md"}
#: What an sdist holds besides the package: what it is built from, and what setuptools adds.
AROUND_THE_PACKAGE = {
    *("CHANGELOG.md", "LICENSE", "MANIFEST.in", "README.md", "SECURITY.md", "pyproject.toml", "setup.py"),
    *("PKG-INFO", "setup.cfg"),
}


def tracked_files(root: Path = ROOT) -> set[str]:
    """The files of the package in the repository, relative to its root."""
    command = ["git", "ls-files", "ir", "passes", "targets", "tools"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return {*listed} - NOT_INSTALLED


def installed_path(file: str, folders: Mapping[str, str]) -> str:
    """Where the wheel has a file of the repository.

    Args:
        file: Its path, relative to the root.
        folders: The folder of each package, by the package's name.
    """
    inside = {name: folder for name, folder in folders.items() if PurePosixPath(file).is_relative_to(folder)}
    package = max(inside, key=lambda name: len(inside[name]))
    return f"{package.replace('.', '/')}/{PurePosixPath(file).relative_to(inside[package])}"


def files_in(archive: Path) -> set[str]:
    """The files of an sdist without its top folder, or of a wheel, without what describes the archive itself."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name for name in wheel.namelist() if ".dist-info/" not in name}
    with tarfile.open(archive) as sdist:
        names = {each.name.partition("/")[2] for each in sdist.getmembers() if each.isfile()}
    return {name for name in names if ".egg-info/" not in name}


def differences(archive: Path, tracked: set[str], folders: Mapping[str, str]) -> list[str]:
    """What is wrong with an archive, one line for each file.

    Args:
        archive: An sdist (.tar.gz) or a wheel.
        tracked: The files of the package in the repository.
        folders: The folder of each package, by the package's name.
    """
    expected = {installed_path(file, folders) for file in tracked}
    if archive.suffix != ".whl":
        expected = tracked | AROUND_THE_PACKAGE
    found = files_in(archive)
    missing = [f"{archive.name}: {name} is missing: list it in pyproject.toml" for name in sorted(expected - found)]
    return missing + [
        f"{archive.name}: {name} is not tracked by Git: add or delete it" for name in sorted(found - expected)
    ]


def relative_links(description: str) -> list[str]:
    """The targets of links in Markdown that need the repository around them."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", description) if not target.startswith(("https:", "#"))]


def description_of(archive: Path) -> str:
    """The metadata of an sdist or a wheel; the description is their end."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
            return wheel.read(name).decode()
    with tarfile.open(archive) as sdist:
        (member,) = (each for each in sdist.getmembers() if re.fullmatch(r"[^/]+/PKG-INFO", each.name))
        file = sdist.extractfile(member)
        assert file, "a regular file"
        return file.read().decode()


def main() -> None:
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
    tracked = tracked_files()
    archives = [Path(each) for each in sys.argv[1:]]
    wrong = [line for archive in archives for line in differences(archive, tracked, folders)]
    for archive in archives:
        links = relative_links(description_of(archive))
        wrong += [f"{archive.name}: the description links to {link}: setup.py leaves such links out" for link in links]
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(tracked)} files of the package are in {', '.join(each.name for each in archives)}")


if __name__ == "__main__":
    main()
