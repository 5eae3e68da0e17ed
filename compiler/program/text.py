"""An integer program as short, readable text: one block per port, population, projection and readout.

Small arrays are printed whole, larger ones as shape, range and a digest of their values, so that two programs with
the same text are the same for every practical purpose.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.program.program import (
    V_MAX,
    Connection,
    Conv,
    Dense,
    InputPort,
    Population,
    Program,
    Projection,
    Readout,
    Shape,
)

INLINE = 8
"""Arrays of at most this many elements are printed whole."""


def to_text(program: Program) -> str:
    """The program, ending in a line feed."""
    blocks = [
        f"program: {program.steps} steps per sample, depth {program.depth}{_slowed(program.slow_down)}",
        *(_input(port) for port in program.inputs),
        *(_population(p) for p in program.populations),
        *(_projection(q) for q in program.projections),
        *(_readout(r) for r in program.readouts),
    ]
    return "\n".join(blocks) + "\n"


def array_text(array: NDArray[np.integer]) -> str:
    """A number, a short list, or shape, range and the first 12 digits of the sha256 of the little-endian int32s."""
    values = np.asarray(array)
    if values.ndim == 0:
        return str(int(values))
    if values.size <= INLINE:
        return str(values.tolist()).replace(" ", "")
    digest = hashlib.sha256(np.ascontiguousarray(values, "<i4").tobytes()).hexdigest()[:12]
    return f"{_shape(values.shape)} {int(values.min())}..{int(values.max())} sha256:{digest}"


def _slowed(slow_down: int) -> str:
    return f", {slow_down} steps of the chip for each" if slow_down > 1 else ""


def _input(port: InputPort) -> str:
    kind = f"graded {port.low}..{port.high}" if port.graded else "spikes"
    return f"input {port.name} {_shape(port.shape)} {kind}"


def _population(p: Population) -> str:
    lines = [
        f"population {p.name} {_shape(p.shape)} offset {p.offset}",
        f"  du {array_text(p.du)}",
        f"  dv {array_text(p.dv)}",
        "  never fires" if p.vth is None else f"  vth {array_text(p.vth)}",
        f"  bias {array_text(p.bias_mant)} * 2**{p.bias_exp}",
    ]
    if p.vth is not None:
        amount = array_text(np.asarray(p.reset_by))
        lines.append("  reset to zero" if p.reset == "zero" else f"  reset by subtracting {amount}")
    if p.most > 1:
        lines.append(f"  up to {p.most} spikes in a message")
    if p.guarded:
        lines.append("  after a step that left v above vth, fires from one reset higher on")
    if np.any(np.asarray(p.v_init) != 0):
        lines.append(f"  v starts at {array_text(np.asarray(p.v_init))}")
    if p.v_min > -V_MAX:
        lines.append(f"  v at least {p.v_min}")
    return "\n".join(lines)


def _projection(q: Projection) -> str:
    return "\n".join(
        (
            f"projection {q.name}: {q.source} -> {q.target}",
            f"  {_connection(q.connection)}",
            f"  {q.bits} bits {q.sign_mode}, times 2**{q.weight_exp}, delay {q.delay}, lag {q.lag}",
        )
    )


def _connection(connection: Connection) -> str:
    if isinstance(connection, Dense):
        return f"dense {array_text(connection.weight)}"
    if isinstance(connection, Conv):
        c = connection
        geometry = f"stride {_shape(c.stride)} padding {_shape(c.padding)} dilation {_shape(c.dilation)}"
        spread = f" input dilation {_shape(c.input_dilation)}" if c.input_dilation != (1, 1) else ""
        return f"conv {array_text(c.weight)} {geometry} groups {c.groups}{spread}"
    rows, cols = array_text(connection.rows), array_text(connection.cols)
    return f"sparse {array_text(connection.weight)} rows {rows} cols {cols}"


def _readout(r: Readout) -> str:
    return f"readout {r.name}: {r.rule} of {r.register} of {r.population}"


def _shape(shape: Shape) -> str:
    return "(" + ",".join(map(str, shape)) + ")"
