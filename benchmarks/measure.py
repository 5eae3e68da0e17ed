"""One row of the result: all implementations of one case side by side, in turn, each in its own process."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from benchmarks.cases import CASES, Point
from benchmarks.data import samples
from seamount.compiler.codes import share_right

ROOT = Path(__file__).resolve().parents[1]
SHORTEST_S = 0.05
"""A timing lasts at least this long; what is faster is repeated within it."""
LONGEST_S = 5.0
"""What takes longer is timed in one round, not in all."""
PREPARED_S = 180.0
"""What is not ready after so long is left out."""
Say = Callable[[str], None]


class Failed(Exception):
    """An implementation that could not be run, with its last words."""


class Worker:
    """An implementation in its own process. Raises Failed for whatever happens to it."""

    def __init__(self, implementation: str, point: Point, inputs: Path, threads: int) -> None:
        request = {
            "implementation": implementation, "case": point.case, "steps": point.steps,
            "threads": threads, "inputs": str(inputs),
        }  # fmt: skip
        self.name = implementation
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in __exit__
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", json.dumps(request)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True, cwd=ROOT,
            env=environment(threads),
        )  # fmt: skip

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()

    def answer(self, limit_s: float | None = None) -> dict[str, Any]:
        """The next message. After `limit_s` seconds the process is ended."""
        assert self.process.stdout is not None
        late = threading.Timer(limit_s or 0, self.process.kill)
        if limit_s is not None:
            late.start()
        line = self.process.stdout.readline()
        late.cancel()
        if not line and self.process.wait() == -signal.SIGKILL and limit_s is not None:
            raise Failed(f"was not ready after {limit_s:g} s, or killed for want of memory")
        if not line:
            self.process.wait()
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise Failed(said[-1] if said else f"ended with code {self.process.returncode}")
        message: dict[str, Any] = json.loads(line)
        return message

    def ask(self, line: str) -> dict[str, Any]:
        """Send a line, wait for the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        return self.answer()


def environment(threads: int) -> dict[str, str]:
    """The same number of threads for every library."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}


def measure(point: Point, implementations: Sequence[str], threads: int, rounds: int, say: Say) -> dict[str, Any]:
    """Time one row. Returns times, outputs compared, and what failed, ready for JSON."""
    case = CASES[point.case]
    with tempfile.TemporaryDirectory(prefix="seamount-benchmark-") as folder:
        inputs = Path(folder) / "inputs.npy"
        x, y = samples(case.source, "test", point.steps, point.batch)
        np.save(inputs, x)
        workers: list[Worker] = []
        ready: dict[str, dict[str, Any]] = {}
        results: dict[str, dict[str, Any]] = {}
        try:
            for name in implementations:
                say(f"{point.key}: prepare {name}")
                workers.append(Worker(name, point, inputs, threads))
                try:
                    ready[name] = workers[-1].answer(PREPARED_S)
                except Failed as error:
                    results[name] = {"failed": str(error)}
            running = [w for w in workers if w.name in ready]
            results |= _rounds(running, ready, rounds, lambda text: say(f"{point.key}: {text}"))
        finally:
            for worker in workers:
                worker.__exit__(None, None, None)
    return {
        "case": point.case, "steps": point.steps, "batch": point.batch, "threads": threads,
        "input_density": float(np.mean(x != 0)), "results": results, "same": compare(ready, y.tolist()),
    }  # fmt: skip


def _rounds(workers: list[Worker], ready: Mapping[str, Any], rounds: int, say: Say) -> dict[str, dict[str, Any]]:
    """All implementations in turn, `rounds` times; those that take long only once."""
    times: dict[str, list[float]] = {w.name: [] for w in workers}
    repeats = {w.name: max(1, round(SHORTEST_S / max(ready[w.name]["once_s"], 1e-6))) for w in workers}
    results: dict[str, dict[str, Any]] = {}
    for k in range(rounds):
        say(f"round {k + 1} of {rounds}")
        for w in workers:
            if w.name not in results and (k == 0 or ready[w.name]["once_s"] <= LONGEST_S):
                try:
                    times[w.name].append(w.ask(str(repeats[w.name]))["seconds"])
                except Failed as error:
                    results[w.name] = {"failed": str(error)}
    for w in workers:
        if w.name not in results:
            results[w.name] = {
                "median_s": statistics.median(times[w.name]), "min_s": min(times[w.name]),
                "all_s": times[w.name], "repeats": repeats[w.name],
                **{k: v for k, v in ready[w.name].items() if k != "outputs"}, **w.ask("end"),
            }  # fmt: skip
    return results


def compare(ready: Mapping[str, Mapping[str, Any]], labels: Sequence[Any]) -> dict[str, Any]:
    """Whether all compute the same network: predictions and spikes of each against SpikingJelly's, whose module was
    saved and compiled. Float frameworks should agree to rounding, the integers as far as quantization goes."""
    if "spikingjelly" not in ready:
        return {}
    base = ready["spikingjelly"]
    expected = np.asarray(base["outputs"])
    fired = sum(base["spikes"].values())
    compared: dict[str, Any] = {}
    for name, found in ready.items():
        outputs = np.asarray(found["outputs"])
        compared[name] = {
            "predictions": float(np.mean(outputs.argmax(-1) == expected.argmax(-1))),
            "accuracy": share_right(outputs.argmax(-1), np.asarray(labels)),
            "spikes": sum(found["spikes"].values()) / fired if fired else None,
            "output_difference": float(np.abs(outputs - expected).max() / max(np.abs(expected).max(), 1e-12)),
        }
    return compared
