"""One run of one graph, watched: a worker that dies ends the run within a moment instead of hanging it.

Lava makes every process an operating-system process and waits for it without a limit; an exception in one of them is
seen only by who looks at them. So the run is started without blocking, and the workers are polled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from numpy.typing import NDArray

from seamount.backends.lava.build import Network
from seamount.backends.lava.recorder import Recorder
from seamount.backends.lava.results import make_trace, registers_needed
from seamount.compiler.errors import CheckFailed, Problem
from seamount.compiler.execution import Trace, check_request
from seamount.compiler.program.program import Program
from seamount.compiler.program.verify import check

POLL_S = 0.005
StepProgress = Callable[[int, int], None]
"""Called with (steps done, steps in all) while the graph runs."""


def run_job(
    program: Program,
    messages: Mapping[str, NDArray[np.integer]],
    record: frozenset[str],
    progress: StepProgress | None = None,
) -> Trace:
    """Run all samples gapless in one graph. Call in a process of its own: Lava keeps what it once held.

    Raises CheckFailed with the worker's traceback when a worker dies, InputError for messages that do not fit.
    """
    check(program)
    samples, steps = check_request(program, messages, record)
    recorders = {
        p.name: Recorder(
            p.shape, samples * steps, p.offset, registers_needed(program, record)[p.name], program.slow_down
        )
        for p in program.populations
    }
    network = Network(program, messages, recorders)
    total = program.duration(samples, steps)
    try:
        _start(network, total)
        _watch(network, recorders, total, progress)
        network.root.wait()
        network.root.stop()
    except BaseException:
        kill_workers(network)
        raise
    return make_trace(program, messages, recorders, record)


def _start(network: Network, steps: int) -> None:
    network.root.run(condition=RunSteps(num_steps=steps, blocking=False), run_cfg=network.run_config())


def _watch(network: Network, recorders: Mapping[str, Recorder], total: int, progress: StepProgress | None) -> None:
    """Return when every population has made its last step."""
    actors = network.root.runtime._messaging_infrastructure.actors
    while True:
        for actor in actors:
            if actor.exception is not None or not actor.is_alive():
                raise CheckFailed(_death(actor))
        done = min(r.clock for r in recorders.values())
        if progress is not None:
            progress(done, total)
        if done >= total:
            return
        time.sleep(POLL_S)


def _death(actor: Any) -> Problem:
    deadline = time.monotonic() + 1.0
    while actor.exception is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    if actor.exception is not None:
        found = f"a process model raised an exception:\n{actor.exception[1].strip()}"
        return Problem("Lava", found, "report this as a bug in the lowering to Lava")
    code = actor.exitcode
    found = f"a worker process died ({f'signal {-code}' if code is not None and code < 0 else f'exit code {code}'})"
    return Problem("Lava", found, "something outside ended it, perhaps for want of memory: give smaller batches")


def kill_workers(network: Network) -> None:
    """End every process of a graph, and free the memory they share."""
    runtime = network.root.runtime
    infrastructure = getattr(runtime, "_messaging_infrastructure", None)
    if infrastructure is None:
        return
    for actor in infrastructure.actors:
        if actor.is_alive():
            actor.kill()
    for actor in infrastructure.actors:
        actor._popen.wait(1.0)
    if infrastructure.smm is not None:
        infrastructure.smm.shutdown()
