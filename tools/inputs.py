"""The former place of `open_as`, for scripts that import it."""

from irquant.tools.sources.open_inputs import open_as

__all__ = ["open_as"]
