"""What seamount ranges prints: one artifact register by register, several in a row each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seamount.cli.console import out, table
from seamount.compiler.program.program import Program
from seamount.compiler.ranges.proof import (
    CERTAIN,
    LIMITS,
    PROVEN,
    WITNESSED,
    PopulationRange,
    Ranges,
    exact_in_float32,
)
from seamount.compiler.ranges.remedies import Remedy
from seamount.compiler.ranges.witness import Witness


@dataclass(frozen=True, eq=False)
class Answer:
    """What is known of one artifact. mends: remedies per population; seen: witnesses, where they were searched."""

    path: Path
    program: Program
    found: Ranges
    mends: Mapping[str, tuple[Remedy, ...]]
    seen: Mapping[tuple[str, str], Witness]
    searched: bool

    def verdict(self, p: PopulationRange, register: str) -> str:
        """A find is news only of a register that was not certain to overflow."""
        verdict = p.verdict(register)
        return WITNESSED if verdict != CERTAIN and (p.name, register) in self.seen else verdict

    def kinds(self, name: str) -> str:
        """The kinds of remedies that make a population proven, e.g. "scale, decay"."""
        return ", ".join(m.kind for m in self.mends[name]) or "none found"


def open_registers(found: Ranges) -> list[tuple[str, str]]:
    """(population, register) of everything that is not proven."""
    return [(p.name, r) for p in found.populations.values() for r in "uv" if p.verdict(r) != PROVEN]


def overview(answers: Sequence[Answer]) -> None:
    """A row for each artifact that is proven, else for each of its registers that is not; how many are proven."""
    columns = ("artifact", "verdict", "population", "register", "remedy", "neurons", "would need")
    table(_title(answers[0].found), columns, (row for a in answers for row in _overview_rows(a)), left=5)
    proven = sum(a.found.proven for a in answers)
    out.print(f"proven: {proven} of {len(answers)} artifacts", markup=False)


def _overview_rows(answer: Answer) -> Iterable[tuple[str, ...]]:
    if answer.found.proven:
        yield str(answer.path), PROVEN, "", "", "", "", ""
    for name, register in open_registers(answer.found):
        p = answer.found.populations[name]
        over, ends = p.overflows(register), "{} .. {}".format(*p.demand(register).ends)
        count = f"{int(over.sum())} of {over.size}"
        yield str(answer.path), answer.verdict(p, register), name, register, answer.kinds(name), count, ends


def _title(found: Ranges) -> str:
    length = "any length" if found.steps is None else f"at most {found.steps} step{'s' * (found.steps > 1)}"
    return f"ranges, all messages, samples of {length}"


def show(answer: Answer) -> None:
    """Every register of one artifact, and of those that are not proven what can happen where, and what helps."""
    program, found = answer.program, answer.found
    columns = ("population", "register", "verdict", "remedy", "takes values", "would need", "limit")
    table(_title(found), columns, _rows(answer), left=4)
    for name, register in open_registers(found):
        for line in _explained(answer, name, register):
            out.print(line, markup=False, soft_wrap=True)
        out.print()
    quiet = [
        f"'{p.name}' {silent} of {p.size}"
        for p in program.populations
        if p.fires and (silent := p.size - int(found.populations[p.name].fires.sum()))
    ]
    if quiet:
        out.print(f"neurons that can never fire: {', '.join(quiet)}", markup=False, soft_wrap=True)
    inexact = [name for name, exact in exact_in_float32(program, found).items() if not exact]
    text = f"all but {', '.join(inexact)}" if inexact else "all projections"
    out.print(f"sums exact in float32: {text}", markup=False, soft_wrap=True)
    out.print(_conclusion(found), markup=False)


def _conclusion(found: Ranges) -> str:
    left = open_registers(found)
    if not left:
        return "proven: no register can overflow"
    certain = sum(found.populations[name].verdict(register) == CERTAIN for name, register in left)
    text = f"not proven: {len(left)} register{'s' * (len(left) > 1)}"
    return f"{text}, {certain} of them certain to overflow" if certain else text


def _rows(answer: Answer) -> Iterable[tuple[object, ...]]:
    for p in answer.found.populations.values():
        for register in "auv":
            verdict = answer.verdict(p, register)
            remedy = "" if verdict == PROVEN else answer.kinds(p.name)
            ends = (p.held(register).ends, p.demand(register).ends, LIMITS[register])
            yield (p.name, register, verdict, remedy, *(f"{low} .. {high}" for low, high in ends))


def _explained(answer: Answer, name: str, register: str) -> Iterable[str]:
    """What can happen to one register, where, and what helps."""
    program, found, mends = answer.program, answer.found, answer.mends[name]
    p = found.populations[name]
    way = "wrap" if register == "u" else "saturate"
    over, certain = p.overflows(register), p.certain(register)
    low, high = LIMITS[register]
    yield f"'{p.name}' {register} may {way} in {int(over.sum())} of {over.size} neurons; it holds {low} .. {high}"
    wanted = p.demand(register)
    for i in p.worst(register):
        place = _index(program, p.name, i)
        when = f"; {way}s in step {p.since[register][i]} whatever arrives" if certain[i] else ""
        yield f"  neuron {place}: {int(wanted.low[i])} .. {int(wanted.high[i])}{when}"
    if certain.any():
        n, length = int(certain.sum()), found.steps or program.steps
        yield f"  certain for {n} neuron{'s' * (n > 1)} in every sample of {length} step{'s' * (length > 1)}"
    witness = answer.seen.get((name, register))
    if witness is not None:
        place = _index(program, p.name, witness.neuron)
        yield f"  witnessed: neuron {place} reaches {witness.value} in step {witness.step} of a sample"
    elif answer.searched and not certain.any():
        yield "  no witness found; that does not prove that there is none"
    for remedy in mends:
        yield f"  proven after: {remedy.text}"
    if not mends:
        yield "  no scale, decay or length makes it proven"


def _index(program: Program, name: str, neuron: int) -> str:
    index = np.unravel_index(neuron, program.shapes[name])
    return "[" + ",".join(str(int(i)) for i in index) + "]"
