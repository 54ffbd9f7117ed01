"""Where `open_as` was before; scripts import it from here."""

from irquant.tools.options.inputs import open_as

__all__ = ["open_as"]
