"""The Lava backend: programs run in Lava's own Python, driven from Seamount's by files.

Runs in Seamount's Python; what runs in Lava's is host.py.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seamount.backends.lava.child import HostProcess
from seamount.backends.lava.environment import find_interpreter
from seamount.backends.lava.lowering import board_faults
from seamount.backends.lava.results import join_traces, load_trace, save_messages
from seamount.compiler.errors import CheckFailed, CompileError, InputError, Problem, raise_all
from seamount.compiler.execution import Progress, Trace, check_request
from seamount.compiler.program.codec import write_program
from seamount.compiler.program.program import Program
from seamount.compiler.program.verify import check

Messages = Mapping[str, NDArray[np.integer]]
JOBS_FILE = "jobs.json"
BATCH_BYTES = 2**28
"""Recordings and messages of one graph start take at most about this much memory."""
STALL_S = 120.0
"""Longest time in which no step of any graph ends; the start of a graph counts as one."""


@dataclass(frozen=True, eq=False)
class Job:
    """One graph start."""

    program: Program
    messages: Messages
    record: frozenset[str] = frozenset()


@dataclass(frozen=True)
class LavaBackend:
    """Runs programs in Lava, bit for bit as Lava's models have it.

    interpreter: Python of the Lava environment; by default found (environment.py). processes: graphs at a time.
    batch_size: samples per graph start; by default what fits BATCH_BYTES. time_limit_s: of a run, or since `begin`
    on the monotonic clock.
    stall_limit_s: longest time without progress. keep: a folder where finished batches stay; the same run, started
    again after a failure, takes them from there.
    """

    interpreter: str | Path | None = None
    processes: int = 1
    batch_size: int | None = None
    time_limit_s: float | None = None
    begin: float | None = None
    stall_limit_s: float = STALL_S
    keep: Path | None = None

    name = "lava"

    def run(
        self,
        program: Program,
        messages: Messages,
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """Trace of the messages.

        Raises InputError for messages that do not fit and where there is no Lava, ContractError or CompileError for
        the program, CheckFailed when Lava fails or a time limit passes.
        """
        check(program)
        samples, steps = check_request(program, messages, record)
        size = self.batch_size or _batch_size(program, samples, steps, record, self.processes)
        cuts = [slice(i, i + size) for i in range(0, samples, size)]
        jobs = [Job(program, {name: x[cut] for name, x in messages.items()}, record) for cut in cuts]
        sizes = [len(next(iter(job.messages.values()))) for job in jobs]
        done = [0.0] * len(jobs)

        def report(job: int, fraction: float) -> None:
            done[job] = fraction * sizes[job]
            if progress is not None:
                progress(int(sum(done)), samples)

        return join_traces(self.run_jobs(jobs, report))

    def run_jobs(
        self, jobs: Sequence[Job], report: Callable[[int, float], None] | None = None, on: str | None = None
    ) -> list[Trace]:
        """Traces of several jobs, in one start of the host. report: called with (job, finished fraction).

        on: "reference" or "vectorized" runs that simulator in the Lava environment instead.
        Raises as `run`.
        """
        python = find_interpreter(self.interpreter)
        begin = time.monotonic() if self.begin is None else self.begin
        deadline = None if self.time_limit_s is None else begin + self.time_limit_s
        with tempfile.TemporaryDirectory(prefix="seamount-lava-") as folder:
            outs = _write_jobs(Path(folder), self.keep, jobs, on or self.name)
            open_jobs = [i for i, out in enumerate(outs) if not out.exists()]
            report = report or (lambda job, fraction: None)
            for i, out in enumerate(outs):
                if out.exists():
                    report(i, 1.0)
            if open_jobs:
                with HostProcess(python, Path(folder) / JOBS_FILE, self.processes) as host:
                    self._listen(host, open_jobs, deadline, report)
            return [load_trace(out) for out in outs]

    def _listen(
        self, host: HostProcess, jobs: list[int], deadline: float | None, report: Callable[[int, float], None]
    ) -> None:
        """Follow the host to its end; raises CheckFailed for everything but the success of all jobs.

        jobs: our number of each job that the host counts from 0.
        """
        finished: set[int] = set()
        for event in host.events(deadline, self.stall_limit_s):
            kind = event["event"]
            if kind == "steps":
                report(jobs[event["job"]], event["done"] / event["total"])
            elif kind == "done":
                finished.add(event["job"])
                report(jobs[event["job"]], 1.0)
            elif kind == "failed":
                raise _failure(f"failed: {event['message']}", host, len(finished), len(jobs))
            elif kind == "unusable":
                raise InputError([Problem(**problem) for problem in event["problems"]])
            elif kind == "late":
                raise _failure(f"did not finish within {self.time_limit_s} s", host, len(finished), len(jobs))
            elif kind == "stalled":
                raise _failure(f"made no progress for {self.stall_limit_s} s", host, len(finished), len(jobs))
            elif kind == "ended" and len(finished) < len(jobs):
                raise _failure(f"ended early (exit code {event['code']})", host, len(finished), len(jobs))


@dataclass(frozen=True)
class Loihi2Backend(LavaBackend):
    """Runs programs on a Loihi 2 board; see hardware.py.

    Raises as LavaBackend; CompileError with what stock processes on a board cannot do, and InputError where Lava has no
    extension for Loihi.
    """

    name = "loihi2"

    def run(
        self,
        program: Program,
        messages: Messages,
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """Trace of the messages."""
        raise_all(CompileError, board_faults(program))
        return super().run(program, messages, record, progress)


def _failure(found: str, host: HostProcess, finished: int, jobs: int) -> CheckFailed:
    tail = "\n".join(host.tail)
    text = f"{found}\n{tail}" if tail and "failed" not in found else found
    return CheckFailed(
        Problem("Lava run", text, "see docs/lava.md, when a run fails", f"{finished} of {jobs} batches had finished")
    )


def _batch_size(program: Program, samples: int, steps: int, record: frozenset[str], processes: int) -> int:
    """Samples per graph start: as many as fit BATCH_BYTES, and not so many that a process would have none."""
    per_step = sum(p.size * (1 + 4 * len(record & {"u", "v"})) for p in program.populations)
    per_step += sum(8 * int(np.prod(port.shape)) for port in program.inputs)
    return max(1, min(-(-samples // processes), BATCH_BYTES // (steps * per_step)))


def _write_jobs(folder: Path, keep: Path | None, jobs: Sequence[Job], on: str) -> list[Path]:
    """Every job whose result is not kept yet as files; where the results of all of them are or will be."""
    listed, outs = [], []
    programs: dict[int, Path] = {}
    try:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        for i, job in enumerate(jobs):
            if id(job.program) not in programs:
                programs[id(job.program)] = folder / f"program-{i}"
                programs[id(job.program)].mkdir()
                write_program(job.program, programs[id(job.program)])
            program, messages = programs[id(job.program)], folder / f"messages-{i}.npz"
            save_messages(messages, job.messages)
            files = {"program": str(program), "messages": str(messages)}
            task = {**files, "record": sorted(job.record), "on": on}
            name = f"out-{i}.npz" if keep is None else f"{_digest(program, messages, task)}.npz"
            outs.append((keep or folder) / name)
            if not outs[-1].exists():
                listed.append({**task, "out": str(outs[-1].absolute())})
        (folder / JOBS_FILE).write_text(json.dumps(listed), encoding="utf-8")
    except OSError as error:
        found = f"cannot be written: {error.strerror or error}"
        raise InputError(
            Problem(str(error.filename or folder), found, "free space, or point TMPDIR elsewhere")
        ) from None
    return outs


def _digest(program: Path, messages: Path, task: Mapping[str, object]) -> str:
    """Of everything that decides a result. The files have the same bytes for the same content."""
    total = hashlib.sha256(json.dumps([task["record"], task["on"]]).encode())
    for path in (*sorted(program.iterdir()), messages):
        total.update(path.read_bytes())
    return total.hexdigest()
