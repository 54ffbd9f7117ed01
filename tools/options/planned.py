"""The options of a run: what the command line says, and else the configuration file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from irquant.passes.options.config_file import ConfigFile
from irquant.passes.options.resolved import ResolvedOptions

#: Options whose flags have other names.
_FLAGS: Mapping[tuple[str, object], str] = {
    ("guard", False): "--no-guard",
    ("keep_compressed", True): "--keep-compressed",
}


def planned_by(
    config: Path | None,
    target: str | None,
    preset: str | None,
    ignored: tuple[str, ...],
    *,
    accuracy: Mapping[str, object] | None = None,
    notes: tuple[str, ...] = (),
    **others: object,
) -> ResolvedOptions:
    """The resolved options: options of the command line override the configuration file.

    Args:
        config: The configuration file.
        target: The target.
        preset: The preset.
        ignored: Layers that stay float.
        accuracy: The limits of losses in metrics.
        notes: Messages to the user about options that have no effect.
        others: Other options of a run.

    Raises:
        UserError: the file or an option is wrong.
    """
    settings = _read(config) if config else ConfigFile()
    settings = replace(settings, warnings=(*settings.warnings, *notes))
    given = {"preset": preset, "ignored": ignored or None, "target": target, **others}
    flags = {name: _FLAGS.get((name, value), f"--{name}") for name, value in given.items() if value is not None}
    return ResolvedOptions.of(
        settings, target, preset=preset, ignored=ignored, accuracy=accuracy, flags=flags, **others
    )


def _read(config: Path) -> ConfigFile:
    from irquant.passes.options.pot_config import read_config_file  # here: most runs have no configuration

    return read_config_file(config)
