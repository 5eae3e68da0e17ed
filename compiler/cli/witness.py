"""Which simulator vouches for a program: the reference, unless the network is too large for it."""

from __future__ import annotations

from seamount.backends.registry import DEFAULT_BACKEND, load_backend
from seamount.compiler.execution import Backend
from seamount.compiler.program.program import Program
from seamount.compiler.report.layer_rows import synapse_count

LISTED = 2**26
"""Synapses up to which the reference is asked. It lists each of them in 24 bytes, and adds them one by one."""


def synapses_in(program: Program) -> int:
    """All pairs of neurons that projections join."""
    shapes = program.shapes
    return sum(synapse_count(q.connection, shapes[q.source], shapes[q.target]) for q in program.projections)


def too_large(program: Program) -> str:
    """Why the reference is not asked, as a note; empty where it is."""
    count = synapses_in(program)
    if count <= LISTED:
        return ""
    return f"the reference simulator would list {count:,} synapses in {count * 24 / 2**30:.0f} GiB, so it is not asked"


def witness(program: Program) -> Backend:
    """The simulator whose answers are stored as test vectors."""
    return load_backend(DEFAULT_BACKEND if too_large(program) else "reference")
