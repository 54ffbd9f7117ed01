"""The options of a run together with a configuration."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...targets import Target, load_target
from ...targets.load import ANY
from .config import QuantizationConfig
from .config_file import ConfigFile


@dataclass(frozen=True)
class ResolvedOptions:
    """The options of a run together with a configuration.

    Attributes:
        config: The options of the run.
        target: The device.
        settings: The configuration.
        flags: Option of the run -> the flag that gave it.
    """

    config: QuantizationConfig
    target: Target
    settings: ConfigFile
    flags: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(
        cls,
        settings: ConfigFile,
        target: str | Target | None = None,
        *,
        ignored: Sequence[str] | Mapping[str, object] = (),
        accuracy: Mapping[str, object] | None = None,
        flags: Mapping[str, str] | None = None,
        **options: object,
    ) -> "ResolvedOptions":
        """The given options in place of those of the configuration.

        Args:
            settings: The configuration.
            target: The device, its name, or the path of its file; default: that of the configuration, or "cpu".
            ignored: Layers to ignore in addition: their names, or a section `ignored` of a configuration.
            accuracy: The limits of losses in metrics.
            flags: Option -> the flag that gave it.
            options: Other options; None: not given.

        Raises:
            UserError: an option is wrong, or there is no such target.
        """
        config = settings.config.overruled(ignored=ignored, accuracy=accuracy, **options)
        device = target if isinstance(target, Target) else load_target(target or settings.target or ANY)
        return cls(config, device, settings, flags or {})

    def noting(self, messages: Iterable[str]) -> "ResolvedOptions":
        """The same with more messages to the user."""
        return replace(self, settings=replace(self.settings, warnings=(*self.settings.warnings, *messages)))
