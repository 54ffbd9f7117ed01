"""What holds of all tests."""

import gc
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

from irquant.passes.accuracy import device

# How long an example takes says more of the machine than of the code: nothing here is judged by a clock. Each run draws
# other examples, so that fewer at a time are tried in the end as well.
settings.register_profile("no clock", deadline=None, max_examples=25)
settings.load_profile("no clock")

# Thousands of collected tests live as long as the process: looking for garbage among them took a tenth of the time.
gc.disable()


_FRESH = pytest.StashKey[dict[str, dict[str, Any]]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Remembers the generators of random numbers as the modules of tests made them."""
    modules: set[Any] = {each.module for each in items if isinstance(each, pytest.Function)}
    config.stash[_FRESH] = {each.__name__: each.RNG.bit_generator.state for each in modules if hasattr(each, "RNG")}


def pytest_collection_finish() -> None:
    """From here on, garbage is looked for among what tests make."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where Python is told not to write bytecode, processes that tests start share it in a temporary folder.

    Otherwise each of them would compile the whole library.
    """
    with pytest.MonkeyPatch.context() as patched:
        if os.environ.get("PYTHONDONTWRITEBYTECODE"):
            folder = tmp_path_factory.getbasetemp()
            shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
            patched.delenv("PYTHONDONTWRITEBYTECODE")
            patched.setenv("PYTHONPYCACHEPREFIX", str(shared / "bytecode"))
        yield


@pytest.fixture(autouse=True)
def _as_alone(request: pytest.FixtureRequest) -> None:
    """Whichever tests ran before on this worker, each draws the same numbers."""
    if state := request.config.stash[_FRESH].get(request.module.__name__):
        request.module.RNG.bit_generator.state = state


@pytest.fixture(autouse=True, scope="session")
def _no_clock() -> Iterator[None]:
    """Nor is any model: whether int8 looks slow depends on what else the machine does.

    Of the whole session, because fixtures of a module are made before those of a test, and quantize, too.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(device, "looks_slow", lambda *_: False)
        yield
