"""A folder with tiny models and data, the commands that are attacked there, and what they give when nobody disturbs them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.opset13 as op

from irquant.ir.watched_files import Version, version_of

PROGRAM = (sys.executable, "-c", "from irquant.tools.start import main; main()")
#: The files that a command only reads.
INPUTS = ("m.xml", "m.bin", "d.npz", "given.npz", "batch.yaml")
_BATCH = (
    "defaults: {data: d.npz, guard: false}\nmodels: [{name: a, model: m.xml}, {name: b, model: m.xml, preset: mixed}]\n"
)
#: The most seconds that a command may take.
PATIENCE = 120


@dataclass(frozen=True)
class Command:
    """A command that is attacked.

    Attributes:
        name: For people.
        line: Its arguments.
        outputs: The files that it writes.
    """

    name: str
    line: tuple[str, ...]
    outputs: tuple[str, ...]


_QUANTIZE = ("quantize", "m.xml", "--no-guard", "--quiet", "-o", "o.xml")
COMMANDS = (
    Command(
        "quantize",
        (*_QUANTIZE, "--data", "d.npz", "--save-statistics", "s.npz", "--report", "r.html"),
        ("o.xml", "o.bin", "s.npz", "r.html"),
    ),
    Command(
        "statistics", (*_QUANTIZE, "--statistics", "given.npz", "--report", "r.html"), ("o.xml", "o.bin", "r.html")
    ),
    Command("compress", ("compress", "m.xml", "--quiet", "-o", "o.xml"), ("o.xml", "o.bin")),
    Command(
        "zoo",
        ("zoo", "run", "batch.yaml", "-o", "z", "--jobs", "2"),
        (
            *(f"z/{name}.{suffix}" for name in "ab" for suffix in ("xml", "bin", "html", "json")),
            "z/results.jsonl",
            "z/report.html",
            "z/.zoo.lock",
        ),
    ),
)


@dataclass(frozen=True)
class End:
    """How a process ended.

    Attributes:
        code: Its exit code; negative: the signal.
        said: What it wrote to standard error.
    """

    code: int
    said: str


@dataclass(frozen=True)
class Look:
    """What is in the folder at a moment.

    Attributes:
        files: Name -> content.
        versions: Name -> what the file system says of the file.
    """

    files: Mapping[str, bytes]
    versions: Mapping[str, Version | None]

    def changed(self, other: "Look", names: Sequence[str]) -> set[str]:
        """Which of the files are there in the other look, and new or written since."""
        return {each for each in names if each in other.files and self.versions.get(each) != other.versions[each]}


class Scene:
    """The folder, and what commands give there when nobody disturbs them.

    Attributes:
        root: The folder around it, which also holds the inputs and the undisturbed results.
        folder: The folder where commands run.
        temporary: Their folder for temporary files.
        wanted: Command -> what is there behind an undisturbed run on the new inputs.
        seconds: Command -> how long that run takes.
    """

    def __init__(self, root: Path, commands: Sequence[Command]) -> None:
        self.root, self.folder, self.temporary = root, root / "scene", root / "temporary"
        self.temporary.mkdir(parents=True)
        self.wanted: dict[str, Look] = {}
        self.seconds: dict[str, float] = {}
        for seed, age in enumerate(("old", "new")):
            _write_inputs(root / age, seed)
            self._fill(root / age)
            _expect(self.run((*_QUANTIZE, "--data", "d.npz", "--save-statistics", "given.npz")))
            shutil.copy(self.folder / "given.npz", root / age)
            for command in commands:
                self._fill(root / age)
                began = time.monotonic()
                _expect(self.run(command.line))
                self.seconds[command.name], self.wanted[command.name] = time.monotonic() - began, self.look()
                shutil.copytree(self.folder, root / f"{command.name}_{age}")

    def set(self, command: Command, *, over_old: bool) -> Look:
        """Puts the new inputs there, with results from the old ones if wanted."""
        self._fill(self.root / (f"{command.name}_old" if over_old else "new"))
        for name in INPUTS:
            shutil.copy(self.root / "new" / name, self.folder)
        shutil.rmtree(self.temporary)
        self.temporary.mkdir()
        return self.look()

    def _fill(self, source: Path) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder)

    def look(self) -> Look:
        """What is there now."""
        return look_at(self.folder)

    def start(self, line: Sequence[str], **environment: str) -> "subprocess.Popen[str]":
        """Starts a command."""
        return subprocess.Popen(
            [*PROGRAM, *line],
            cwd=self.folder,
            env=os.environ | self._environment | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # as in a shell
        )

    @property
    def _environment(self) -> dict[str, str]:
        """Few threads, absolute paths of modules, and a folder of its own for temporary files."""
        paths = [str(Path(each).absolute()) for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
        return {"PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(self.temporary), "IRQUANT_THREADS": "1"}

    def run(self, line: Sequence[str], **environment: str) -> End:
        """Runs a command to its end."""
        return wait(self.start(line, **environment))


def wait(process: "subprocess.Popen[str]") -> End:
    """Waits for the end of a process, and of all that it started."""
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        _, said = process.communicate()
        return End(process.returncode, f"{said}\nno end within {PATIENCE} s")
    return End(process.returncode, said)


def _expect(end: End) -> None:
    if end.code:
        message = f"an undisturbed run ended with {end.code}: {end.said}"
        raise RuntimeError(message)


def look_at(folder: Path) -> Look:
    """What is in a folder and in those below it."""
    paths = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return Look(
        {name: path.read_bytes() for name, path in paths.items()},
        {name: version_of(path) for name, path in paths.items()},
    )


def _write_inputs(folder: Path, seed: int) -> None:
    """A model of two layers, eight samples, and a batch file over the model."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    image = op.parameter([1, 3, 8, 8], np.float32, name="image")
    image.output(0).set_names({"image"})
    weights = [rng.normal(size=shape).astype(np.float32) for shape in ((8, 3, 3, 3), (4, 512))]
    hidden = op.relu(op.convolution(image, weights[0], [1, 1], [1, 1], [1, 1], [1, 1], name="first"))
    second = op.matmul(op.reshape(hidden, [1, 512], special_zero=False), weights[1], False, True, name="second")
    second.output(0).set_names({"scores"})
    ov.serialize(ov.Model([op.result(second)], [image], "small"), folder / "m.xml", folder / "m.bin")
    np.savez(folder / "d.npz", image=rng.normal(size=(8, 3, 8, 8)).astype(np.float32))
    (folder / "batch.yaml").write_text(_BATCH)


def family_gone(folder: Path) -> None:
    """Waits until no process works in a folder any more: a killed command's workers end a moment later."""
    end = time.monotonic() + PATIENCE
    while any(_works_in(process, folder) for process in Path("/proc").iterdir() if process.name.isdigit()):
        if time.monotonic() > end:
            message = f"a process is still at work in {folder} after {PATIENCE} s"
            raise RuntimeError(message)
        time.sleep(0.01)


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder
    except OSError:
        return False
