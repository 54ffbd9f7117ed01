"""Where `ImageOptions` was before; scripts import it from here."""

from irquant.tools.sources.image_source import ImageOptions

__all__ = ["ImageOptions"]
