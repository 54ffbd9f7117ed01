"""What holds of all tests."""

import pytest
from hypothesis import settings

from irquant.passes.quality import faults

# How long an example takes says more of the machine than of the code: nothing here is judged by a clock.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is any model: whether int8 looks slow depends on what else the machine does."""
    monkeypatch.setattr(faults, "looks_slow", lambda *_: False)
