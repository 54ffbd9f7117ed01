"""The imports of a command: what the garbage collector does meanwhile, and afterwards."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from irquant.tools.terminal.importing import importing


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    assert gc.isenabled()
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def test_no_garbage_is_collected_while_a_command_is_imported() -> None:
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_import_that_fails_leaves_the_collector_as_it_was() -> None:
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()
    gc.disable()
    with importing():
        pass
    assert not gc.isenabled()


def test_imported_objects_are_never_scanned_in_a_process_of_the_commands_own() -> None:
    gc.freeze()
    before = gc.get_freeze_count()
    with importing():
        kept = [[number] for number in range(1000)]
    assert gc.get_freeze_count() >= before + len(kept)


def test_objects_of_another_program_are_not_kept_from_the_collector() -> None:
    with importing():
        pass
    assert gc.get_freeze_count() == 0


def test_no_garbage_is_collected_while_a_public_name_is_imported() -> None:
    script = (
        "import gc, irquant\n"
        "seen = [0]\n"
        "gc.callbacks.append(lambda phase, _: seen.__setitem__(0, seen[0] + (phase == 'start')))\n"
        "irquant.quantize\n"
        "print(seen[0] < 5, gc.isenabled(), gc.get_freeze_count())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "True True 0\n"
