"""Standard streams as shells and scripts leave them: no traceback, and nothing that is lost without a word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = f"{sys.executable} -c 'from irquant.tools.start import main; main()'"


def shell(command: str, folder: Path, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, timeout=60, check=False, env={**os.environ, **env}
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [
        pytest.param(">&-", 0, "", marks=pytest.mark.slow),
        pytest.param("2>&-", 0, "", marks=pytest.mark.slow),
        ("<&- >&- 2>&-", 0, ""),
        ("> /dev/full", 2, "error: standard output cannot be written: No space left on device\n"),
    ],
)
def test_streams_that_are_closed_or_full_give_one_line_at_most(
    tmp_path: Path, ending: str, code: int, said: str
) -> None:
    done = shell(f"{PROGRAM} targets {ending}", tmp_path)
    assert (done[0], done[2]) == (code, said)


def test_errors_that_nobody_can_read_keep_their_code(tmp_path: Path) -> None:
    assert shell(f"{PROGRAM} inspect none.xml 2> /dev/full", tmp_path) == (2, "", "")


def test_a_reader_who_has_gone_is_no_mistake(tmp_path: Path) -> None:
    code, _, said = shell(f"set -o pipefail; {PROGRAM} opt --list | true", tmp_path)
    assert (code, said) == (1, "")


def test_letters_that_an_encoding_lacks_are_spelt_out(tmp_path: Path) -> None:
    code, _, said = shell(f"{PROGRAM} inspect \N{SNOWMAN}.xml", tmp_path, PYTHONIOENCODING="latin-1")
    assert (code, said) == (2, "error: \\u2603.xml: no such file\n")


def test_names_that_are_no_text_are_spelt_out(tmp_path: Path) -> None:
    code, _, said = shell(f"{PROGRAM} inspect $'m\\xff.xml'", tmp_path)
    assert (code, said) == (2, "error: m\\udcff.xml: no such file\n")


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    code, _, said = shell(f"mkdir gone; cd gone; rmdir ../gone; {PROGRAM} targets", tmp_path)
    reason = "No such file or directory"
    assert (code, said) == (2, f"error: the current folder cannot be used ({reason}): change to another one\n")
