"""What public functions have in common: keywords that tools can show, and errors without the inside of irquant."""

import functools
import inspect
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, TypeVar, cast

from ...ir import UserError
from .keyword_kinds import refuse_other_kinds

_Function = TypeVar("_Function", bound=Callable[..., object])


class _LeftOut:
    """The default of a keyword in a signature: a function's docstring says what it is."""

    def __repr__(self) -> str:
        return "..."


def entry_point(options: type) -> Callable[[_Function], _Function]:
    """Makes a public function of a function with `**options`.

    Its signature names each keyword. The traceback of a `UserError` begins at the call, and that of its cause in the
    user's code; an `InternalError`, which is none, keeps all of it.

    Args:
        options: The `TypedDict` of the keywords.
    """

    def made(function: _Function) -> _Function:
        @functools.wraps(function)
        def called(*args: object, **named: object) -> object:
            try:
                refuse_other_kinds(named)
                return function(*args, **named)
            except UserError as error:
                cause = error.__cause__
                raise error.with_traceback(None) from cause and cause.with_traceback(_outside(cause.__traceback__))

        cast(Any, called).__signature__ = _signature(function, options)
        return cast(_Function, called)

    return made


def _signature(function: Callable[..., object], options: type) -> inspect.Signature:
    plain, kinds = inspect.signature(function), inspect.get_annotations(options)
    keyword, default = inspect.Parameter.KEYWORD_ONLY, _LeftOut()
    kept = [each for each in plain.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    named = [inspect.Parameter(name, keyword, default=default, annotation=kind) for name, kind in kinds.items()]
    return plain.replace(parameters=[*kept, *named])


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from its first frame outside of irquant."""
    while trace is not None and is_own(trace.tb_frame):
        trace = trace.tb_next
    return trace


def is_own(frame: FrameType) -> bool:
    """Whether a frame runs code of irquant."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]
