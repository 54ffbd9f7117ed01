"""Runs a list of passes; refuses a list that cannot work."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from ...ir import Graph, IRError, UserError
from ..runtime.core import RuntimeRejectedError
from ..runtime.probe import contradiction, is_accepted
from ..statistics.request import QUANTILES, Request
from .base import Context, Fact, Pass, PassFailure, PassResult, RequirementError, Results
from .checked_passes import checked_passes
from .internal_errors import pass_failure, refuse_result

if TYPE_CHECKING:  # most runs watch no pass
    from .instruments import Instrument

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PassManager:
    """An explicit list of passes.

    Attributes:
        passes: The passes, in the order in which they run.
        instruments: The instruments that watch them.
        given: The facts that hold for the graph before the first pass.

    Raises:
        ConfigError: on construction, if one of them is no pass.
        RequirementError: on construction, if a pass requires facts that no pass before it establishes.
    """

    passes: Sequence[Pass]
    instruments: "Sequence[Instrument]" = ()
    given: frozenset[Fact] = frozenset()

    def __post_init__(self) -> None:
        checked_passes(self.passes)
        holds, dropped = self.given, dict[Fact, Pass]()
        for index, pass_ in enumerate(self.passes):
            if missing := pass_.requires - holds:
                raise _unmet(pass_, missing, dropped, self.passes[:index])
            after = facts_after(pass_, holds)
            dropped |= dict.fromkeys(holds - after, pass_)
            holds = after

    def run(self, graph: Graph, context: Context) -> Results:
        """Runs the passes in order on `graph`, in place. Returns the results by name, in order; repeats add up.

        Raises:
            UserError: a pass raised it.
            PassFailure: a pass failed in another way, with the cause: an `InternalError` if it is irquant's, else a
                `PipelineError`.
        """
        results: dict[str, PassResult] = {}
        for index, pass_ in enumerate(self.passes):
            if Fact.MEASURED in pass_.establishes:
                context.wanted, context.readers = self._wanted(index, graph, context), self._readers(index)
            start = time.perf_counter()
            changes = self._run_one(pass_, graph, context, list(results))
            done = PassResult(changes, time.perf_counter() - start)
            results[pass_.name] = done + results.get(pass_.name, PassResult(0, 0.0))
            _log_done(pass_, done, context)
        return results

    def prepare(self, graph: Graph, context: Context) -> frozenset[Request]:
        """Runs the passes before the first that measures, in place; returns the requests to measure."""
        index = next(index for index, pass_ in enumerate(self.passes) if Fact.MEASURED in pass_.establishes)
        for pass_ in self.passes[:index]:
            pass_.run(graph, context)
        return self._requests(index, graph, context)

    def _wanted(self, index: int, graph: Graph, context: Context) -> frozenset[Request]:
        """The requests of all passes up to the next one that measures, for the options of `also_for`, too."""
        wanted = self._requests(index, graph, context)
        for target, config in context.also_for:
            requests = self.prepare(graph.copy(), replace(context, target=target, config=config))
            wanted |= {each for each in requests if _is_measurable(each, graph)}
        return wanted

    def _requests(self, index: int, graph: Graph, context: Context) -> frozenset[Request]:
        return frozenset[Request]().union(*(each.requests(graph, context) for each in self._readers(index)))

    def _readers(self, index: int) -> list[Pass]:
        """The passes up to the next one that measures."""
        return list(takewhile(lambda each: Fact.MEASURED not in each.establishes, self.passes[index + 1 :]))

    def _run_one(self, pass_: Pass, graph: Graph, context: Context, done: list[str]) -> int:
        with ExitStack() as stack:
            for instrument in self.instruments:
                stack.enter_context(instrument.around(pass_, graph))
            try:
                changes = pass_.run(graph, context)
            except Exception as error:
                if not self._has_failed(error, graph, done):
                    raise
                if isinstance(error, RuntimeRejectedError) and (wrong := contradiction(graph)):
                    raise RuntimeRejectedError(wrong) from error
                raise pass_failure(pass_, error) from error
        refuse_result(pass_, changes)
        return changes

    def _has_failed(self, error: Exception, graph: Graph, done: Sequence[str]) -> bool:
        """Whether the pass caused an error, and not the user's input.

        The reader has checked the model: an edit that the graph refuses later is wrong. If the runtime has run the
        model, or accepts it, then a refusal is due to the pass.
        """
        if isinstance(error, RuntimeRejectedError):
            measured = any(Fact.MEASURED in pass_.establishes for pass_ in self.passes if pass_.name in done)
            return measured or is_accepted(graph)
        if isinstance(error, PassFailure):  # of a pass inside
            return False
        return type(error) is IRError or not isinstance(error, (UserError, MemoryError))


def _log_done(pass_: Pass, done: PassResult, context: Context) -> None:
    """Logs what a pass did; one that changed nothing is of interest to people who look for a fault only."""
    if Fact.MEASURED in pass_.establishes:
        _log.info("%s: samples: %d, %.3f s", pass_.name, context.statistics.samples, done.seconds)
    else:
        level = logging.INFO if done.changes else logging.DEBUG
        _log.log(level, "%s: changes: %d, %.3f s", pass_.name, done.changes, done.seconds)


def _unmet(
    pass_: Pass, missing: frozenset[Fact], dropped: Mapping[Fact, Pass], before: Sequence[Pass]
) -> RequirementError:
    """The error of a pass that cannot stand where it is: no pass establishes a fact, or one drops it again."""
    if never := missing - dropped.keys():
        names = ", ".join(sorted(never))
        return RequirementError(f"'{pass_.name}' requires {names}: no pass before it establishes that", never)
    last = max((dropped[fact] for fact in missing), key=lambda each: [*map(id, before)].index(id(each)))
    lost = frozenset(fact for fact in missing if dropped[fact] is last)
    sources = dict.fromkeys(f"'{each.name}'" for each in before if each.establishes & lost)
    again = f", or repeat {' and '.join(sources)} behind it" if sources else ""
    put = f"put '{pass_.name}' in front of '{last.name}'{again}"
    message = f"'{pass_.name}' requires {', '.join(sorted(lost))}, which '{last.name}' drops: {put}"
    return RequirementError(message, lost, last.name)


def facts_after(pass_: Pass, before: frozenset[Fact]) -> frozenset[Fact]:
    """The facts that hold after a pass; AS_MEASURED says something of statistics, and never holds without MEASURED."""
    after = (before - pass_.drops) | pass_.establishes
    return after if Fact.MEASURED in after else after - {Fact.AS_MEASURED}


def _is_measurable(wanted: Request, graph: Graph) -> bool:
    """Whether the current model has the tensor; quantiles from bodies may not be measurable at all."""
    return graph.body_at(wanted.scope).has(wanted.node) and not (wanted.scope and wanted.reduction in QUANTILES)
