"""How many threads a run takes."""

from __future__ import annotations

import os

from seamount.compiler.errors import InputError, Problem


def threads_at_hand(asked: int | None) -> int:
    """The number asked for; None takes the cores this process may use, where the system says so.

    Raises InputError for less than one.
    """
    if asked is not None and asked < 1:
        raise InputError(Problem("threads", f"are {asked}", "give at least 1, or none at all"))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return asked or cores
