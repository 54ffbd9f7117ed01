"""Inserts a FakeQuantize at each tensor that the plan quantizes."""

from dataclasses import dataclass, replace
from typing import ClassVar

from ...ir import Builder, Graph
from ..infra.base import Context, Fact, Pass
from ..placement.float_sums import float_sums


@dataclass(frozen=True)
class InsertFakeQuantize(Pass):
    """Inserts the FakeQuantizes of the plan.

    Given::                              Result::

        conv = Convolution(x, w)             conv/fq_input_0 = FakeQuantize(x) levels=256
                                             conv/fq_weights_1 = FakeQuantize(w) levels=255
                                             conv = Convolution(conv/fq_input_0, conv/fq_weights_1)

    They have no ranges yet, and therefore only the data input; `set-ranges` adds the others. The plan first notes which
    sums of int8 results stay float: the readers of a sum decide it, and FakeQuantizes must not be among them.
    """

    name: ClassVar[str] = "insert-fake-quantize"
    requires: ClassVar[frozenset[Fact]] = frozenset({Fact.PLANNED})
    establishes: ClassVar[frozenset[Fact]] = frozenset({Fact.FAKE_QUANTIZED})
    drops: ClassVar[frozenset[Fact]] = frozenset({Fact.NORMALIZED})

    def run(self, graph: Graph, context: Context) -> int:
        """Inserts the missing ones."""
        present = {node.name for each in graph.walk() for node in each.in_file_order("FakeQuantize")}
        sites = [site for site in context.plan.sites if site.name not in present]
        if sites:
            context.plan = replace(context.plan, float_sums=float_sums(graph, context.plan, context.target))
        for site in sites:
            build = Builder(site.source.node.graph, site.consumers[0].node)
            fake_quantize = build.fake_quantize(site.source, levels=site.levels, name=site.name)
            site.source.redirect(fake_quantize, only=site.consumers)
        return len(sites)
