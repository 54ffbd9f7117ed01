"""The warnings of a report about the model and the options: tests often have few samples, which is told, too."""

from irquant.passes import Report


def beside_data(report: Report) -> tuple[str, ...]:
    """The warnings but those about the data."""
    return tuple(each for each in report.warnings if each not in report.data.warnings)
