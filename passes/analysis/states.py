"""Finds what depends on the first value of a state: a sample of one step sees no other.

A network that runs step by step reads a state (ReadValue) and writes the next one (Assign). States are reset in front
of each sample. So if samples are single steps, ranges behind a state say nothing about later steps. A cache that starts
empty holds nothing but data of the sample itself: whatever is behind it was measured.
"""

from collections.abc import Mapping, Sequence

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.spelling import worded
from .constants import SHAPE_READERS

#: How the reason of a layer ends that is float since it is behind the first value of a state.
_KEPT_FIRST_VALUE = "kept its first value in calibration: give sequences"


def why_unmeasured(state: str) -> str:
    """Why a layer is float that depends on a state."""
    return f"it depends on state '{state}', which {_KEPT_FIRST_VALUE}"


def is_unmeasured(reason: str) -> bool:
    """Whether this is such a reason."""
    return reason.endswith(_KEPT_FIRST_VALUE)


def state_of(node: Node) -> str:
    """The name of the state that a node reads."""
    return node.attributes.get("variable_id", "") or node.name


def states_with_first_values(graph: Graph) -> list[str]:
    """The states that do not start empty."""
    reads = (node for each in graph.walk() for node in each.nodes("ReadValue") if not _starts_empty(node))
    return list(dict.fromkeys(map(state_of, reads)))


def first_steps_only(states: Sequence[str]) -> tuple[str, ...]:
    """A warning if states had no value but their first one in all samples.

    Args:
        states: Them.
    """
    if not states:
        return ()
    remedy = worded(
        "give sequences, or --sequences if the samples in their order are the steps of one",
        "give sequences: [[step, step, ...], ...]",
    )
    return (f"each sample is a single step, and state '{states[0]}' has its first value in all of them: {remedy}",)


def behind_first_values(graph: Graph, above: str = "") -> Mapping[OutPort, str]:
    """The tensors that depend on the first value of a state, also those in bodies, and that state.

    Args:
        graph: The model, or a body.
        above: For a body, such a state that it may depend on.
    """
    found: dict[OutPort, str] = {}
    for node in graph.nodes():
        if node.type in SHAPE_READERS:
            continue
        reads = state_of(node) if node.type == "ReadValue" and not _starts_empty(node) else ""
        state = reads or next((found[port.source] for port in node.inputs if port.source in found), above)
        for body in node.bodies.values():
            inside = behind_first_values(body, state)
            found |= inside
            state = state or next(iter(inside.values()), "")
        found |= dict.fromkeys(node.outputs if state else [], state)
    return found


def _starts_empty(node: Node) -> bool:
    """Whether a state begins as an array without elements, to which data are appended.

    Without an initial value, unknown sizes begin as 0. The sizes of an initial value that is computed may be unknown:
    then it is taken for empty if it grows along an axis besides that of samples.
    """
    first = node.source().shape if node.inputs else node.output().shape
    return 0 in first or (DYNAMIC in first[1:] if node.inputs else DYNAMIC in first)
