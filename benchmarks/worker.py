"""A process of its own for each implementation: prepares it once, then runs it whenever a line asks for it.

Lines in: a number of repetitions, or "end". Lines out: JSON. What libraries print goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.machine import peak_bytes


def main(words: list[str]) -> None:
    """Serve one implementation; `words` holds the request as JSON: implementation, case, steps, threads, inputs."""
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.loads(words[0])
    runner, ready = _prepare(request)
    _say(channel, ready)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        count = int(line)
        begin = time.perf_counter()
        for _ in range(count):
            runner.run()
        _say(channel, {"seconds": (time.perf_counter() - begin) / count})
    _say(channel, {"peak_bytes": peak_bytes()})


def _prepare(request: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The implementation, warm, and what it computes."""
    import torch

    torch.set_num_threads(request["threads"])
    from benchmarks.cases import CASES
    from benchmarks.measure import LONGEST_S
    from benchmarks.runners import Integers, Peer, make

    x = np.load(Path(request["inputs"]), allow_pickle=False)
    case, rest = CASES[request["case"]], (request["steps"], request["threads"])
    make(request["implementation"], case, x[:1], *rest).run()  # loads machine code, so that the next run tells the time
    runner = make(request["implementation"], case, x, *rest)
    begin = time.perf_counter()
    outputs = runner.run()
    ready: dict[str, Any] = {"first_s": time.perf_counter() - begin, "outputs": outputs.tolist()}
    ready["once_s"] = ready["first_s"]
    if isinstance(runner, Peer):
        ready["once_s"] = runner.tune()
        ready["order"] = str(runner.order)
    elif ready["first_s"] <= LONGEST_S:
        begin = time.perf_counter()
        runner.run()
        ready["once_s"] = time.perf_counter() - begin
    ready["spikes"] = dict(runner.spikes())
    if isinstance(runner, Integers):
        ready["synops"] = runner.synops()
    return runner, ready


def _say(channel: TextIO, message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
