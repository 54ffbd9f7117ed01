"""Passes that the command line names: by name, as the user's own classes, or in pipeline files."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, cast

from irquant.passes import Fact, Pass, PassManager, QuantizationConfig, default_quantization
from irquant.passes.infra.base import RequirementError
from irquant.passes.infra.instruments import Instrument
from irquant.passes.infra.pass_spec import PassSpec, PassSpecError, make_pass, read_specs
from irquant.passes.infra.pipeline_file import read_pipeline
from irquant.passes.infra.registry import DEFAULT_PIPELINE, PASSES, pass_class
from irquant.tools.sources.user_code import named_object

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class NamedPasses:
    """Passes that the command line names.

    Attributes:
        passes: The passes in order.
        classes: The user's own classes among them, as `module:Class`.
    """

    passes: tuple[Pass, ...] = ()
    classes: tuple[str, ...] = ()

    @classmethod
    def of(cls, specs: Iterable[PassSpec]) -> "NamedPasses":
        """The passes of these specs."""
        listed = tuple(specs)
        return cls(tuple(map(_pass, listed)), tuple(spec.name for spec in listed if ":" in spec.name))

    def __add__(self, others: "NamedPasses") -> "NamedPasses":
        """These passes, then the others."""
        return NamedPasses(self.passes + others.passes, self.classes + others.classes)


def passes_from(pipelines: Iterable[str], texts: Iterable[str], config: QuantizationConfig) -> NamedPasses:
    """The passes of the pipelines (files, or the named pipeline for these options), then those of the texts.

    Raises:
        PassSpecError: a pass does not exist, or does not have these options.
    """
    found = (_pipeline(each, config) for each in pipelines)
    listed = (NamedPasses.of(read_specs(text)) for text in texts)
    return sum(chain(found, listed), NamedPasses())


def _pipeline(text: str, config: QuantizationConfig) -> NamedPasses:
    if text == DEFAULT_PIPELINE:
        return NamedPasses(tuple(default_quantization(config=config)))
    if Path(text).suffix not in (".yaml", ".yml"):
        message = f"no pipeline '{text}'; there is {DEFAULT_PIPELINE}; or give the path of a .yaml file"
        raise PassSpecError(message)
    specs = read_pipeline(Path(text))
    try:
        return NamedPasses.of(specs)
    except PassSpecError as error:
        message = f"{text}: {error}"
        raise PassSpecError(message) from error


def _pass(spec: PassSpec) -> Pass:
    return make_pass(_users_class(spec.name) if ":" in spec.name else pass_class(spec.name), spec.options)


def _users_class(text: str) -> type[Pass]:
    found = named_object(text, PassSpecError)
    if not isinstance(found, type):
        message = f"{text}: is {type(found).__name__}, expected a class"
        raise PassSpecError(message)
    if missing := [each for each in ("name", "run") if not hasattr(found, each)]:
        message = f"{text}: is not a pass: it has no {', '.join(missing)}; see irquant.passes.Pass"
        raise PassSpecError(message)
    class_ = _with_defaults(found)
    if not isinstance(cast(object, class_.name), str) or not _NAME.fullmatch(class_.name):
        message = f"{text}: its name is '{class_.name}', expected lower-case words joined by hyphens"
        raise PassSpecError(message)
    return class_


def _with_defaults(class_: Any) -> type[Pass]:
    """A user's class with the defaults of `Pass`; it need not be derived from `Pass`."""
    derived = issubclass(class_, Pass)
    same = {"__module__": class_.__module__, "__qualname__": class_.__qualname__, "__doc__": class_.__doc__}
    return cast(type[Pass], class_ if derived else type(class_.__name__, (class_, Pass), same))


def managed(passes: Sequence[Pass], instruments: Sequence[Instrument]) -> PassManager:
    """The passes, ready to run.

    Raises:
        RequirementError: the order is invalid; the message names passes to insert.
    """
    try:
        return PassManager(passes, instruments)
    except RequirementError as error:
        if error.dropped_by:
            raise
        message = f"{error}; put {', '.join(_establishing(each) for each in sorted(error.missing))} before it"
        raise RequirementError(message, error.missing) from None


def _establishing(fact: Fact) -> str:
    return " or ".join(f"'{name}'" for name in PASSES if fact in pass_class(name).establishes) or "a pass for it"
