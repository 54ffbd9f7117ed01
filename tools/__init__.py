"""The command line: thin, over the public API of `irquant.passes`.

irquant sends no telemetry. The runtime's Python package would import a telemetry library, which the commands do not
need and which takes a tenth of a second. This module marks the library as not installed, which the runtime supports.
"""

import sys
from typing import cast

cast(dict[str, object], sys.modules).setdefault("openvino_telemetry", None)
