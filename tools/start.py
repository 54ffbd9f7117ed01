"""Starts and ends the command `irquant`; both are a large part of the time of a short run.

Imports create half a million objects that stay. The cyclic garbage collector would scan them again and again, and the
interpreter would free them one by one at the end.
"""

import gc
import os
import sys
from typing import NoReturn

from irquant.tools.terminal.interrupts import INTERRUPTS
from irquant.tools.terminal.outlive import outlive


def main() -> NoReturn:
    """Runs the command line and exits with its code."""
    INTERRUPTS.install()
    tell = outlive()
    gc.disable()
    from contextlib import suppress

    from irquant.tools.terminal.streams import OutputError, prepare_streams

    prepare_streams()
    output, messages = sys.stdout, sys.stderr  # whatever the user's code puts there
    from irquant.tools.cli import run

    gc.freeze()
    gc.enable()
    code = run(sys.argv[1:], tell)
    with suppress(OutputError):  # the command has met it before
        output.flush()
    messages.flush()
    os._exit(code)
