"""Whether any register of a compiled network can overflow, proven for all inputs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact
from seamount.compiler.errors import CheckFailed, InputError, Problem, raise_all
from seamount.compiler.program.program import Program
from seamount.compiler.program.verify import check as check_program
from seamount.compiler.ranges.certain import prove
from seamount.compiler.ranges.proof import (
    CERTAIN,
    LIMITS,
    PROVEN,
    WITNESSED,
    PopulationRange,
    Ranges,
    exact_in_float32,
)
from seamount.compiler.ranges.remedies import Remedy, remedies
from seamount.compiler.ranges.witness import Witness, find_witness
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown, Table, table
from seamount.workflows.artifact import load_artifact


@dataclass(frozen=True, eq=False, repr=False)
class RangeProof(Shown):
    """What is known of one artifact, register by register, for all inputs.

    name: of the artifact. found: intervals and verdicts. mends: remedies by population. seen: messages that really
    overflow a register, where they were searched for.
    """

    name: str
    program: Program
    found: Ranges
    mends: Mapping[str, tuple[Remedy, ...]]
    seen: Mapping[tuple[str, str], Witness]
    searched: bool

    @property
    def proven(self) -> bool:
        """Whether no register can overflow."""
        return self.found.proven

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is not proven, with the smallest changes after which it is."""
        return tuple(self._problems(""))

    def named_problems(self) -> tuple[Problem, ...]:
        """The same, each with the artifact's name."""
        return tuple(self._problems(f"{self.name}: "))

    def _problems(self, before: str) -> Iterator[Problem]:
        for name, register in open_registers(self.found):
            p = self.found.populations[name]
            low, high = p.demand(register).ends
            remedy = "; or ".join(m.text for m in self.mends[name])
            certain = p.verdict(register) == CERTAIN
            how = (
                "overflows in every sample"
                if certain
                else "overflows"
                if (name, register) in self.seen
                else "may overflow"
            )
            found = f"{register} {how}: it would have to hold {low} .. {high}"
            yield Problem(f"{before}population '{name}'", found, remedy, "{} .. {}".format(*LIMITS[register]))

    def raise_if_open(self) -> None:
        """Raise CheckFailed with everything that is not proven."""
        raise_all(CheckFailed, self.problems)

    def verdict(self, p: PopulationRange, register: str) -> str:
        """A find is news only of a register that was not certain to overflow."""
        verdict = p.verdict(register)
        return WITNESSED if verdict != CERTAIN and (p.name, register) in self.seen else verdict

    def kinds(self, name: str) -> str:
        """The kinds of remedies that make a population proven, e.g. "scale, decay"."""
        return ", ".join(m.kind for m in self.mends[name]) or "none found"

    def blocks(self) -> Iterator[Block]:
        program, found = self.program, self.found
        columns = ("population", "register", "verdict", "remedy", "takes values", "would need", "limit")
        yield table(_title(found), columns, self._rows(), left=4)
        for name, register in open_registers(found):
            yield from self._explained(name, register)
            yield ""
        quiet = [
            f"'{p.name}' {silent} of {p.size}"
            for p in program.populations
            if p.fires and (silent := p.size - int(found.populations[p.name].fires.sum()))
        ]
        if quiet:
            yield f"neurons that can never fire: {', '.join(quiet)}"
        inexact = [name for name, exact in exact_in_float32(program, found).items() if not exact]
        text = f"all but {', '.join(inexact)}" if inexact else "all projections"
        yield f"sums exact in float32: {text}"
        yield _conclusion(found)

    def _rows(self) -> Iterator[tuple[object, ...]]:
        for p in self.found.populations.values():
            for register in "auv":
                verdict = self.verdict(p, register)
                remedy = "" if verdict == PROVEN else self.kinds(p.name)
                ends = (p.held(register).ends, p.demand(register).ends, LIMITS[register])
                yield (p.name, register, verdict, remedy, *(f"{low} .. {high}" for low, high in ends))

    def _explained(self, name: str, register: str) -> Iterator[str]:
        """What can happen to one register, where, and what helps."""
        program, found, mends = self.program, self.found, self.mends[name]
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
        witness = self.seen.get((name, register))
        if witness is not None:
            place = _index(program, p.name, witness.neuron)
            yield f"  witnessed: neuron {place} reaches {witness.value} in step {witness.step} of a sample"
        elif self.searched and not certain.any():
            yield "  no witness found; that does not prove that there is none"
        for remedy in mends:
            yield f"  proven after: {remedy.text}"
        if not mends:
            yield "  no scale, decay or length makes it proven"

    def to_dict(self) -> dict[str, Any]:
        return {
            "proven": self.found.proven,
            "steps": self.found.steps,
            "populations": {p.name: self._population(p) for p in self.found.populations.values()},
            "exact_in_float32": exact_in_float32(self.program, self.found),
            "witnesses": [
                {"population": w.population, "register": w.register, "neuron": w.neuron, "index": w.index,
                 "step": w.step, "value": w.value, "messages": w.messages}
                for w in self.seen.values()
            ],
        }  # fmt: skip

    def _population(self, p: PopulationRange) -> dict[str, Any]:
        registers = {}
        for register in "auv":
            over, certain = p.overflows(register), p.certain(register)
            registers[register] = {
                "verdict": self.verdict(p, register),
                "values": p.held(register).ends,
                "needed": p.demand(register).ends,
                "limit": LIMITS[register],
                "neurons": int(over.sum()),
                "worst": p.worst(register),
                "certain": [{"neuron": int(i), "step": int(p.since[register][i])} for i in np.flatnonzero(certain)],
            }
        return {
            "registers": registers,
            "can_fire": int(p.fires.sum()),
            "neurons": p.fires.size,
            "remedies": [{"kind": m.kind, "text": m.text, "steps": m.steps} for m in self.mends[p.name]],
        }


@dataclass(frozen=True, eq=False, repr=False)
class RangeProofs(Shown):
    """Several artifacts, a row for each that is proven, else for each of its registers that is not."""

    proofs: tuple[RangeProof, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is not proven, with the artifact."""
        return tuple(problem for proof in self.proofs for problem in proof.named_problems())

    def raise_if_open(self) -> None:
        """Raise CheckFailed with everything that is not proven."""
        raise_all(CheckFailed, self.problems)

    def blocks(self) -> Iterator[Block]:
        yield self._table()
        proven = sum(a.found.proven for a in self.proofs)
        yield f"proven: {proven} of {len(self.proofs)} artifacts"

    def _table(self) -> Table:
        columns = ("artifact", "verdict", "population", "register", "remedy", "neurons", "would need")
        rows = [row for a in self.proofs for row in _overview_rows(a)]
        return table(_title(self.proofs[0].found), columns, rows, left=5)

    def to_dict(self) -> dict[str, Any]:
        return {"artifacts": {a.name: a.to_dict() for a in self.proofs}}


def ranges(
    artifact: Artifact | str | os.PathLike[str],
    *,
    steps: int | None = None,
    witness: bool = False,
    progress: Progress = None,
) -> RangeProof:
    """Prove for all inputs that no register overflows, or say which neurons can, and the smallest change against it.

    steps    samples of at most so many steps; default: of any length
    witness  search for messages that really overflow what is not proven

    What is not proven is in `.problems`; `.raise_if_open()` raises it. Raises InputError for an artifact that cannot be
    read.

    Example:
        seamount.ranges(artifact).proven
    """
    (proof,) = all_ranges([artifact], steps=steps, witness=witness, progress=progress)
    return proof


def all_ranges(
    artifacts: Sequence[Artifact | str | os.PathLike[str]],
    *,
    steps: int | None = None,
    witness: bool = False,
    progress: Progress = None,
) -> tuple[RangeProof, ...]:
    """As `ranges`, of several artifacts. Raises InputError with all that cannot be read."""
    programs = _programs(artifacts)
    proofs: list[RangeProof] = []
    with watched(progress, "ranges") as tick:
        for name, program in programs.items():
            found = prove(program, steps)
            mends = {p: remedies(program, found, p) for p in found.populations}
            seen = _witnesses(program, found) if witness else {}
            proofs.append(RangeProof(name, program, found, mends, seen, witness))
            tick(len(proofs), len(programs))
    return tuple(proofs)


def _programs(artifacts: Sequence[Artifact | str | os.PathLike[str]]) -> dict[str, Program]:
    out: dict[str, Program] = {}
    problems: list[Problem] = []
    for one in artifacts:
        try:
            loaded = load_artifact(one) if isinstance(one, str | os.PathLike) else one
            check_program(loaded.program)
            out[os.fspath(one) if isinstance(one, str | os.PathLike) else f"artifact {len(out)}"] = loaded.program
        except InputError as error:
            problems += error.problems
    raise_all(InputError, problems)
    return out


def _witnesses(program: Program, found: Ranges) -> dict[tuple[str, str], Witness]:
    """The first overflow that the search finds for each register that is not proven, confirmed by the reference."""
    fast, reference = load_backend("vectorized"), load_backend("reference")
    out = {}
    for name, register in open_registers(found):
        witness = find_witness(program, found, name, register, fast.run, reference.run)
        if witness is not None:
            out[name, register] = witness
    return out


def open_registers(found: Ranges) -> list[tuple[str, str]]:
    """(population, register) of everything that is not proven."""
    return [(p.name, r) for p in found.populations.values() for r in "uv" if p.verdict(r) != PROVEN]


def _overview_rows(answer: RangeProof) -> Iterator[tuple[str, ...]]:
    if answer.found.proven:
        yield answer.name, PROVEN, "", "", "", "", ""
    for name, register in open_registers(answer.found):
        p = answer.found.populations[name]
        over, ends = p.overflows(register), "{} .. {}".format(*p.demand(register).ends)
        count = f"{int(over.sum())} of {over.size}"
        yield answer.name, answer.verdict(p, register), name, register, answer.kinds(name), count, ends


def _title(found: Ranges) -> str:
    length = "any length" if found.steps is None else f"at most {found.steps} step{'s' * (found.steps > 1)}"
    return f"ranges, all messages, samples of {length}"


def _conclusion(found: Ranges) -> str:
    left = open_registers(found)
    if not left:
        return "proven: no register can overflow"
    certain = sum(found.populations[name].verdict(register) == CERTAIN for name, register in left)
    text = f"not proven: {len(left)} register{'s' * (len(left) > 1)}"
    return f"{text}, {certain} of them certain to overflow" if certain else text


def _index(program: Program, name: str, neuron: int) -> str:
    index = np.unravel_index(neuron, program.shapes[name])
    return "[" + ",".join(str(int(i)) for i in index) + "]"
