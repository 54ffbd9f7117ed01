"""Where the command `irquant` begins and ends: a good part of a short run is spent here.

Imports make half a million objects that stay. The cyclic collector would look at them again and again, and the
interpreter would take them apart one by one at the end.
"""

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line and exits with its code."""
    gc.disable()
    from irquant.tools.cli import run

    gc.freeze()
    gc.enable()
    code = run(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
