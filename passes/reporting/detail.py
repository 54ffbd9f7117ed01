"""How much a report measures."""

from enum import StrEnum


class Detail(StrEnum):
    """How much a report measures.

    Attributes:
        BRIEF: As much as fits into about the time of the run itself.
        FULL: The sensitivity of each rounded operation, more close-ups, and latency in all modes.
    """

    BRIEF = "brief"
    FULL = "full"
