"""Projections as Lava processes: which process, with which parameters, and how its ports are laid out.

docs/lava.md has the table of choices. Weights are given as they are, sign mode and width explicitly, so that Lava's
clip and truncation change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from lava.proc.conv.process import Conv as LavaConv
from lava.proc.dense.process import DelayDense
from lava.proc.dense.process import Dense as LavaDense
from lava.proc.sparse.process import DelaySparse
from lava.proc.sparse.process import Sparse as LavaSparse
from lava.utils.weightutils import SignMode
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from seamount.compiler.program.needs import convolves
from seamount.backends.lava.processes import GATED
from seamount.compiler.program.program import Conv, Dense, Program, Projection, as_chw, synapses

SIGN_MODES = {
    "mixed": SignMode.MIXED,
    "excitatory": SignMode.EXCITATORY,
    "inhibitory": SignMode.INHIBITORY,
}
DENSE_DELAYS = 2**24
"""DelayDense stacks (delay + 1) copies of the matrix; above this number of entries DelaySparse is used."""


@dataclass(frozen=True, eq=False)
class Synapses:
    """A projection's process. `s_in` and `a_out` are its ports, `layout` how they see a (C, H, W) population."""

    process: Any
    layout: str

    def receive(self, s_out: Any) -> None:
        """Connect the port of a source to the synapses."""
        if self.layout == "whc":
            s_out.reshape(as_chw(s_out.shape)).transpose([2, 1, 0]).connect(self.process.s_in)
        elif len(s_out.shape) == 1:
            s_out.connect(self.process.s_in)
        else:
            s_out.flatten().connect(self.process.s_in)

    def deliver(self, a_in: Any) -> None:
        """Connect the synapses to the port of a target."""
        a_out = self.process.a_out
        if self.layout == "whc":
            a_out = a_out.transpose([2, 1, 0])
        if a_out.shape != a_in.shape:
            a_out = a_out.reshape(a_in.shape)
        a_out.connect(a_in)


def make_synapses(program: Program, q: Projection, steps: int) -> Synapses:
    """The process of a projection. steps: per sample, for the gate of projections with a lag."""
    kind, parameters = _choice(program, q)
    process: Any = (kind if q.lag == 0 else GATED[kind])(**parameters)
    if q.lag > 0:
        process.proc_params["gate"] = (program.offsets[q.target], steps, q.lag)
    return Synapses(process, "whc" if kind is LavaConv else "flat")


def tie(n_in: int, n_out: int) -> Synapses:
    """Synapses without weights: they only make two parts of a network one graph, which Lava asks for."""
    return Synapses(LavaSparse(weights=csr_matrix((n_out, n_in), dtype=np.int32), **_common("mixed", 8, 0)), "flat")


def _choice(program: Program, q: Projection) -> tuple[type, dict[str, Any]]:
    bits = message_bits(program, q.source)
    if convolves(program, q) and isinstance(q.connection, Conv):
        return LavaConv, _conv_parameters(q.connection, q, as_chw(program.shapes[q.source]), bits)
    common = {**_common(q.sign_mode, q.bits, bits), "weight_exp": q.weight_exp, "name": q.name}
    if isinstance(q.connection, Dense):
        weight = q.connection.weight
        if q.delay == 0:
            return LavaDense, {"weights": weight, **common}
        if weight.size * (q.delay + 1) <= DENSE_DELAYS:
            delays = np.full(weight.shape, q.delay, np.int64)
            return DelayDense, {"weights": weight, "delays": delays, **common}
    matrix = _matrix(program, q)
    if q.delay == 0:
        return LavaSparse, {"weights": matrix, **common}
    delays = csr_matrix((np.full(matrix.nnz, q.delay, np.int64), matrix.indices, matrix.indptr), matrix.shape)
    return DelaySparse, {"weights": matrix, "delays": delays, "max_delay": q.delay, **common}


def _common(sign_mode: str, bits: int, message: int) -> Mapping[str, Any]:
    return {"num_message_bits": message, "num_weight_bits": bits, "sign_mode": SIGN_MODES[sign_mode]}


def _conv_parameters(conv: Conv, q: Projection, source: tuple[int, int, int], bits: int) -> dict[str, Any]:
    """Lava convolves, (W, H, C): both axes of the kernel reversed, then (C_out, K_w, K_h, C_in/groups).

    The exponent goes into the weights, because Lava's Conv ignores it.
    """
    c, h, w = source
    weight: NDArray[np.int32] = conv.weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1) << q.weight_exp
    return {
        "weight": np.ascontiguousarray(weight, np.int32),
        "input_shape": (w, h, c),
        "stride": conv.stride[::-1],
        "padding": conv.padding[::-1],
        "dilation": conv.dilation[::-1],
        "groups": conv.groups,
        "num_message_bits": bits,
        "name": q.name,
    }


def _matrix(program: Program, q: Projection) -> Any:
    source, target = program.shapes[q.source], program.shapes[q.target]
    post, pre, weight = synapses(q.connection, source, target)
    shape = int(np.prod(target)), int(np.prod(source))
    return csr_matrix((weight.astype(np.int32), (post, pre)), shape=shape)


def message_bits(program: Program, source: str) -> int:
    """Width of the messages of a source: 0 for spikes, else the narrowest of Loihi 2's that holds its payloads."""
    for port in program.inputs:
        if port.name == source and port.graded:
            magnitude = max(port.high, -port.low - 1)
            signed = port.low < 0
            return next(b for b in (8, 16, 24, 32) if magnitude < 2 ** (b - signed) or b == 32)
    return 0
