"""Mutation testing of the integer core: `python -m tests.mutation record`, then `run`, then `score`.

    record    which tests call which function, and how long they take
    run       draws mutants and tries each against the tests that call its function
    again     the same for the mutants that survived
    score     dead, equivalent and alive, by folder, and every survivor

Nothing is written to the sources: a mutant lives in a forked process (tests/mutation/trial.py). Results go to a file of
lines, one for each mutant; a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.mutation.draw import ROOT, drawn, equivalents, sources
from tests.mutation.mutants import Mutant
from tests.mutation.nearest import Recorder
from tests.mutation.score import print_score
from tests.mutation.trial import InFunctions, Nearest, Result, Results, at_import, prepare

TESTS = (
    "tests/program", "tests/passes", "tests/ranges", "tests/quantization", "tests/placement", "tests/energy",
    "tests/ir", "tests/analysis", "tests/backends/test_reference.py", "tests/backends/test_vectorized.py",
    "tests/test_artifact.py", "tests/test_execution.py", "tests/cli/test_ranges.py", "tests/cli/test_energy.py",
)  # fmt: skip


def main() -> None:
    """Read the options, do one of the four."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("record", "run", "again", "score"))
    parser.add_argument("--folder", type=Path, default=Path("build/mutation"), help="where results are kept")
    parser.add_argument("--mutants", type=int, default=320)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=8.0, help="budget of tests for each mutant")
    parser.add_argument("--only", default="", help="mutants of paths that begin so")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.action == "record":
        _record(asked.folder / "nearest.json")
        return
    results = Results(asked.folder / f"results-{asked.seed}.jsonl")
    chosen = [m for m in drawn(asked.mutants, asked.seed) if m.path.startswith(asked.only)]
    if asked.action != "score":
        _run(chosen, asked, results)
    print_score(chosen, results.known, equivalents())


def _record(path: Path) -> None:
    recorder = Recorder(ROOT, frozenset(sources()))
    status = pytest.main(["-n0", "-p", "no:cacheprovider", *TESTS], plugins=[recorder])
    recorder.write(path)
    sys.exit(status)


def _run(chosen: list[Mutant], asked: argparse.Namespace, results: Results) -> None:
    """First those that need a process without Seamount, then the others in one that has collected the tests."""
    wanted = {
        m.name: m
        for m in chosen
        if m.name not in results.known
        or (asked.action == "again" and results.known[m.name].status in ("survived", "untested"))
    }

    def report(result: Result) -> None:
        results.add(result)
        m = wanted[result.name]
        print(f"{result.status:9}{result.seconds:6.1f} s  {m.path}:{m.line} {m.change}", flush=True)

    prepare()
    nearest, output = Nearest(asked.folder / "nearest.json", asked.seconds), asked.folder / "output.txt"
    at_import([m for m in wanted.values() if not m.function], nearest, output, report)
    inner = [m for m in wanted.values() if m.function]
    tests = sorted({t.split("::")[0] for m in inner for t in nearest.to(m)})
    if inner:
        plugin = InFunctions(inner, nearest, output, report)
        pytest.main(["-s", "-n0", "-p", "no:cacheprovider", "--tb=line", *tests], plugins=[plugin])


if __name__ == "__main__":
    main()
