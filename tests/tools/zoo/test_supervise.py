"""The process of a model, and what its supervisor sees of it."""

import threading
from itertools import pairwise
from pathlib import Path

from irquant.tools.zoo.batch_file import Entry
from irquant.tools.zoo.job import Job
from irquant.tools.zoo.record import State
from irquant.tools.zoo.supervise import supervise


def test_the_phases_of_a_run_are_shown(model: Path, arrays: Path, tmp_path: Path) -> None:
    entry = Entry(model=str(model), data=str(arrays))
    phases: list[str] = []
    outcome = supervise(
        Job("m", entry, str(arrays), tmp_path, tmp_path / "m.xml", {}), 1, threading.Event(), phases.append
    )
    assert outcome.record.state is State.DONE
    assert phases, "those that take long enough to be seen"
    assert all(one != other for one, other in pairwise(phases)), "each once"
