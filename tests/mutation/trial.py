"""One mutant against the tests that call its function, in a forked process with a limit on time and memory.

A mutant inside a function replaces the code of that function in a process that has already collected every test; one
that acts when its module is imported needs a process that has imported nothing of Seamount yet, and collects anew.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.draw import ROOT
from tests.mutation.mutants import Mutant, mutated

LOADED_BEFORE = ("numpy", "h5py", "nir", "networkx", "msgspec", "jinja2", "torch", "typer", "rich")
"""Libraries loaded once, before the fork; nothing of Seamount."""
MEMORY_BYTES = 8 * 2**30
WAIT = 10
"""Of the limit on processor time: how many times as long a trial may take on a busy machine, or asleep."""


@dataclass(frozen=True)
class Result:
    """status: "killed", "timeout" (dead as well), "survived", or "untested" where no test calls the function.

    seconds: of the trial. tests: how many were to be run. by: the test that failed.
    """

    name: str
    status: str
    seconds: float
    tests: int
    by: str


class Results:
    """Results kept in a file, a line for each trial; the last one of a mutant counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.known = {r.name: r for r in (Result(**json.loads(line)) for line in lines)}

    def add(self, result: Result) -> None:
        """Keep one at once, so that a run that is stopped loses none."""
        self.known[result.name] = result
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")


class Nearest:
    """Which tests to run. budget: their own times together stay below it, in seconds."""

    def __init__(self, path: Path, budget: float) -> None:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.seconds: Mapping[str, float] = found["seconds"]
        self.tests: Mapping[str, Sequence[str]] = found["tests"]
        self.budget = budget

    def to(self, mutant: Mutant) -> list[str]:
        """Tests that call the function, or any of the file where none is known to: nearest and quickest first."""
        found = set(self.tests.get(f"{mutant.path}:{mutant.function}", ()))
        if not found:
            found = {t for key, tests in self.tests.items() if key.startswith(f"{mutant.path}:") for t in tests}
        folder = f"tests/{Path(mutant.path).parent.name}/"
        chosen, spent = [], 0.0
        for test in sorted(found, key=lambda t: (not t.startswith(folder), self.seconds[t])):
            spent += self.seconds[test]
            if spent <= self.budget or not chosen:
                chosen.append(test)
        return chosen

    def limit(self, tests: Iterable[str]) -> float:
        """Seconds of processor time after which these tests hang."""
        return 20 + 3 * sum(self.seconds[t] for t in tests)


def prepare() -> None:
    """The same examples in every process, no shrinking of failures, and no failure for being slow."""
    os.environ.update(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    settings.register_profile(
        "mutation", phases=(Phase.explicit, Phase.generate), database=None, derandomize=True, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    settings.load_profile("mutation")


def attempt(mutant: Mutant, tests: Sequence[str], limit: float, output: Path, inside: Callable[[], int]) -> Result:
    """Fork, call `inside` in the child (0: all passed), wait for it. output: what its tests print."""
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        _child(output, limit, inside)
    status = _wait(child, WAIT * limit)
    spent = round(time.perf_counter() - began, 1)
    return Result(mutant.name, status, spent, len(tests), "" if status == "survived" else _killer(output))


def _child(output: Path, limit: float, inside: Callable[[], int]) -> NoReturn:
    os.setsid()
    used = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + limit), int(used + limit) + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    status = 3
    try:
        status = inside()
        sys.stdout.flush()
    finally:
        os._exit(status)


def _wait(child: int, limit: float) -> str:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return "survived" if code == 0 else "timeout" if code in (-signal.SIGXCPU, -signal.SIGKILL) else "killed"
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "timeout"


def _killer(output: Path) -> str:
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((x.split(" - ")[0] for x in lines if x.startswith(("FAILED", "ERROR"))), "")[:200]


# at import


def at_import(chosen: Iterable[Mutant], nearest: Nearest, output: Path, report: Callable[[Result], None]) -> None:
    """Try mutants that act when their module is imported."""
    for name in LOADED_BEFORE:
        importlib.import_module(name)
    for mutant in chosen:
        tests = nearest.to(mutant)

        def inside(mutant: Mutant = mutant, tests: Sequence[str] = tuple(tests)) -> int:
            sys.meta_path.insert(0, Finder(mutant))
            return int(pytest.main(["-x", "-n0", "-p", "no:cacheprovider", "--tb=line", *tests]))

        report(attempt(mutant, tests, nearest.limit(tests), output, inside) if tests else untested(mutant))


def untested(mutant: Mutant) -> Result:
    """No test calls the function."""
    return Result(mutant.name, "untested", 0.0, 0, "")


class Finder(MetaPathFinder):
    """Finds the module of a mutant, and only that."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.module = "seamount." + mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, name: str, path: object = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """A spec whose loader compiles the changed tree."""
        if name != self.module:
            return None
        file = ROOT / self.mutant.path
        return spec_from_file_location(name, file, loader=Loader(name, file, self.mutant))


class Loader(SourceFileLoader):
    """Compiles a file with one of its mutants; no bytecode is kept."""

    def __init__(self, name: str, file: Path, mutant: Mutant) -> None:
        super().__init__(name, str(file))
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        """Code of the mutant, with the lines of the file."""
        return compiled(self.mutant)


def compiled(mutant: Mutant) -> CodeType:
    """The file of a mutant with the mutant in it."""
    file = ROOT / mutant.path
    tree: ast.Module = mutated(file.read_text(encoding="utf-8"), mutant.number)
    return compile(tree, str(file), "exec", dont_inherit=True)


# in functions


class InFunctions:
    """A pytest plug-in: instead of running the tests that were collected, tries mutants against them."""

    def __init__(
        self, chosen: Iterable[Mutant], nearest: Nearest, output: Path, report: Callable[[Result], None]
    ) -> None:
        self.chosen, self.nearest, self.output, self.report = chosen, nearest, output, report
        self.failed = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try them all."""
        items = {item.nodeid: item for item in session.items}
        functions = _functions()
        for mutant in self.chosen:
            tests = [t for t in self.nearest.to(mutant) if t in items]
            if not tests:
                self.report(untested(mutant))
                continue

            def inside(mutant: Mutant = mutant, tests: Sequence[str] = tuple(tests)) -> int:
                _replace(mutant, functions)
                return self._run([items[t] for t in tests])

            self.report(attempt(mutant, tests, self.nearest.limit(tests), self.output, inside))
        return True

    def _run(self, items: Sequence[pytest.Item]) -> int:
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                print(f"\nFAILED {self.failed}")
                return 1
        return 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the first failure."""
        if report.failed and not self.failed:
            self.failed = report.nodeid


Key = tuple[str, str, int]


def _key(code: CodeType) -> Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _functions() -> Mapping[Key, Sequence[FunctionType]]:
    found: dict[Key, list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(str(ROOT)):
            found[_key(thing.__code__)].append(thing)
    return found


def _replace(mutant: Mutant, functions: Mapping[Key, Sequence[FunctionType]]) -> None:
    """Give the function of a mutant its new code, and forget what was computed with the old."""
    code = next(c for c in _codes(compiled(mutant)) if c.co_qualname == mutant.function and _holds(c, mutant.line))
    for function in functions[_key(code)]:
        function.__code__ = code
    if not functions[_key(code)]:
        raise LookupError(f"no function {_key(code)}")
    for thing in gc.get_objects():
        if isinstance(thing, functools._lru_cache_wrapper):
            thing.cache_clear()


def _codes(code: CodeType) -> Iterable[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _holds(code: CodeType, line: int) -> bool:
    inner = [code, *_codes(code)]
    return code.co_firstlineno <= line <= max(n for c in inner for *_, n in c.co_lines() if n is not None)
