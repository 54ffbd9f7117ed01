"""`quantize` needs nothing that only POSIX systems have; these tests take it away, as far as Linux can be made so.

What is left of Linux: the runtime, file names and locks of open files of Windows cannot be seen here.
"""

import subprocess
import sys
from pathlib import Path

import pytest

#: Runs before anything else is imported. Windows has these signals, and no `fork`; on systems other than Linux, the
#: command runs in the first process.
POOR = """
import os, signal, sys, sysconfig
sysconfig.get_config_vars()  # reads a file that is named after the platform
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog"):
    sys.modules[name] = None
for name in dir(signal):
    is_signal = name.startswith("SIG") and not name.startswith("SIG_")
    if is_signal and name not in ("SIGINT", "SIGTERM", "SIGABRT", "SIGFPE", "SIGILL", "SIGSEGV"):
        delattr(signal, name)
for name in ("pthread_sigmask", "sigtimedwait", "pthread_kill", "alarm", "setitimer", "siginterrupt"):
    delattr(signal, name)
for name in ("fork", "forkpty", "register_at_fork", "getuid", "geteuid", "sched_getaffinity", "killpg", "setsid"):
    delattr(os, name)
sys.platform = "other"
"""
COMMAND = "from irquant.tools.start import main\nmain()\n"
PYTHON = """
from irquant import quantize
import numpy as np
data = np.load(sys.argv[2])["image"]
print(quantize(sys.argv[1], [each[None] for each in data], output=sys.argv[3]))
"""


def started(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "ignore", "-c", POOR + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_line_quantizes(model: Path, arrays: Path, tmp_path: Path) -> None:
    output = tmp_path / "o.xml"
    done = started(COMMAND, "quantize", model, "--data", arrays, "-o", output)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{output}: good on 1 sample only (")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.bin", "o.xml"]


def test_python_quantizes(model: Path, arrays: Path, tmp_path: Path) -> None:
    done = started(PYTHON, model, arrays, tmp_path / "o.xml")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 'o.xml'}\n"), done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.bin", "o.xml"]


@pytest.mark.slow
def test_an_error_is_still_one_line(tmp_path: Path) -> None:
    done = started(COMMAND, "quantize", tmp_path / "gone.xml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {tmp_path / 'gone.xml'}: no such file\n"


@pytest.mark.parametrize("name", ["fcntl", "resource", "pwd", "termios"])
def test_the_modules_are_really_gone(name: str) -> None:
    assert f"ModuleNotFoundError: import of {name} halted" in started(f"import {name}").stderr


def test_fork_is_really_gone() -> None:
    assert "AttributeError" in started("os.fork()").stderr
