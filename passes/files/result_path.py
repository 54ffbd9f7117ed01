"""The default path of a result."""

from pathlib import Path


def result_path(path: Path, name: str | None = None, form: str = "int8") -> Path:
    """The default path of the quantized form of a model: beside it, also of the current folder."""
    place = path if path.name not in ("", "..") else path.resolve()
    return place.parent / f"{name or place.stem}_{form}.xml"
