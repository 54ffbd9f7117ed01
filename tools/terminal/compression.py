"""What `irquant compress` prints."""

from collections import Counter
from collections.abc import Iterable

from irquant.ir.spelling import worded
from irquant.passes import CompressionReport
from irquant.passes.analysis.agreement import Agreement
from irquant.tools.terminal.console import agreement_line, change_of_size, counted, decibels
from irquant.tools.terminal.times import time_line


def compression_lines(report: CompressionReport, where: str) -> Iterable[str]:
    """The report as text."""
    yield f"{where}: {change_of_size(report.bytes_before, report.bytes_after)}"
    stored = Counter((each.type, each.kind, each.group) for each in report.layers if each.kind)
    for (type_, kind, group), count in stored.items():
        yield f"stored in {kind}: {count} x {type_}, a scale for {f'{group} weights' if group else 'each row'}"
    if report.four_bit_share is not None:
        yield f"in 4 bits: {report.four_bit_share:.0%} of the weights that may have them"
    other = Counter((each.type, each.kind, each.reason) for each in report.layers if each.reason)
    for (type_, kind, reason), count in other.items():
        yield f"{f'in {kind}' if kind else 'left as they were'}: {count} x {type_}: {reason}"
    yield from (f"warning: {warning}" for warning in report.warnings)
    yield from _execution_lines(report)
    yield from _output_lines(report)
    yield time_line(report.seconds, report.results, {})


def _execution_lines(report: CompressionReport) -> Iterable[str]:
    kept, folded = report.check.kept, report.check.folded
    if not kept and not folded:
        yield f"not verified: this machine has no {report.device}"
        return
    total = len(kept) + len(folded)
    yield f"the execution graph shows compressed weights in {len(kept)} of {total} layers"
    for name, read in folded:
        yield f"planned compressed, but the device makes floats of it: '{name}' reads {read}"


def _output_lines(report: CompressionReport) -> Iterable[str]:
    if report.check.outputs is None:
        yield f"the outputs were not compared: give {worded('--data SOURCE', 'data')} (9 samples or more)"
        return
    yield f"output SQNR on {counted(report.held_out, 'held-out samples')}, activations in float:"
    by_default = report.check.outputs_by_default or report.check.outputs
    for each, default in zip(report.check.outputs, by_default, strict=True):
        yield f"  {each.name}: {agreement_line(each)}"
        yield from _by_default(each, default)


def _by_default(exact: Agreement, default: Agreement) -> Iterable[str]:
    """What the runtime's default costs, if it costs anything."""
    if exact.sqnr - default.sqnr >= 0.05:
        yield (
            f"  {exact.name}: {decibels(default.sqnr)} with the runtime's default, which also rounds activations in "
            "front of weights with scales for 32 or more (DYNAMIC_QUANTIZATION_GROUP_SIZE=0 switches that off)"
        )
