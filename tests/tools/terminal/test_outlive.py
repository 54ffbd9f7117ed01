"""A small process outlives the command, and says what was running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from irquant.tools.terminal.outlive import DIED

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has what it needs")
PROGRAM = [sys.executable, "-c", "from irquant.tools.start import main; main()"]
VALID = "check that the model and the data are valid, for example whether `benchmark_app -m MODEL` runs it"


def quantize(folder: Path, model: Path, body: str, **environment: str) -> "subprocess.Popen[str]":
    """Quantizes with data whose source does something else, as if the runtime did it."""
    (folder / "mine.py").write_text(
        f"import os, signal, time\nfrom irquant.ir.stage import STAGE\n\ndef samples():\n    {body}\n"
    )
    command = [*PROGRAM, "quantize", str(model), "--data", "mine.py:samples", "-o", "o.xml"]
    return subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # as in a shell, also under nohup
    )


@pytest.mark.parametrize(
    "name", ["SIGSEGV", *(pytest.param(each, marks=pytest.mark.slow) for each in ("SIGFPE", "SIGABRT", "SIGBUS"))]
)
def test_a_death_of_the_runtime_is_one_line(name: str, tmp_path: Path, model: Path) -> None:
    body = f"with STAGE.at('running \\x1b sample 3'):\n        os.kill(os.getpid(), signal.{name}); time.sleep(9)"
    process = quantize(tmp_path, model, body)
    _, said = process.communicate(timeout=60)
    assert process.returncode == DIED
    assert said == f"error: the OpenVINO runtime ended the process ({name}) while running ? sample 3: {VALID}\n"
    assert not (tmp_path / "o.xml").exists()


def test_a_process_without_memory_is_told_of(tmp_path: Path, model: Path) -> None:
    process = quantize(tmp_path, model, "os.kill(os.getpid(), signal.SIGKILL)")
    _, said = process.communicate(timeout=60)
    assert process.returncode == DIED
    assert said == (
        "error: the process was killed (SIGKILL), most likely because the machine had no memory left; try --samples\n"
    )


def test_what_is_not_the_runtimes_death_is_no_word_about_it(tmp_path: Path, model: Path) -> None:
    process = quantize(tmp_path, model, "os.kill(os.getpid(), signal.SIGSEGV)")
    assert process.communicate(timeout=60)[1] == (
        "error: the process was ended (SIGSEGV): please report this, with the command\n"
    )


@pytest.mark.slow
def test_a_call_that_does_not_return_is_stopped(tmp_path: Path, model: Path) -> None:
    process = quantize(
        tmp_path, model, "with STAGE.at('compiling a model'):\n        time.sleep(60)", IRQUANT_CALL_SECONDS="0.5"
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == DIED
    assert said == (
        "error: the OpenVINO runtime has been compiling a model for 0.5 s, and was stopped; IRQUANT_CALL_SECONDS sets the "
        "time\n"
    )


@pytest.mark.parametrize("text", ["soon", "-1", "0", "nan"])
def test_a_limit_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    environment = os.environ | {"IRQUANT_CALL_SECONDS": text}
    done = subprocess.run(
        [*PROGRAM, "--version"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    said = f"error: IRQUANT_CALL_SECONDS is '{text}' in the environment, expected a number of seconds above 0\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_signals_reach_the_command_which_ends_as_by_an_interrupt(number: int, tmp_path: Path, model: Path) -> None:
    process = quantize(tmp_path, model, "open('begun', 'w').close()\n    time.sleep(60)")
    wait_for(tmp_path / "begun")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert said.splitlines()[-1] == "error: interrupted; nothing was written"
    assert process.returncode == 128 + number


def test_the_command_does_not_outlive_it(tmp_path: Path, model: Path) -> None:
    process = quantize(tmp_path, model, "open('begun', 'w').close()\n    time.sleep(60)")
    wait_for(tmp_path / "begun")
    (command,) = psutil.Process(process.pid).children()
    process.kill()
    process.communicate(timeout=60)
    assert psutil.wait_procs([command], timeout=20)[1] == []


def test_the_exit_code_is_that_of_the_command(tmp_path: Path) -> None:
    for arguments, code in ((["--help"], 0), (["inspect", "none.xml"], 2)):
        assert subprocess.run([*PROGRAM, *arguments], cwd=tmp_path, capture_output=True).returncode == code


def test_a_pause_is_no_signal(tmp_path: Path) -> None:
    odd = (
        "import signal\nfrom types import SimpleNamespace\n"
        "real, odd = signal.sigtimedwait, [SimpleNamespace(si_signo=212188128, si_code=-5)]\n"
        "signal.sigtimedwait = lambda *given: odd.pop() if odd else real(*given)\n"
    )
    command = [sys.executable, "-c", f"{odd}{PROGRAM[-1]}", "--version"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
