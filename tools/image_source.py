"""The former place of `ImageOptions`, for scripts that import it."""

from irquant.tools.sources.image_source import ImageOptions

__all__ = ["ImageOptions"]
