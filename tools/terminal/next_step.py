"""The verdict on a quantized model, and what to do next: the first two lines of its summary."""

from irquant.passes import Report
from irquant.passes.analysis.agreement import Agreement, Verdict
from irquant.passes.options.accuracy import AccuracyOptions
from irquant.passes.options.note import warnings_in
from irquant.tools.terminal.advice import ENOUGH, MORE_SAMPLES, advice
from irquant.tools.terminal.console import decibels, few_samples, lacks_data
from irquant.tools.terminal.typed_command import TypedCommand

#: What is less than this many times as fast as the float model is not worth its loss.
_FASTER = 1.05
#: The least share of the layers that explains why nothing of the speed is left.
_MANY = 0.1


def verdict_line(report: Report) -> str:
    """The verdict on the model in words."""
    wrong = report.wrong_data
    doubt = f"unknown, since the data look wrong: {wrong.found}; with these data: " if wrong else ""
    return f"{doubt}{_measured(report)}"


def _measured(report: Report) -> str:
    if report.accuracy:
        names = ", ".join(each.name for each in report.accuracy.metrics)
        return f"{'within' if report.accuracy.is_reached else 'worse than'} the limits of your metrics ({names})"
    if (worst := report.worst_output) is None:
        return "not checked, since no samples were held out"
    if worst.verdict is Verdict.UNKNOWN:
        return f"unknown ({worst.verdict.words}: '{worst.name}')"
    which = "output" if len(report.check.outputs or ()) == 1 else "worst output"
    few = f"; {few_samples(worst)}" if worst.verdict is not worst.on_samples else ""
    only = f" on {worst.samples} sample{'s' * (worst.samples > 1)} only" if worst.is_on_very_few else ""
    return f"{worst.verdict}{only} ({worst.verdict.words}; {which} '{worst.name}': {decibels(worst.sqnr)}{few})"


def next_step(report: Report, typed: TypedCommand | None) -> str:
    """What to do next.

    Args:
        report: The report.
        typed: The command line that gave it; None: it comes from Python.
    """
    if wrong := report.wrong_data:
        command = f": {typed.changed(*wrong.flags)}" if typed and wrong.flags else ""
        return f"mend the data first: {wrong.remedy}{command}"
    if report.accuracy:
        return _nothing(report) if report.accuracy.is_reached else _go_on(report, typed) or _find_layers(report, typed)
    if (worst := report.worst_output) is None:
        return _check(report, typed)
    if named := _suspects(report, worst):
        began = f"the guard began with {decibels(report.guard[0].before)}" if report.guard else "the output is poor"
        return f"try it without {named} of your options: with {'it' if ',' not in named else 'them'}, {began}"
    if worst.needs_samples:
        return _more_samples(report, typed)
    if worst.verdict is Verdict.GOOD:
        return _nothing_gained(report, typed) or _nothing(report)
    if worst.verdict is Verdict.UNKNOWN:
        how = "--metric file.py:function" if typed else "metric=function"
        return f"measure the result with a metric of your own: {how}"
    aim = report.origin.options.config.guard_aim if report.origin else None
    if aim is None:
        return typed.changed("--guard", "knee", without="--no-guard") if typed else "quantize again with guard='knee'"
    if worst.verdict is Verdict.FAIR and aim != "good":
        more = typed.changed("--guard", "good") if typed else "quantize again with guard='good'"
        option = "--metric file.py:function" if typed else "metric=function"
        return f"measure the loss with a metric of your own ({option}, docs/accuracy.md); without labels: {more}"
    return _find_layers(report, typed)


def _check(report: Report, typed: TypedCommand | None) -> str:
    """How to get the result checked."""
    if not lacks_data(report):
        return "give 9 samples or more, better 100 to 300, so that some can be held out to check the result"
    command = typed.changed("--data", "SOURCE") if typed else "data=..."
    return f"check the result with the data that the statistics were measured on: {command}"


def _go_on(report: Report, typed: TypedCommand | None) -> str:
    """To raise the limit that ended the search with the user's metrics; empty if none did."""
    found, config = report.accuracy, report.origin and report.origin.options.config
    if not (found and found.stopped and config):
        return ""
    options = config.accuracy or AccuracyOptions()
    again = "quantize again with config=QuantizationConfig(accuracy={"
    if len(found.trials) >= options.max_trials:
        return "" if typed else f"{again}'max_trials': {2 * options.max_trials}}})"  # the command line has no option
    if options.seconds is None:
        return ""
    seconds = f"{2 * options.seconds:g}"
    return typed.changed("--metric-seconds", seconds) if typed else f"{again}'seconds': {seconds}}})"


def _more_samples(report: Report, typed: TypedCommand | None) -> str:
    """To give more samples, or to take more of the given ones if the options set their number."""
    most = report.origin.options.config.samples if report.origin else None
    if most is None or report.samples + report.held_out < most:
        return MORE_SAMPLES
    return typed.changed("--samples", f"{ENOUGH}") if typed else f"quantize again with subset_size={ENOUGH}"


def _suspects(report: Report, worst: Agreement) -> str:
    """The range estimators of the user's options, if outputs were poor with them before layers went back to float."""
    if report.origin is None:
        return ""
    config, floor = report.origin.options.config, worst.levels.floor
    given = {
        "range_estimator": config.range_estimator,
        "activations.range_estimator": config.activations.range_estimator,
        "weights.range_estimator": config.weights.range_estimator,
    }
    is_poor = worst.verdict is Verdict.POOR or any(each.before < floor for each in report.guard[:1])
    return ", ".join(name for name, each in given.items() if each) if is_poor else ""


def _nothing_gained(report: Report, typed: TypedCommand | None) -> str:
    """What to do if so many layers went back to float that the model is no faster than before; empty if it is."""
    found, layers = report.latencies, [each for each in report.reverted if each.is_layer]
    if found is None or found.ratio >= _FASTER or found.is_unclear or len(layers) < max(1, _MANY * len(report.layers)):
        return ""
    count = f"{len(layers)} layer{'s' * (len(layers) != 1)}"
    is_good_wanted = report.origin is not None and report.origin.options.config.guard_aim == "good"
    slow = f"nothing of the speed is left ({found.ratio:.2f}x) with {count} back in float"
    if typed is None:
        knee = "quantize again with guard='knee', or with" if is_good_wanted else "quantize again with"
        return f"{slow}: {knee} a metric of your own (metric=function)"
    knee = f", or {typed.changed('--guard', 'knee')}" if is_good_wanted else ""
    return f"{slow}: let a metric of your own decide (--metric file.py:function){knee}"


def _nothing(report: Report) -> str:
    count = len(warnings_in(report.warnings))
    return f"see the warning{'s' * (count > 1)} below" if count else "nothing to do"


def needs_work(report: Report) -> bool:
    """Whether the data look wrong; or an output is fair, poor or hardly checked, and no metric of the user decides."""
    if report.wrong_data:
        return True
    outputs = report.check.outputs or ()
    return not report.accuracy and any(
        each.verdict in (Verdict.FAIR, Verdict.POOR) or each.is_on_very_few for each in outputs
    )


def is_refused(report: Report) -> bool:
    """Whether the data look wrong; or an output is poor or was not checked, and no metric of the user decides."""
    outputs = report.check.outputs
    is_bad = outputs is None or any(each.is_refused for each in outputs)
    return report.wrong_data is not None or (report.accuracy is None and is_bad)


def _find_layers(report: Report, typed: TypedCommand | None) -> str:
    """Which layers to leave float, or the other preset if none stands out; the page that ranks them, if none did."""
    if report.effects:
        names = [each.name for each in advice(report).layers]
        other = "mixed" if report.preset == "performance" else "performance"
        flags = [part for name in names for part in ("--ignored", name)] or ["--preset", other]
        keywords = f"ignored={names!r}" if names else f"preset={other!r}"
        return typed.changed(*flags) if typed else f"quantize again with {keywords}"
    if typed is None or report.origin is None:
        return "show the report in a notebook: it ranks the layers; leave the first ones float with ignored="
    if typed.gives("--report"):
        return "open the report: it ranks the layers; leave the first ones float with --ignored"
    return typed.changed("--report", str(report.origin.result.with_suffix(".html")))
