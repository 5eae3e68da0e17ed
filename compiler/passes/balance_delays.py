"""Pass balance-delays: every path within the delays that the chip has, or the network as transport alone runs it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seamount.compiler.analysis.delay_costs import carries_payload, price_of_delay, relays_for
from seamount.compiler.analysis.delays import Path, Timing, layers_of, paths, smallest_offsets, timing
from seamount.compiler.analysis.transport import bare_lags
from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Edge, Graph
from seamount.compiler.ir.notes import Note, Relayed, RelayPrice, SlowedDown, Unbalanced
from seamount.compiler.ir.properties import LINEAR_FOLDED, QUANTIZED, SHAPES_KNOWN
from seamount.compiler.ir.shapes import size
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.relays import insert_relays


@dataclass(frozen=True)
class BalanceDelays(Pass):
    """Make paths of unequal depth meet in the step in which they met in training: delays, and relays beyond them.

    delay = k_target - k_source - 1 + slow_down * lag, for the smallest offsets k that keep every delay within
    `delay_max`. Where there are none, a chain of relays carries a source's spikes on: populations of its size that
    send in their own step t what the source sent in step t. The network means the same, spike for spike.

    Handles: branches of any depth, loops, trained delays; all late targets of a source share one chain.
    Refuses: loops longer than their lag; graded messages that would need a relay, which carries no payload
             (CompileError).
    Notes:   what each delay and each chain costs, and what relays would cost in place of long delays.
    Error:   none. With `balance` off the network is another one: nothing waits, and what comes over a longer path is
             late (analysis/transport.py). The edges then carry those lags, so that the float meaning of the graph and
             the integers agree on what that network does, and a note says that it is not the trained one.
    """

    delay_max: int = 62
    balance: bool = True
    slow_down: int = 1
    relay_bits: int = 1
    accumulators: int | None = None
    delay_bits: int = 3

    name = "balance-delays"
    requires = frozenset({SHAPES_KNOWN, LINEAR_FOLDED, QUANTIZED})

    def __call__(self, graph: Graph) -> Graph:
        when = self._timing(graph)
        if not self.balance:
            return graph if any(isinstance(n, Unbalanced) for n in graph.notes) else _unbalanced(graph)
        late = [p for p in paths(graph) if when.delays[p.weights] > self.delay_max]
        raise_all(CompileError, [self._graded(graph, p, when) for p in late if carries_payload(graph, p.source)])
        hops: dict[str, dict[str, int]] = {}
        for p in late:
            hops.setdefault(p.source, {})[p.weights] = relays_for(when.delays[p.weights], self.delay_max)
        for source, mine in hops.items():
            if max(self._timing(graph).delays.values()) > self.delay_max:
                graph = self._through_relays(graph, source, mine)
        now = self._timing(graph)
        costly = [(p, now.delays[p.weights]) for p in paths(graph) if now.delays[p.weights]]
        notes = [price_of_delay(graph, p, delay, self.accumulators, self.delay_bits) for p, delay in costly]
        return graph.noting(*self._slowness(graph), *notes)

    def _slowness(self, graph: Graph) -> list[Note]:
        """A remark on slowing down, and on less of it where that would do."""
        if self.slow_down == 1:
            return []
        least = next(k for k in range(1, self.slow_down + 1) if smallest_offsets(layers_of(graph), paths(graph), k))
        return [SlowedDown(self.slow_down, least)]

    def _timing(self, graph: Graph) -> Timing:
        return timing(graph, self.slow_down, self.delay_max)

    def _graded(self, graph: Graph, p: Path, when: Timing) -> Problem:
        found = f"needs a delay of {when.delays[p.weights]} steps, and relays carry spikes, not graded messages"
        remedy = f"shorten the longest path to '{p.target}', or let a neuron layer turn '{p.source}' into spikes first"
        return Problem(graph[p.weights].where, found, remedy, f"delays of at most {self.delay_max} steps")

    def _through_relays(self, graph: Graph, source: str, hops: dict[str, int]) -> Graph:
        """A chain of relays behind the source; each of the weights reads it after so many hops."""
        graph, relays = insert_relays(graph, source, max(hops.values()), self.relay_bits)
        chain = (source, *relays)
        edges = tuple(
            replace(e, source=chain[hops[e.target]]) if e.source == source and e.target in hops else e
            for e in graph.edges
        )
        cost = RelayPrice(len(relays), size(graph[source].shape or ()))
        return replace(graph, edges=edges).noting(Relayed(source, tuple(sorted(hops)), self.delay_max, cost))


def _unbalanced(graph: Graph) -> Graph:
    """The graph in which every path has the lag that transport alone gives it."""
    lags, trained = bare_lags(graph), {p.weights: p.lag for p in paths(graph)}
    late = tuple((name, lag - trained[name]) for name, lag in lags.items() if lag > trained[name])
    edges = tuple(Edge(e.source, e.target, lags.get(e.target, 0 if e.source in lags else e.delay)) for e in graph.edges)
    return replace(graph, edges=edges).noting(Unbalanced(late))
