"""The former place of `ImageOptions`, for scripts that import it."""

from irquant.tools.sources.image_options import ImageOptions

__all__ = ["ImageOptions"]
