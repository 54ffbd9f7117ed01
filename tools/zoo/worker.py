"""The process of one model of a batch: `python -m irquant.tools.zoo.worker`, started only by the supervisor.

The worker reads its task, a line of JSON, from standard input. If standard input ends, the supervisor is dead, and the
worker exits. It answers with a line of JSON on standard output; output of the user's code goes to standard error.
"""

import os
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from irquant.ir.atomic_write import written_together
from irquant.ir.spelling import spelt_with_flags
from irquant.passes.accuracy.metric_goals import MetricGoals
from irquant.passes.accuracy.parse_metrics import metrics_of
from irquant.passes.files.model_place import FilePlace
from irquant.passes.infra.internal_errors import FaultFolderError, complaint, described, is_internal, write_fault
from irquant.passes.jobs.quantize_job import QuantizeJob
from irquant.passes.jobs.quantize_once import NothingToQuantizeError
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.options.strict import Strict
from irquant.passes.tuning.goals import TuningGoals
from irquant.tools.report.page import PageError
from irquant.tools.report.quantization import Subject, write_quantization_page
from irquant.tools.sources.metric_function import open_metrics
from irquant.tools.sources.open_extensions import open_extensions
from irquant.tools.sources.open_inputs import open_data
from irquant.tools.zoo.batch_file import Entry
from irquant.tools.zoo.cache_key import fingerprint, planned_of
from irquant.tools.zoo.record import Figures

_NO_INTERMEDIATE = "dump_intermediate_model has no effect in a zoo; quantize the model with `irquant quantize` for that"


class Task(Strict):
    """The task of a worker.

    Attributes:
        entry: The entry of the model in the batch file.
        output: The .xml to write.
        at_a_time: The most models of the batch that run at the same time.
        phase: The file for what is being done, for the supervisor.
        faults: The folder for a reproduction if irquant itself fails; None: none is written.
    """

    entry: Entry
    output: str
    at_a_time: int
    phase: str
    faults: str | None = None


class Answer(Strict):
    """The answer of a worker.

    Attributes:
        message: The user error or the internal error; empty if there is none.
        is_internal: Whether it is an internal error.
        is_unchanged: Whether nothing in the model can be quantized.
        figures: The figures of the result.
        files: The result: name -> fingerprint.
    """

    message: str = ""
    is_internal: bool = False
    is_unchanged: bool = False
    figures: Figures | None = None
    files: dict[str, str] = Field(default_factory=dict[str, str])


def main() -> None:
    """Reads the task, runs it, and writes the answer."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    task = Task.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with, args=(sys.stdin.buffer,), daemon=True).start()
    try:
        with spelt_with_flags():
            answer = _quantized(task)
    except NothingToQuantizeError as error:
        answer = Answer(message=f"{' '.join(str(error).split())}; use the float model", is_unchanged=True)
    except Exception as error:
        answer = _internal(error, task) if is_internal(error) else Answer(message=" ".join(complaint(error).split()))
    answers.write(answer.model_dump_json().encode())
    answers.close()


def _internal(error: Exception, task: Task) -> Answer:
    traceback.print_exc()
    message = " ".join(described(error).split())
    if task.faults:
        try:
            write_fault(error, Path(task.faults), {"entry": task.entry.model_dump_json(exclude_defaults=True)})
        except FaultFolderError as failure:
            message = f"{message}; {failure}"
    return Answer(message=message, is_internal=True)


def _end_with(stream: BinaryIO) -> None:
    stream.read()
    os._exit(1)


@dataclass
class _Phases:
    """Writes what is being done to a file, for the supervisor.

    Attributes:
        path: The file.
        last: What it says.
    """

    path: Path
    last: str = ""

    def show(self, task: str, done: int, total: int | None) -> None:
        """Writes a new task; the number of steps changes too often."""
        if task != self.last:
            self.last = task
            self.path.write_text(task, encoding="utf-8")


def _quantized(task: Task) -> Answer:
    planned = planned_of(task.entry)
    output = Path(task.output)
    extensions = open_extensions(task.entry.extension)
    place = FilePlace(Path(task.entry.model), output, extensions=extensions, no_intermediate=_NO_INTERMEDIATE)
    job = QuantizeJob(place, planned, force=True)  # whoever runs the batch has looked
    graph = job.load()
    data = open_data(task.entry.data, graph, task.entry.pictures, planned.settings)
    named = [task.entry.metric] if task.entry.metric else []
    metrics = open_metrics(named, planned.config.accuracy or AccuracyOptions(), None)
    goals = MetricGoals(metrics_of(metrics, planned.config, where=planned.settings.where))
    tuning = TuningGoals(seconds=None, file=Path(task.entry.tuning)) if task.entry.tuning else None
    with written_together():
        report = job.run(graph, data, goals=goals, tuning=tuning, progress=_Phases(Path(task.phase)).show).report
    figures = Figures.of(report, task.at_a_time)
    try:
        write_quantization_page(output.with_suffix(".html"), report, Subject(Path(task.entry.model), output, planned))
    except PageError as error:  # nobody asked for it, and the model is there
        figures = figures.model_copy(update={"warnings": [*figures.warnings, str(error)]})
    files = [output, output.with_suffix(".bin")]
    return Answer(figures=figures, files={path.name: fingerprint(path) for path in files})


if __name__ == "__main__":
    code = 1
    try:
        main()
        code = 0
    except BaseException:  # the user's code may also call exit
        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)  # a normal exit is slow, and fails while a thread reads standard input
