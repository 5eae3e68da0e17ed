"""nir.NIRGraph to Graph: the one place where NIR is understood, whatever wrote it.

Order: flatten nested graphs, check every field, turn Delay nodes into edges, close cycles, then walk from the inputs
with shapes of our own (nir 1.0.8 errs for non-square kernels and groups) and import each node. All problems and all
open questions about conventions are raised together.
"""

from __future__ import annotations

import math
from dataclasses import replace

import nir
import numpy as np

from seamount.compiler.errors import CompileError, ImportRefused, Problem
from seamount.compiler.ir.graph import Graph, Node
from seamount.compiler.ir.notes import AxisDiffers, AxisDropped, EdgesDelayed
from seamount.compiler.ir.ops import Input, Op, Output, Shape
from seamount.compiler.ir.shapes import output_shape
from seamount.frontends.conventions import Meaning
from seamount.frontends.examined import Examined
from seamount.frontends.nir.flatten import Net, bypass, cut_off, flatten
from seamount.frontends.nir.gains import with_true_gains
from seamount.frontends.nir.linear import LINEAR, WEIGHTS, rank_taken
from seamount.frontends.nir.log import Log, Site
from seamount.frontends.nir.neurons import NEURONS
from seamount.frontends.nir.parameters import fitted
from seamount.frontends.nir.recurrence import close_cycles
from seamount.frontends.nir.schema import Fields, canonical, raw_fields

_LAYER_LIMIT = 2**28
"""Entries of a layer; 256 times the neurons of a Loihi 2 chip."""

_LONGEST_DELAY = 2**16


def from_nir(graph: nir.NIRGraph, meaning: Meaning, *, steps: int | None = None) -> Graph:
    """The graph that a NIR graph means under the given conventions. `steps` overrides the meaning's.

    Node names are NIR's, `outer.inner` for nested graphs. Notes hold every convention that mattered, with its
    source. Raises ImportRefused: broken structure, unusable fields, unconnected nodes, shapes that do not fit,
    neurons outside what Loihi can do, and a question for every convention that is needed and unknown.
    """
    return _build(graph, meaning, steps, Log(meaning))


def examine(graph: nir.NIRGraph, meaning: Meaning) -> Examined:
    """As from_nir, but nothing is raised for what a file may hold: problems and conventions side by side."""
    log = Log(meaning)
    found: Graph | None = None
    raised: tuple[Problem, ...] = ()
    try:
        found = _build(graph, meaning, None, log)
    except ImportRefused as refused:
        raised = refused.problems
    problems = dict.fromkeys([*log.problems, *raised, *log.questions()])
    return Examined(found, tuple(problems), log.assumed(), log.notes())


def _build(graph: nir.NIRGraph, meaning: Meaning, steps: int | None, log: Log) -> Graph:
    _check_conventions(meaning, steps, log)
    net = flatten(graph)
    for name in sorted(set(meaning.nodes) - set(net.nodes)):
        log.refuse(f"node '{name}'", "has conventions but is not in the graph", "remove them, or correct the name")
    fields = _fields(net, log)
    for name, why in cut_off(net):
        log.refuse(f"node '{name}'", why, "export the network again without it, or connect it")
    if len(fields) < len(net.nodes):
        log.finish()
    _remove_delays(net, fields, meaning, log)
    cyclic = close_cycles(net, log)
    ops = _Walk(net, fields, meaning, log, cyclic).ops()
    lasting = log.network("steps", steps if steps is not None else meaning.default.steps)
    notes = log.finish()
    nodes = tuple(Node(name, ops[name], (name,)) for name in net.nodes)
    result = Graph(nodes, tuple(net.edges), lasting, notes)
    return replace(result, nodes=result.order)


def _check_conventions(meaning: Meaning, steps: int | None, log: Log) -> None:
    """Raises for values that no network can have; what is missing is asked for where it matters."""
    if steps is not None and steps < 1:
        log.refuse("conventions", f"{steps} steps per sample", "give at least one step")
    for where, c in (("conventions", meaning.default), *((f"node '{k}'", v) for k, v in meaning.nodes.items())):
        if c.dt is not None and not 0 < c.dt < math.inf:
            log.refuse(where, f"dt = {c.dt:g} is not a positive time", "give the step in the time constants' unit")
        if c.steps is not None and c.steps < 1:
            log.refuse(where, f"{c.steps} steps per sample", "give at least one step")
        if c.low is not None and c.high is not None and not -math.inf < c.low < c.high < math.inf:
            log.refuse(where, f"graded input in [{c.low:g}, {c.high:g}]", "give finite values, low below high")
    if log.problems:
        log.finish()


def _fields(net: Net, log: Log) -> dict[str, Fields]:
    """Checked fields of every node that has no fault."""
    result = {}
    for name, node in net.nodes.items():
        kind = type(node).__name__
        fields, faults = canonical(kind, raw_fields(node))
        for fault in faults:
            log.refuse(f"node '{name}' ({kind})", fault.found, fault.remedy)
        if not faults:
            result[name] = fields
    return result


def _remove_delays(net: Net, fields: dict[str, Fields], meaning: Meaning, log: Log) -> None:
    """Delay nodes become delays of edges, in whole steps."""
    for name in [n for n, node in net.nodes.items() if isinstance(node, nir.Delay)]:
        site = Site(name, "Delay", fields[name], conventions=meaning.of(name))
        dt, delay = log.value(site, "dt"), site.fields["delay"].ravel()
        with np.errstate(over="ignore"):
            steps = np.clip(delay / dt, -1.0, _LONGEST_DELAY + 1.0) if dt else np.ones(1, np.float64)
        whole = round(float(steps[0]))
        if abs(steps - whole).max() > 1e-3 or not 0 <= whole <= _LONGEST_DELAY:
            found = f"delays of {delay.min():g} to {delay.max():g} are not one whole number of steps of dt = {dt}"
            log.refuse(
                site.where, found, "use one delay per connection, a multiple of dt", f"0 to {_LONGEST_DELAY} steps"
            )
            whole = 1
        else:
            log.note(EdgesDelayed(site.where, whole, _pairs(net, name)))
        bypass(net, name, whole)
        del fields[name]


def _pairs(net: Net, name: str) -> tuple[tuple[str, str], ...]:
    return tuple((a.source, b.target) for a in net.into(name) for b in net.out_of(name))[:4]


class _Walk:
    """Imports nodes in the order in which their input shapes become known."""

    def __init__(self, net: Net, fields: dict[str, Fields], meaning: Meaning, log: Log, cyclic: frozenset[str]) -> None:
        self.net, self.fields, self.meaning, self.log, self.cyclic = net, fields, meaning, log, cyclic
        self._shapes: dict[str, Shape] = {}
        self._ops: dict[str, Op] = {}

    def ops(self) -> dict[str, Op]:
        """Every node's op; incomplete when the log holds problems or questions."""
        waiting = [n for n, node in self.net.nodes.items() if isinstance(node, nir.Input)]
        taken: dict[str, Shape] = dict.fromkeys(waiting, ())
        while waiting:
            name = waiting.pop(0)
            shape = self._visit(name, taken[name])
            if shape is None:
                continue
            self._shapes[name] = shape
            for edge in self.net.out_of(name):
                if edge.target not in taken:
                    taken[edge.target] = shape
                    waiting.append(edge.target)
        self._check_sums()
        return self._ops

    def _visit(self, name: str, shape: Shape) -> Shape | None:
        """Import a node whose input has `shape`; the shape of its output, where that is known."""
        site = self._site(name, shape)
        op = self._import(site)
        if op is not None:
            self._ops[name] = op
        if isinstance(op, Input):
            return op.shape
        if site.kind in NEURONS or op is None:
            return shape if site.kind in NEURONS else None
        try:
            out = output_shape(op, shape, site.where)
        except CompileError as error:
            self.log.problems += error.problems
            return None
        if math.prod(out) > _LAYER_LIMIT:
            found = f"its output {out} has {math.prod(out):,} entries"
            self.log.refuse(site.where, found, "check its shape and padding", f"{_LAYER_LIMIT:,} entries")
            return None
        return out

    def _import(self, site: Site) -> Op | None:
        if site.kind in NEURONS or site.kind == "Scale":
            p = fitted(site.where, site.fields, site.shape, self.log)
            if p is None:
                return None
            site = with_true_gains(replace(site, fields=p), self.log)
        importers = {**LINEAR, **NEURONS, "Input": _input, "Output": _output}
        return importers[site.kind](site, self.log)

    def _site(self, name: str, shape: Shape) -> Site:
        sources = self.net.into(name)
        after_linear = all(e.delay == 0 and self._kind(e.source) in WEIGHTS for e in sources)
        ranks = {rank_taken(self._kind(e.target), self.fields[e.target]) for e in self.net.out_of(name)}
        return Site(
            name,
            self._kind(name),
            self.fields[name],
            shape,
            self.meaning.of(name),
            name in self.cyclic,
            bool(sources) and after_linear,
            frozenset(r for r in ranks if r is not None),
        )

    def _kind(self, name: str) -> str:
        return type(self.net.nodes[name]).__name__

    def _check_sums(self) -> None:
        for name in self.net.nodes:
            arriving = {self._shapes[e.source]: e.source for e in self.net.into(name) if e.source in self._shapes}
            if len(arriving) > 1:
                found = " and ".join(f"{s} from '{source}'" for s, source in sorted(arriving.items()))
                self.log.refuse(f"node '{name}'", f"sums {found}", "give all its sources one shape")


def _input(site: Site, log: Log) -> Op | None:
    """x[t] from the host. Leading and trailing axes of 1 are dropped when all consumers take fewer axes."""
    shape: Shape = site.fields["shape"]
    while len(site.ranks) == 1 and len(shape) > min(site.ranks) and 1 in (shape[0], shape[-1]):
        trailing = shape[0] != 1
        log.note(AxisDropped(site.where, "shape", shape, trailing))
        shape = shape[:-1] if trailing else shape[1:]
    coding = log.value(site, "coding")
    if math.prod(shape) > _LAYER_LIMIT:
        log.refuse(site.where, f"has {math.prod(shape):,} entries", "check its shape", f"{_LAYER_LIMIT:,} entries")
        return None
    if coding != "graded":
        return Input(shape)
    low, high = log.value(site, "low"), log.value(site, "high")
    return Input(shape) if low is None or high is None else Input(shape, "graded", low, high)


def _bare(shape: Shape) -> Shape:
    """The shape without leading and trailing axes of length 1."""
    inner = [k for k, n in enumerate(shape) if n != 1]
    return shape[inner[0] : inner[-1] + 1] if inner else ()


def _output(site: Site, log: Log) -> Op | None:
    """The rule over steps; its declared shape must be the one that arrives."""
    declared = site.fields["shape"]
    if declared is not None and declared != site.shape:
        if _bare(declared) != _bare(site.shape):
            found = f"declares shape {declared} but receives {site.shape}"
            log.refuse(site.where, found, "check that no layer was lost in the export, or correct the shape")
        else:
            leading = declared in ((1, *site.shape), site.shape[1:])
            log.note(AxisDiffers(site.where, declared, site.shape, leading))
    rule = log.value(site, "readout")
    return Output() if rule is None else Output(rule)


__all__ = ["Examined", "examine", "from_nir"]
