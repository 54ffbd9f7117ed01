"""The verdict on a comparison of two models, and what to do next: the first two lines of `irquant compare`."""

from irquant.passes.analysis.agreement import ENOUGH_SAMPLES, Verdict
from irquant.passes.evaluation.compare_models import Comparison
from irquant.tools.terminal.console import decibels, few_samples
from irquant.tools.terminal.typed_command import TypedCommand


def comparison_verdict(found: Comparison) -> str:
    """How close the second model is, in words; and whether it is faster, if it is not."""
    worst = found.worst
    which = "output" if len(found.outputs) == 1 else "worst output"
    few = f"; {few_samples(worst)}" if worst.verdict is not worst.on_samples else ""
    ratio = "" if worst.verdict is Verdict.UNKNOWN else f": {decibels(worst.sqnr)}"
    measured = f"{worst.verdict} ({worst.verdict.words}; {which} '{worst.name}'{ratio}{few})"
    slow = f"; not faster: {found.latencies.ratio:.2f}x as fast" if found.latencies and found.is_no_faster else ""
    wrong = next(iter(found.mistakes), None)
    doubt = f"unknown, since the data look wrong: {wrong.found}; with these data: " if wrong else ""
    return f"{doubt}{measured}{slow}"


def comparison_next(found: Comparison, first: str, typed: TypedCommand) -> str:
    """What to do next.

    Args:
        found: The comparison.
        first: The reference model.
        typed: The command line.
    """
    if wrong := next(iter(found.mistakes), None):
        return f"mend the data first: {wrong.remedy}{f': {typed.changed(*wrong.flags)}' if wrong.flags else ''}"
    worst = found.worst
    if worst.verdict is Verdict.UNKNOWN:
        return "measure both models with a metric of your own: these outputs cannot be compared"
    if worst.needs_samples:
        return f"compare on {ENOUGH_SAMPLES} samples or more"
    if found.is_poor:
        if found.layers is None:
            return typed.changed("--per-layer")
        return "see which layers above differ most, and leave these float (irquant quantize --ignored)"
    if worst.verdict is Verdict.FAIR:
        return "measure the loss with a metric of your own (docs/accuracy.md)"
    if found.is_no_faster and found.second.execution.int8:
        return f"find the layers that are faster in float: irquant tune {first}, with the same data"
    return "nothing to do"
