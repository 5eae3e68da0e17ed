"""The wiring of each projection, by the kind of its connection."""

from __future__ import annotations

import numpy as np

from seamount.compiler.placement.axis import axes
from seamount.compiler.placement.synapse_memory import Coding
from seamount.compiler.placement.wiring import Wiring
from seamount.compiler.placement.wiring_conv import ConvWiring
from seamount.compiler.placement.wiring_dense import DenseWiring
from seamount.compiler.placement.wiring_lists import ListWiring
from seamount.compiler.program.program import Conv, Dense, Program, Projection, as_chw


def wire(program: Program, q: Projection, coding: Coding) -> Wiring:
    """The wiring of a projection. Zero weights of dense and sparse connections are not stored where that is cheaper,
    and a source whose weights into a slice are all zero sends nothing there."""
    source, target = program.shapes[q.source], program.shapes[q.target]
    n_in, n_out = (int(np.prod(shape, dtype=np.int64)) for shape in (source, target))
    width, c = coding.synapse_width(q), q.connection
    if isinstance(c, Conv):
        rows, columns = axes(c, source, target)
        per_out = as_chw(target)[0] // c.groups
        return ConvWiring(rows, columns, c.groups, c.weight.shape[1], per_out, width, coding)
    if isinstance(c, Dense):
        if c.weight.all():
            return DenseWiring(n_in, n_out, width, coding)
        rows_, cols = np.nonzero(c.weight)
        return ListWiring(rows_.astype(np.int64), cols.astype(np.int64), np.full(n_out, n_in), n_in, width, coding)
    some = c.weight != 0
    pairs = np.bincount(c.rows, minlength=n_out).astype(np.int64)
    return ListWiring(c.rows[some].astype(np.int64), c.cols[some].astype(np.int64), pairs, n_in, width, coding)
