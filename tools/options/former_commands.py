"""Commands of former tools, and words that others take as commands: what to write instead."""

from collections.abc import Mapping

_CONVERTED = "`irquant quantize` converts models of other formats itself; `ovc` writes an .xml of one"
_MEASURED = "`irquant quantize --metric FUNCTION` measures your own metric, and `irquant compare` runs two models"

#: A word in place of a command -> what to write instead.
FORMER_COMMANDS: Mapping[str, str] = {
    "pot": "write `irquant quantize` with the same options",
    **dict.fromkeys(("mo", "ovc", "convert"), _CONVERTED),
    **dict.fromkeys(("evaluate", "validate", "accuracy-check"), _MEASURED),
    **dict.fromkeys(("benchmark", "benchmark-app"), "`irquant compare` measures the latency of two models"),
    **dict.fromkeys(("batch", "run"), "write `irquant zoo BATCH.yaml`"),
    "report": "write `irquant quantize --report FILE.html`",
    "dry-run": "write `irquant quantize --dry-run`",
    "help": "write `irquant --help`, or `irquant COMMAND --help`",
    "version": "write `irquant --version`",
}
