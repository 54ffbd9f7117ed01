"""What readers of floats leave of a constant beside its 8-bit codes: the whole, parts of it, or nothing."""

import math
from collections.abc import Collection

from ..ir import DYNAMIC, InPort, OutPort
from .constants import SHAPE_READERS, constant_nodes, values_of


def parts_wanted(tensor: OutPort, codes: Collection[InPort] = ()) -> list[OutPort] | None:
    """What has to be stored in floats of a constant for those who read no codes.

    Args:
        tensor: The constant.
        codes: The readers that take codes.

    Returns:
        Tensors that are computed from it and other constants, and smaller together than it is; none if nobody needs
        floats; None if the whole has to stay.
    """
    waiting = [port for port in tensor.consumers if port not in codes and port.node.type not in SHAPE_READERS]
    if not waiting:
        return []
    if tensor.node.graph.scope:  # the runtime, which computes them, sees no body alone
        return None
    constants, found = constant_nodes(tensor.node.graph), dict[OutPort, None]()
    while waiting:
        port = waiting.pop(0)
        if port.node in constants:
            waiting += [reader for output in port.node.outputs for reader in output.consumers]
        elif port.source == tensor:
            return None
        else:
            found[port.source] = None
    is_smaller = all(DYNAMIC not in part.shape for part in found) and sum(map(_bits, found)) < _bits(tensor)
    return list(found) if is_smaller else None


def store_parts(parts: list[OutPort]) -> list[OutPort]:
    """Puts constants in the place of tensors that are computed from constants."""
    stored: list[OutPort] = []
    for part, value in zip(parts, values_of(parts), strict=True) if parts else ():
        graph, node = part.node.graph, part.node
        constant = graph.add_constant(f"{node.name}/part", value, near=part.consumers[0].node).output()
        part.redirect(constant)
        graph.prune(node)
        stored.append(constant)
    return stored


def _bits(tensor: OutPort) -> int:
    return math.prod(tensor.shape) * tensor.element_type.bits
