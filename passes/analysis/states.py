"""Finds what depends on the first value of a state: a sample of one step sees no other.

A network that runs step by step reads a state (ReadValue) and writes the next one (Assign). States are reset in front
of each sample. So if samples are single steps, ranges behind a state say nothing about later steps. A cache that starts
empty holds nothing but data of the sample itself: whatever is behind it was measured.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ...ir import DYNAMIC, Graph, Node, OutPort
from ...ir.port_maps import inputs_of_body
from ...ir.spelling import worded
from .caches import origin
from .constants import SHAPE_READERS
from .image_findings import DataMistake

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
    reads = (node for each in graph.walk() for node in each.nodes("ReadValue") if not _shows_all(node))
    return list(dict.fromkeys(map(state_of, reads)))


def first_steps_only(states: Sequence[str]) -> tuple[DataMistake, ...]:
    """What is wrong if states had no value but their first one in all samples.

    Args:
        states: Them.
    """
    if not states:
        return ()
    found = f"each sample is a single step, and state '{states[0]}' has its first value in all of them"
    return (DataMistake(found, to_give_sequences()),)


def to_give_sequences() -> str:
    """What to do about samples of single steps."""
    return worded(
        "give sequences (docs/recipes/step_by_step.md); --sequences if the samples in their order are the steps of one",
        "give sequences, which are lists of steps: [[step, step, ...], ...] (docs/recipes/step_by_step.md)",
    )


def behind_first_values(graph: Graph, given: Mapping[OutPort, str] = MappingProxyType({})) -> Mapping[OutPort, str]:
    """The tensors that depend on the first value of a state, also those in bodies, and that state.

    What a loop carries from one iteration to the next has other values than its first one, also in a single step.

    Args:
        graph: The model, or a body.
        given: For a body, its inputs that depend on such a state.
    """
    found = dict(given)
    for node in graph.nodes():
        if node.type in SHAPE_READERS:
            continue
        reads = state_of(node) if node.type == "ReadValue" and not _shows_all(node) else ""
        state = reads
        for tag, body in node.bodies.items():
            read = [each for each in inputs_of_body(node, tag) if not each[-1] and each[0] in found]
            inside = behind_first_values(body, {end.output(): found[outer] for outer, end, _ in read})
            found |= inside
            state = state or next(iter(inside.values()), "")
        if not node.bodies:
            state = state or next((found[port.source] for port in node.inputs if port.source in found), "")
        found |= dict.fromkeys(node.outputs if state else [], state)
    return found


def _shows_all(node: Node) -> bool:
    """Whether a single step shows what a state holds: it starts empty, or is never given another value."""
    writes = (each for each in node.graph.nodes("Assign") if state_of(each) == state_of(node))
    return _starts_empty(node) or any(origin(each.source().node) == node for each in writes)


def _starts_empty(node: Node) -> bool:
    """Whether a state begins as an array without elements, to which data are appended.

    Without an initial value, unknown sizes begin as 0. The sizes of an initial value that is computed may be unknown:
    then it is taken for empty if data are appended to it along an unknown size.
    """
    first = node.source().shape if node.inputs else node.output().shape
    return 0 in first or (DYNAMIC in first and (not node.inputs or _is_appended_to(node)))


def _is_appended_to(read: Node) -> bool:
    joins = (
        each for each in read.graph.nodes("Concat") if each.output().shape[int(each.attributes["axis"])] == DYNAMIC
    )
    return any(origin(port.source.node) == read for each in joins for port in each.inputs)
