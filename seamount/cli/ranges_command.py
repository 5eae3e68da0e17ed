"""seamount ranges: whether any register of a compiled network can overflow, proven for all inputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from seamount.backends.registry import load_backend
from seamount.cli import options as o
from seamount.cli import ranges_text as text
from seamount.cli.console import progress
from seamount.cli.ranges_text import Answer, open_registers
from seamount.compiler.artifact import load_artifact
from seamount.compiler.errors import CheckFailed, InputError, Problem, raise_all
from seamount.compiler.files import write_json
from seamount.compiler.places import check_outputs
from seamount.compiler.program.program import Program
from seamount.compiler.program.verify import check as check_program
from seamount.compiler.ranges.certain import prove
from seamount.compiler.ranges.proof import CERTAIN, LIMITS, Ranges, exact_in_float32
from seamount.compiler.ranges.remedies import remedies
from seamount.compiler.ranges.witness import Witness, find_witness

Longest = Annotated[int | None, typer.Option(min=1, help="Samples of at most so many steps; default: of any length.")]
Search = Annotated[bool, typer.Option("--witness", help="Search for messages that really overflow what is not proven.")]
Strict = Annotated[bool, typer.Option("--require-proven", help="Exit with 1 when something is not proven.")]


def ranges(
    artifacts: Annotated[list[Path], typer.Argument(help="Artifacts.", metavar="ARTIFACT")],
    steps: Longest = None,
    witness: Search = False,
    require_proven: Strict = False,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Prove for all inputs that no register overflows, or say which neurons can, and the smallest change against it.

    One artifact is answered register by register, several in a table with a row each.
    """
    check_outputs(artifacts, {"--json": json})
    programs = _loaded(artifacts)
    answers = []
    with progress("ranges", quiet) as tick:
        for path, program in programs.items():
            answers.append(_answer(path, program, steps, witness))
            tick(len(answers), len(programs))
    if not quiet:
        text.show(answers[0]) if len(answers) == 1 else text.overview(answers)
    if json is not None:
        trees = {str(a.path): _tree(a) for a in answers}
        write_json(json, next(iter(trees.values())) if len(trees) == 1 else {"artifacts": trees})
    if require_proven:
        raise_all(CheckFailed, [problem for a in answers for problem in _problems(a, named=len(answers) > 1)])


def _loaded(paths: Sequence[Path]) -> dict[Path, Program]:
    """The programs of all artifacts. Raises InputError with all that cannot be read."""
    out: dict[Path, Program] = {}
    problems: list[Problem] = []
    for path in paths:
        try:
            out[path] = load_artifact(path).program
            check_program(out[path])
        except InputError as error:
            problems += error.problems
    raise_all(InputError, problems)
    return out


def _answer(path: Path, program: Program, steps: int | None, witness: bool) -> Answer:
    found = prove(program, steps)
    mends = {name: remedies(program, found, name) for name in found.populations}
    return Answer(path, program, found, mends, _witnesses(program, found) if witness else {}, witness)


def _witnesses(program: Program, found: Ranges) -> dict[tuple[str, str], Witness]:
    """The first overflow that the search finds for each register that is not proven, confirmed by the reference."""
    fast, reference = load_backend("vectorized"), load_backend("reference")
    out = {}
    for name, register in open_registers(found):
        witness = find_witness(program, found, name, register, fast.run, reference.run)
        if witness is not None:
            out[name, register] = witness
    return out


def _problems(answer: Answer, named: bool) -> list[Problem]:
    """What is not proven; named: with the artifact."""
    problems = []
    for name, register in open_registers(answer.found):
        p = answer.found.populations[name]
        low, high = p.demand(register).ends
        remedy = "; or ".join(m.text for m in answer.mends[name])
        certain = p.verdict(register) == CERTAIN
        seen = (name, register) in answer.seen
        how = "overflows in every sample" if certain else "overflows" if seen else "may overflow"
        found = f"{register} {how}: it would have to hold {low} .. {high}"
        where = f"{answer.path}: population '{name}'" if named else f"population '{name}'"
        problems.append(Problem(where, found, remedy, "{} .. {}".format(*LIMITS[register])))
    return problems


# as JSON


def _tree(answer: Answer) -> dict[str, Any]:
    found = answer.found
    populations = {}
    for p in found.populations.values():
        registers = {}
        for register in "auv":
            over, certain = p.overflows(register), p.certain(register)
            registers[register] = {
                "verdict": answer.verdict(p, register),
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
            "remedies": [{"kind": m.kind, "text": m.text, "steps": m.steps} for m in answer.mends[p.name]],
        }
    return {
        "proven": found.proven,
        "steps": found.steps,
        "populations": populations,
        "exact_in_float32": exact_in_float32(answer.program, found),
        "witnesses": [
            {"population": w.population, "register": w.register, "neuron": w.neuron, "index": w.index, "step": w.step,
             "value": w.value, "messages": w.messages}
            for w in answer.seen.values()
        ],
    }  # fmt: skip
