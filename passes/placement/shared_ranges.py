"""FakeQuantizes that share one range, and whether they need to.

Readers that agree on how a tensor is rounded read one FakeQuantize. If an operation ties this tensor to others (Concat
joins them, for instance), all its readers get the common range, those that do not need it, too, and several operations
become tied to one another. A second FakeQuantize at the tensor frees them.

*Bound* readers are those that must have the same range whatever FakeQuantizes are added: ports that one operation ties,
and ports of one tensor that no operation ties to others.
"""

from collections import Counter
from dataclasses import replace

from ...ir import InPort
from ..analysis.constants import SHAPE_READERS
from ..analysis.disjoint_sets import DisjointSets
from .plan import Plan, Site, edges_above


def bound_readers(plan: Plan) -> DisjointSets[InPort]:
    """The quantized edges of FakeQuantizes with a shared range, as sets of bound ones."""
    sites = [site for site in plan.sites if site.group is not None]
    edges = {port: site for site in sites for port in site.consumers}
    all_edges = {port for site in plan.sites for port in site.consumers}
    sets, tied = DisjointSets(edges), set[InPort]()
    for node in plan.tied:
        above = [port for port in edges_above(node.inputs, all_edges, plan.moved) if port in edges]
        sets.join(above)
        tied.update(above)
    for site in sites:
        readers = [port for port in site.consumers if port.node.type not in SHAPE_READERS]
        sets.join(site.consumers if site.is_constant else [port for port in readers if port not in tied])
        sets.join([*readers[:1], *(port for port in site.consumers if port not in readers)])  # shapes have no range
    return sets


def divided(plan: Plan, sets: DisjointSets[InPort]) -> Plan:
    """The plan in which readers of different sets read different FakeQuantizes.

    Args:
        plan: The plan.
        sets: The edges of all FakeQuantizes that share a range; one range for each set.
    """
    names = {site.name for site in plan.sites}
    sites: list[Site] = []
    roots: list[InPort | None] = []
    for site in plan.sites:
        parts: dict[InPort | None, list[InPort]] = {}
        for port in site.consumers:
            parts.setdefault(None if site.group is None else sets.root(port), []).append(port)
        for index, (root, ports) in enumerate(parts.items()):
            name = _name(ports[0], names) if index else site.name
            sites.append(replace(site, name=name, consumers=tuple(ports)))
            roots.append(root)
    sizes = Counter(roots)
    numbers = {root: number for number, root in enumerate(sizes)}
    groups = [None if root is None or sizes[root] == 1 else numbers[root] for root in roots]
    return replace(plan, sites=tuple(replace(each, group=group) for each, group in zip(sites, groups, strict=True)))


def divisible(plan: Plan, sets: DisjointSets[InPort]) -> list[tuple[Site, list[InPort]]]:
    """The FakeQuantizes whose readers are in several sets, and a reader of each set."""
    shared = [site for site in plan.sites if site.group is not None]
    found = ((site, list({sets.root(port): port for port in site.consumers}.values())) for site in shared)
    return [(site, readers) for site, readers in found if len(readers) > 1]


def _name(port: InPort, names: set[str]) -> str:
    """A name for the FakeQuantize of an input; it is added to those that are given away."""
    base = f"{port.node.name}/fq_input_{port.index}"
    name, number = port.node.graph.unique_name(base), 0
    while name in names:  # layers may share a friendly name
        number += 1
        name = port.node.graph.unique_name(f"{base}_{number}")
    names.add(name)
    return name
