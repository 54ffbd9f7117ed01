"""The line of the user's own file that failed."""

import traceback

from irquant.passes.infra.entry_point import is_own


def failing_line(error: BaseException) -> str:
    """Where an error comes from: ` (FILE:LINE)`, the last line in the first file that is not irquant's; else nothing.

    Args:
        error: An error of the user's code, or one of irquant's that it caused.
    """
    cause = error.__cause__ or error
    frames = [
        (frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(cause.__traceback__) if not is_own(frame)
    ]
    own = [each for each in frames if not each[0].startswith("<")]  # imports have frames of Python's own
    places = [line for file, line in own if file == own[0][0]]
    return f" ({own[0][0]}:{places[-1]})" if places else ""
