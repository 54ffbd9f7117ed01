"""Which constants of 32 bits had 16 bits in the model, so that those that stay float are stored in 16 bits again."""

from ...ir import Node, Scope

#: Constants, by body and id.
Halves = set[tuple[Scope, int]]


def pass_on(old: Node, new: Node, halves: Halves) -> None:
    """Notes that a constant replaces another one, which may have had 16 bits.

    Args:
        old: The replaced constant.
        new: The constant in its place.
        halves: The constants that had 16 bits; changed.
    """
    if (old.graph.scope, old.id) in halves:
        halves.add((new.graph.scope, new.id))
