"""`irquant tune`: `irquant quantize --tune`."""

import functools

from irquant.tools.commands.quantize import ABOUT_ARGUMENTS, quantize_command
from irquant.tools.options.pot_options import PotCommand

#: Options of `irquant quantize` that are settled here.
_SETTLED = {"tune": True, "dry_run": False}
_HELP = f"""Quantizes MODEL to INT8 for the shortest latency on this machine.

Like `irquant quantize`, with the same options; then layers return to float that int8 makes slower here, with the
conversions around them. Each change is kept only if the latency of the whole model falls by more than the noise, in the
runtime's default precision. At most six models are compiled. The report says so if int8 brings no speed at all.

{ABOUT_ARGUMENTS}

\b
Examples:
  irquant tune model.xml --data calibration.npz
  irquant tune model.xml --data calibration.npz -o model_int8.xml --tuning tuning.json
  irquant quantize model.xml --data calibration.npz --tuning tuning.json   (the same bytes, without measuring)
"""

assert quantize_command.callback is not None
tune_command = PotCommand(
    "tune",
    params=[each for each in quantize_command.params if each.name not in _SETTLED],
    callback=functools.partial(quantize_command.callback, **_SETTLED),
    help=_HELP,
)
