"""What the shell completes as the value of an option that takes free text."""

from collections.abc import Callable, Iterable
from typing import get_args

import click
from click.shell_completion import CompletionItem

_Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def words(*values: str) -> _Complete:
    """Completes these values, and nothing else."""
    return lambda _context, _parameter, start: _beginning(values, start)


def words_or_files(*values: str) -> _Complete:
    """Completes these values, and files where none of them fits; without values, only files."""
    return lambda _context, _parameter, start: _beginning(values, start) or [CompletionItem(start, type="file")]


def targets(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Completes names and aliases of targets, and files where none of them fits."""
    from irquant.targets import load_target, target_names  # here: shells ask, but a run and its help do not

    aliases = (alias for name in target_names() for alias in load_target(name).aliases)
    return _beginning((*target_names(), *aliases), start) or [CompletionItem(start, type="file")]


def presets(_context: click.Context, _parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """Completes the names of presets."""
    from irquant.passes.options.config import Preset  # here, as above

    return _beginning(get_args(Preset), start)


def _beginning(values: Iterable[str], start: str) -> list[CompletionItem]:
    return [CompletionItem(each) for each in values if each.lower().startswith(start.lower())]
