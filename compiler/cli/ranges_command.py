"""seamount ranges: whether any register of a compiled network can overflow, proven for all inputs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import load_artifact
from seamount.compiler.cli import options as o
from seamount.compiler.cli.console import out, table, write_json
from seamount.compiler.errors import CheckFailed, Problem
from seamount.compiler.program.certain import prove
from seamount.compiler.program.program import Program
from seamount.compiler.program.ranges import (
    CERTAIN,
    LIMITS,
    PROVEN,
    WITNESSED,
    PopulationRange,
    Ranges,
    exact_in_float32,
)
from seamount.compiler.program.remedies import Remedy, remedies
from seamount.compiler.program.verify import check as check_program
from seamount.compiler.report.overflow_search import Witness, find_witness

Witnesses = dict[tuple[str, str], Witness]
Remedies = dict[str, tuple[Remedy, ...]]
Longest = Annotated[int | None, typer.Option(min=1, help="Samples of at most so many steps; default: of any length.")]
Search = Annotated[bool, typer.Option("--witness", help="Search for messages that really overflow what is not proven.")]
Strict = Annotated[bool, typer.Option("--require-proven", help="Exit with 1 when something is not proven.")]


def ranges(
    artifact: Annotated[Path, typer.Argument(help="An artifact.")],
    steps: Longest = None,
    witness: Search = False,
    require_proven: Strict = False,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Prove for all inputs that no register overflows, or say which neurons can, and the smallest change against it."""
    program = load_artifact(artifact).program
    check_program(program)
    found = prove(program, steps)
    mends = {name: remedies(program, found, name) for name in found.populations}
    seen = _witnesses(program, found) if witness else {}
    if not quiet:
        _show(program, found, mends, seen, witness)
    if json is not None:
        write_json(json, _tree(program, found, mends, seen))
    if require_proven and not found.proven:
        raise CheckFailed(_problems(program, found, mends, seen))


def _witnesses(program: Program, found: Ranges) -> Witnesses:
    """The first overflow that the search finds for each register that is not proven, confirmed by the reference."""
    fast, reference = load_backend("vectorized"), load_backend("reference")
    out = {}
    for name, register in _open(found):
        witness = find_witness(program, found, name, register, fast.run, reference.run)
        if witness is not None:
            out[name, register] = witness
    return out


def _open(found: Ranges) -> list[tuple[str, str]]:
    return [(p.name, r) for p in found.populations.values() for r in "uv" if p.verdict(r) != PROVEN]


def _verdict(p: PopulationRange, register: str, seen: Witnesses) -> str:
    """A find is news only of a register that was not certain to overflow."""
    verdict = p.verdict(register)
    return WITNESSED if verdict != CERTAIN and (p.name, register) in seen else verdict


# as text


def _show(program: Program, found: Ranges, mends: Remedies, seen: Witnesses, searched: bool) -> None:
    length = "any length" if found.steps is None else f"at most {found.steps} step{'s' * (found.steps > 1)}"
    columns = ("population", "register", "verdict", "remedy", "takes values", "would need", "limit")
    table(f"ranges, all messages, samples of {length}", columns, _rows(found, mends, seen), left=4)
    for name, register in _open(found):
        for line in _explained(program, found, (name, register), mends[name], seen, searched):
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
    left = _open(found)
    if not left:
        return "proven: no register can overflow"
    certain = sum(found.populations[name].verdict(register) == CERTAIN for name, register in left)
    text = f"not proven: {len(left)} register{'s' * (len(left) > 1)}"
    return f"{text}, {certain} of them certain to overflow" if certain else text


def _rows(found: Ranges, mends: Remedies, seen: Witnesses) -> Iterable[tuple[object, ...]]:
    for p in found.populations.values():
        for register in "auv":
            verdict = _verdict(p, register, seen)
            remedy = "" if verdict == PROVEN else ", ".join(m.kind for m in mends[p.name]) or "none found"
            ends = (p.held(register).ends, p.demand(register).ends, LIMITS[register])
            yield (p.name, register, verdict, remedy, *(f"{low} .. {high}" for low, high in ends))


def _explained(
    program: Program, found: Ranges, at: tuple[str, str], mends: tuple[Remedy, ...], seen: Witnesses, searched: bool
) -> Iterable[str]:
    """What can happen to one register, where, and what helps."""
    p, register = found.populations[at[0]], at[1]
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
    witness = seen.get(at)
    if witness is not None:
        place = _index(program, p.name, witness.neuron)
        yield f"  witnessed: neuron {place} reaches {witness.value} in step {witness.step} of a sample"
    elif searched and not certain.any():
        yield "  no witness found; that does not prove that there is none"
    for remedy in mends:
        yield f"  proven after: {remedy.text}"
    if not mends:
        yield "  no scale, decay or length makes it proven"


def _index(program: Program, name: str, neuron: int) -> str:
    index = np.unravel_index(neuron, program.shapes[name])
    return "[" + ",".join(str(int(i)) for i in index) + "]"


def _problems(program: Program, found: Ranges, mends: Remedies, seen: Witnesses) -> list[Problem]:
    problems = []
    for name, register in _open(found):
        p = found.populations[name]
        low, high = p.demand(register).ends
        remedy = "; or ".join(m.text for m in mends[name])
        certain = p.verdict(register) == CERTAIN
        how = "overflows in every sample" if certain else "overflows" if (name, register) in seen else "may overflow"
        text = f"{register} {how}: it would have to hold {low} .. {high}"
        problems.append(Problem(f"population '{name}'", text, remedy, "{} .. {}".format(*LIMITS[register])))
    return problems


# as JSON


def _tree(program: Program, found: Ranges, mends: Remedies, seen: Witnesses) -> dict[str, Any]:
    populations = {}
    for p in found.populations.values():
        registers = {}
        for register in "auv":
            over, certain = p.overflows(register), p.certain(register)
            registers[register] = {
                "verdict": _verdict(p, register, seen),
                "values": p.held(register).ends,
                "needed": p.demand(register).ends,
                "limit": LIMITS[register],
                "neurons": int(over.sum()),
                "worst": p.worst(register),
                "certain": [{"neuron": int(i), "step": int(p.since[register][i])} for i in np.flatnonzero(certain)],
            }
        populations[p.name] = {
            "registers": registers,
            "can_fire": int(p.fires.sum()),
            "neurons": p.fires.size,
            "remedies": [{"kind": m.kind, "text": m.text, "steps": m.steps} for m in mends[p.name]],
        }
    return {
        "proven": found.proven,
        "steps": found.steps,
        "populations": populations,
        "exact_in_float32": exact_in_float32(program, found),
        "witnesses": [
            {"population": w.population, "register": w.register, "neuron": w.neuron, "index": w.index, "step": w.step,
             "value": w.value, "messages": w.messages}
            for w in seen.values()
        ],
    }  # fmt: skip
