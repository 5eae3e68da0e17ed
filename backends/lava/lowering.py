"""Program -> the same program in the constructs that Lava's stock processes get right.

Decided here, with numpy alone, so that exported/network.py has one process per kind of connection:

- a convolution that Lava's Conv would get wrong (compiler/program/needs.py) becomes its list of synapses;
- so do dense synapses with long delays, for which DelayDense stacks (delay + 1) copies of the matrix;
- parts of a network without connection are tied by synapse lists without synapses: Lava runs what is connected.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.program.needs import Firing, FullDecay, Microcode, ShiftOfSum, chip_needs, convolves
from seamount.compiler.program.program import Conv, Dense, Program, Projection, Sparse, synapses

DENSE_DELAYS = 2**24
"""Entries of a stack of delayed weights above which DelaySparse is used."""

LONGEST_DELAY = 63
"""In steps, of lava-nc 0.10.0's processes: a delay has 6 bits there."""


def for_lava(program: Program, folded: bool = True) -> Program:
    """The program as exported/network.py takes it: same integers, same names.

    folded: exponents may be folded into the weights of a Conv, which only Lava's CPU model takes, not a chip.
    Raises CompileError for delays that Lava's processes do not have.
    """
    raise_all(CompileError, [_too_late(q) for q in program.projections if q.delay > LONGEST_DELAY])
    projections = tuple(_listed(program, q, folded) for q in program.projections)
    return replace(program, projections=(*projections, *_ties(program)))


def _too_late(q: Projection) -> Problem:
    remedy = f"compile with --max-delay {LONGEST_DELAY} or less, or use another backend"
    return Problem(
        f"projection '{q.name}'", f"delay is {q.delay}", remedy, f"0 to {LONGEST_DELAY} steps (lava-nc 0.10.0)"
    )


def board_faults(program: Program) -> list[Problem]:
    """What the program needs and stock processes on a board do not do.

    Gates are replaced by a fresh start for each sample. That is not enough where populations fire before their first
    window, which a bias above 0 can make them do: the gate would drop those spikes.
    """
    remedy = "train without it, or run it on the CPU with --backend lava"
    refused = [n for n in chip_needs(program) if isinstance(n, (Firing, Microcode, FullDecay, ShiftOfSum))]
    faults = [Problem(n.where, f"needs {n.what}", remedy) for n in refused]
    gated = [q.name for q in program.projections if q.lag > 0]
    for p in program.populations:
        if gated and p.fires and int(p.bias_mant.max()) > 0:
            found = f"may fire before the first sample, and projections {', '.join(gated)} would carry that into it"
            faults.append(Problem(f"population '{p.name}'", found, remedy, "no bias above 0 in a network with gates"))
    return faults


def _listed(program: Program, q: Projection, folded: bool) -> Projection:
    """The projection with its synapses as a list, where Lava needs that."""
    c = q.connection
    if isinstance(c, Conv):
        keep = convolves(program, q) and (folded or q.weight_exp == 0)
    else:
        keep = not isinstance(c, Dense) or q.delay == 0 or c.weight.size * (q.delay + 1) <= DENSE_DELAYS
    if keep:
        return q
    post, pre, weight = synapses(c, program.shapes[q.source], program.shapes[q.target])
    return replace(q, connection=Sparse(post.astype(np.int32), pre.astype(np.int32), weight.astype(np.int32)))


def _ties(program: Program) -> list[Projection]:
    """Projections without synapses from the first population to each part that is not connected to it."""
    part = {name: {name} for name in program.shapes}

    def merge(a: str, b: str) -> None:
        merged = part[a] | part[b]
        part.update(dict.fromkeys(merged, merged))

    for q in program.projections:
        merge(q.source, q.target)
    none = np.zeros(0, np.int32)
    ties = []
    first = program.populations[0].name
    for p in program.populations[1:]:
        if p.name not in part[first]:
            ties.append(Projection(f"tie {first}->{p.name}", first, p.name, Sparse(none, none, none)))
            merge(first, p.name)
    return ties
