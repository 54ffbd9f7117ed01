"""The default path of a result."""

from pathlib import Path


def result_path(path: Path, name: str | None = None, form: str = "int8") -> Path:
    """The default path of the quantized form of a model: beside it."""
    return path.with_name(f"{name or path.stem}_{form}.xml")
