"""What a compilation says of overflows, and scales under which there are none: the proof asks, quantize answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from seamount.compiler.analysis.activity import Activity
from seamount.compiler.analysis.precision import precision
from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.notes import Note, OverflowPossible, Proven, ScaleLowered
from seamount.compiler.ir.ops import IntLIF
from seamount.compiler.ir.properties import QUANTIZED
from seamount.compiler.passes.base import Pipeline
from seamount.compiler.pipelines import Options, quantizing, with_data
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import Program
from seamount.compiler.ranges.proof import LIMITS, PROVEN, PopulationRange, Ranges, analyse
from seamount.compiler.ranges.remedies import largest_share, remedies
from seamount.compiler.target.target import Target

LESS = 63 / 64
"""Taken off a scale that should have done, but did not once its weights were rounded."""
REGISTERS: tuple[Literal["u", "v"], ...] = ("u", "v")
ROUNDS = 32
"""Far more than are needed: 2 or 3."""


@dataclass(frozen=True)
class ProvenScales:
    """largest: population -> largest scale it may have. notes: what was lowered and what that costs."""

    largest: Mapping[str, float]
    notes: tuple[Note, ...]


def proven_scales(
    folded: Graph, target: Target, options: Options, activity: Activity | None, pipeline: Pipeline | None = None
) -> ProvenScales:
    """The largest scales with which samples of the graph's own length cannot overflow.

    pipeline: from the folded graph to integers, by default the one of the options.
    Raises CompileError with every population that no scale helps.
    """
    pipeline = pipeline or quantizing(target, options, activity)
    largest: dict[str, float] = {}
    first: Graph | None = None
    for _ in range(ROUNDS):
        graph = with_data(pipeline, activity, largest)(folded)
        first = first or graph
        program = lower(graph, options.delay_max(target), options.slow_down)
        ranges = analyse(program, program.steps)
        if ranges.proven:
            lowered = tuple(_lowered(folded, first, graph, largest))
            return ProvenScales(largest, (*lowered, Proven(program.steps)))
        left = [p for p in ranges.populations.values() if not p.proven]
        wanted = {p.name: _scale(graph, p.name) * _share(program, p) for p in left}
        given = not QUANTIZED.violations(folded)  # then scales are as they are
        hopeless = [p for p in left if given or not _possible(graph, p.name, wanted[p.name])]
        raise_all(CompileError, [_problem(graph, program, ranges, p) for p in hopeless])
        largest |= wanted
    raise CompileError(Problem("scales", f"{ROUNDS} rounds did not suffice", "compile without --prove"))


def overflow_notes(program: Program) -> tuple[Note, ...]:
    """A remark for each register that is not proven in samples of the program's own length."""
    if analyse(program).proven:  # quicker than step by step, and seldom not enough
        return ()
    found = analyse(program, program.steps).populations.values()
    open_ = [(p, register) for p in found for register in REGISTERS if p.verdict(register) != PROVEN]
    return tuple(OverflowPossible(p.name, r, int(p.overflows(r).sum()), int(p.fires.size)) for p, r in open_)


def _share(program: Program, found: PopulationRange) -> float:
    """By how much a scale has to shrink, at least a little."""
    return min(largest_share(program.population(found.name), found, program.steps), LESS)


def _scale(graph: Graph, name: str) -> float:
    op = graph[name].op
    assert isinstance(op, IntLIF)
    return op.scale


def _possible(graph: Graph, name: str, scale: float) -> bool:
    """Whether there is a scale: where a population fires, it is its threshold, at least 1."""
    op = graph[name].op
    assert isinstance(op, IntLIF)
    return scale > 0 if op.vth is None else scale >= 1


def _problem(graph: Graph, program: Program, ranges: Ranges, found: PopulationRange) -> Problem:
    registers = [r for r in "uv" if found.overflows(r).any()]
    wanted = " and ".join("{} {} .. {}".format(r, *found.demand(r).ends) for r in registers)
    text = f"no scale keeps it from overflowing in {program.steps} steps: it would have to hold {wanted}"
    mends = [m for m in remedies(program, ranges, found.name) if m.kind != "scale"]
    others = [f"train with {m.text}" if m.kind == "decay" else m.text for m in mends]
    remedy = "; or ".join([*others, "compile without --prove"])
    limit = "; ".join("{} {} .. {}".format(r, *LIMITS[r]) for r in registers)
    return Problem(graph[found.name].where, text, remedy, limit)


def _lowered(folded: Graph, before: Graph, after: Graph, names: Iterable[str]) -> Iterator[ScaleLowered]:
    """What each lowered scale costs: the rounding of the weights into the population, relative, root mean square."""
    rows = list(zip(precision(folded, before), precision(folded, after), strict=True))
    for name in names:
        costs = tuple((a.layer, a.error, b.error) for a, b in rows if a.target == name)
        yield ScaleLowered(name, _scale(before, name), _scale(after, name), costs)
