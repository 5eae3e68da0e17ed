"""What runs under Lava's Python (3.10, numpy < 2, lava-nc 0.10.0): programs in, traces out, by files.

    python host.py PROGRAM_FOLDER MESSAGES.npz OUT.npz [--record spikes,u,v] [--on reference|vectorized|loihi2]
    python host.py --jobs JOBS.json [--processes P]

PROGRAM_FOLDER is an artifact, or a folder with program.json and arrays.npz. MESSAGES.npz holds "messages:<port>"
arrays (N, T, *shape), as an artifact's vectors.npz does. JOBS.json is a list of {"program", "messages", "out",
"record", "on"}. One JSON object per line on stdout tells what happens. Exit code 0 when every job succeeded.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import time
import traceback
import types
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

if "seamount" not in sys.modules:
    # The folder above backends/ is the package, in a checkout and where it is installed; no installation is needed.
    _package = types.ModuleType("seamount")
    _package.__path__ = [str(Path(__file__).resolve().parents[2])]
    sys.modules["seamount"] = _package

from seamount.backends.lava.environment import HOW
from seamount.backends.lava.results import load_messages, save_trace
from seamount.compiler.errors import InputError, Problem, SeamountError
from seamount.compiler.execution import Trace
from seamount.compiler.program.folder import program_of
from seamount.compiler.program.verify import check_stored

Job = dict[str, Any]
REPORT_S = 0.2
LONGEST = 3000
"""Characters of a message; writes of up to 4096 bytes to a pipe are not split."""
LAVA, BOARD = "lava", "loihi2"
MARK = "seamount: "
"""Begins every line of ours, since Lava and its workers print too."""


def say(message: str = "", **event: object) -> None:
    """One line of our own, written at once and short enough that lines of parallel jobs do not mix."""
    if message:
        event["message"] = message if len(message) <= LONGEST else "... " + message[-LONGEST:]
    os.write(1, ("\n" + MARK + json.dumps(event) + "\n").encode())


def unusable(*problems: Problem) -> None:
    """This environment cannot run the jobs."""
    say(event="unusable", problems=[asdict(problem) for problem in problems])


def main() -> int:
    """Run the jobs of the command line."""
    given = parse(sys.argv[1:])
    family = Family()
    os.register_at_fork(before=family.note, after_in_child=family.join)
    if given.child:
        family.join()
        leave_without(given.child)
    jobs = listed_jobs(given)
    if any(job["on"] in (LAVA, BOARD) for job in jobs):
        try:
            import_module("seamount.backends.lava.job")  # before the fork, so that the jobs share it
        except ImportError as error:
            unusable(Problem("Lava interpreter", f"{sys.executable} cannot import Lava: {error}", HOW))
            return 2
    if any(job["on"] == BOARD for job in jobs):
        from seamount.backends.lava.hardware import require_board

        try:
            require_board()
        except InputError as error:
            unusable(*error.problems)
            return 2
    return run_all(jobs, given.processes)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run compiled programs in Lava.")
    parser.add_argument("files", nargs="*", metavar="PROGRAM_FOLDER MESSAGES OUT")
    parser.add_argument("--record", default="", help="spikes, u, v: what to keep in full")
    parser.add_argument("--on", default=LAVA, choices=(LAVA, "reference", "vectorized", BOARD), help="what runs it")
    parser.add_argument("--jobs", type=Path, help="JSON file with several jobs")
    parser.add_argument("--processes", type=int, default=1, help="graphs at a time")
    parser.add_argument("--child", type=int, metavar="PID", help="end when PID, which started this process, ends")
    given = parser.parse_args(arguments)
    if (given.jobs is None) == (len(given.files) != 3):
        parser.error("give PROGRAM_FOLDER MESSAGES.npz OUT.npz, or --jobs JOBS.json")
    return given


def listed_jobs(given: argparse.Namespace) -> list[Job]:
    """The jobs of a command line."""
    if given.jobs is not None:
        jobs: list[Job] = json.loads(given.jobs.read_text(encoding="utf-8"))
        return jobs
    program, messages, out = given.files
    record = [r for r in given.record.split(",") if r]
    return [{"program": program, "messages": messages, "out": out, "record": record, "on": given.on}]


def run_all(jobs: list[Job], processes: int) -> int:
    """Each job in a child of its own, `processes` at a time; the number of the failed."""
    running: dict[int, int] = {}
    waiting = list(enumerate(jobs))
    failed = 0
    while waiting or running:
        while waiting and len(running) < processes:
            index, job = waiting.pop(0)
            pid = os.fork()
            if pid == 0:
                leave_after(index, job)
            running[pid] = index
        pid, status = os.wait()
        if pid in running:
            index = running.pop(pid)
            failed += status != 0
            if os.WIFSIGNALED(status):
                say(job=index, event="failed", message=f"Lava: the job was ended by signal {os.WTERMSIG(status)}")
    return min(failed, 1)


def run_one(index: int, job: Job) -> int:
    """One job, in its own process; its exit code."""
    started = time.monotonic()
    try:
        save_trace(Path(job["out"]), execute(index, job))
    except SeamountError as error:
        say(job=index, event="failed", message=str(error))
        return 1
    say(job=index, event="done", seconds=round(time.monotonic() - started, 3))
    return 0


def leave_after(index: int, job: Job) -> NoReturn:
    """One job, then the end of this process, whatever happens: what is not our error is reported as it is."""
    code = 1
    try:
        code = run_one(index, job)
    finally:
        if sys.exc_info()[0] is not None:
            say(job=index, event="failed", message=f"Lava: {traceback.format_exc().strip()}")
        os._exit(code)


def execute(index: int, job: Job) -> Trace:
    """The trace of a job."""
    program = program_of(Path(job["program"]))
    check_stored(program, job["program"])
    messages = load_messages(Path(job["messages"]))
    record = frozenset(job.get("record", ()))
    if job["on"] == BOARD:
        from seamount.backends.lava.hardware import run_on_board

        return run_on_board(program, messages, record)
    if job["on"] != LAVA:
        trace: Trace = simulator(job["on"]).run(program, messages, record)
        return trace
    from seamount.backends.lava.job import run_job

    return run_job(program, messages, record, Reporter(index))


def simulator(name: str) -> Any:
    """A simulator by name; numpy is all it needs."""
    if name == "reference":
        from seamount.backends.simulator.reference import ReferenceSimulator

        return ReferenceSimulator()
    from seamount.backends.simulator.vectorized import VectorizedSimulator

    return VectorizedSimulator()


class Reporter:
    """Says how far a job is, a few times per second; silent while nothing moves, so that a stall is noticed."""

    def __init__(self, index: int) -> None:
        self.index, self.said, self.last = index, -1, 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done != self.said and now - self.last >= REPORT_S:
            self.last, self.said = now, done
            say(job=self.index, event="steps", done=done, total=total)


class Family:
    """On Linux the kernel kills a child when its parent dies, so that even kill -9 of a parent leaves no orphans."""

    parent = 0

    def note(self) -> None:
        """Before a fork: who the parent is."""
        self.parent = os.getpid()

    def join(self) -> None:
        """In the child: ask the kernel, then look whether the parent died before it could have been asked."""
        if sys.platform == "linux":
            ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
            if self.parent and os.getppid() != self.parent:
                os._exit(1)


def leave_without(pid: int) -> None:
    """End this process when the one that started it is already gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
