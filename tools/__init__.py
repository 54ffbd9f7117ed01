"""The command line: thin, over the public API of `irquant.passes`.

It sends nothing to anybody. The runtime's Python package would import a telemetry library with it, which the commands
neither need nor want (and which takes a tenth of a second): here it counts as not installed, as the runtime allows.
"""

import sys
from typing import cast

cast(dict[str, object], sys.modules).setdefault("openvino_telemetry", None)
