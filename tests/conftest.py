"""What holds of all tests."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from irquant.passes.quality import device

# How long an example takes says more of the machine than of the code: nothing here is judged by a clock.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


@pytest.fixture(autouse=True, scope="session")
def _no_clock() -> Iterator[None]:
    """Nor is any model: whether int8 looks slow depends on what else the machine does.

    Of the whole session, because fixtures of a module are made before those of a test, and quantize, too.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(device, "looks_slow", lambda *_: False)
        yield
