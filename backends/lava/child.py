"""The host as a child process: started in a process group of its own, listened to, and ended with all its workers."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

HOST = Path(__file__).with_name("host.py")
MARK = "seamount: "
TAIL = 30
"""Lines of other output that are kept for an error message."""
GRACE_S = 2.0
"""After SIGTERM, so that Python's resource tracker can free the memory the workers shared."""


class HostProcess:
    """`with HostProcess(python, jobs, processes) as host: for event in host.events(...)`."""

    def __init__(self, python: Path, jobs: Path, processes: int) -> None:
        files = ["--jobs", str(jobs), "--processes", str(processes)]
        command = [str(python), str(HOST), "--child", str(os.getpid()), *files]
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,
        )
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> HostProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def group(self) -> int:
        """Process group of the host and all its workers."""
        return self._process.pid

    def events(self, deadline: float | None, stall_s: float) -> Iterator[dict[str, Any]]:
        """What the host says, until it ends. An event "late" or "stalled" of our own ends it when time is up.

        deadline: on the monotonic clock. stall_s: longest time without an event.
        """
        while True:
            now = time.monotonic()
            left = stall_s if deadline is None else min(stall_s, deadline - now)
            try:
                line = self._lines.get(timeout=max(0.0, left))
            except queue.Empty:
                yield {"event": "late" if left < stall_s else "stalled"}
                return
            if line is None:
                yield {"event": "ended", "code": self._process.wait()}
                return
            text = line.decode(errors="replace").rstrip("\n")
            if text.startswith(MARK):
                yield json.loads(text[len(MARK) :])
            elif text.strip():
                self.tail.append(text)

    def end(self) -> None:
        """End the host and every worker; returns when none is left that holds our pipe, which all of them inherit."""
        self._signal(signal.SIGTERM)
        self._reader.join(GRACE_S)
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join(GRACE_S)

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):  # nobody left; macOS says so with the second
            os.killpg(self.group, number)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)


def _environment() -> dict[str, str]:
    """One thread per worker: Lava already has a process for each part. Nothing of our own Python's path."""
    ours = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")}
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**ours, **dict.fromkeys(threads, "1"), "PYTHONUNBUFFERED": "1"}
