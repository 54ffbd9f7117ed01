"""What holds of all tests."""

from hypothesis import settings

# How long an example takes says more of the machine than of the code: nothing here is judged by a clock.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")
