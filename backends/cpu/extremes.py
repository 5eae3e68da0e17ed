"""A test on this machine, before the first run, that the compiled kernels are exact at the ends of their numbers.

Programs that reach the largest and smallest int16 sums, that wrap u and saturate v, go through every kind of weights
and neurons, and are compared with the reference simulator.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.execution import Backend, Trace
from seamount.compiler.program.program import Conv, Dense, InputPort, Population, Program, Projection, Readout, Sparse

EVERYTHING = frozenset({"spikes", "u", "v"})


def is_exact(engine: Backend) -> bool:
    """Whether the engine gives what the reference gives, bit for bit."""
    rng = np.random.default_rng(0)
    for program in extremes():
        port = program.inputs[0]
        x = rng.integers(port.low, port.high + 1, (2, program.steps, *port.shape)).astype(np.int32)
        x[0] = port.high
        sent = {port.name: x}
        if not _same(engine.run(program, sent, EVERYTHING), ReferenceSimulator().run(program, sent, EVERYTHING)):
            return False
    return True


def extremes() -> Iterator[Program]:
    """Weights of int8 and int16, sums that just fit int16 and just do not, payloads; each as every kind of synapses."""
    for largest, beyond, graded in product((127, 255), (0, 1), (False, True)):
        for kind in (Dense, Sparse, Conv):
            yield _program(kind, largest, beyond, graded)


def _program(kind: type, largest: int, beyond: int, graded: bool) -> Program:
    """Two neurons driven to both ends of int16 (without payloads), then neurons with and without memory behind them."""
    count = (2**15 - 1) // largest
    weight = np.zeros((2, count + 1), np.int32)
    weight[0, :count], weight[1, :count] = largest, -largest
    weight[0, count] = 2**15 - 1 - count * largest + beyond
    weight[1, count] = -1 - weight[0, count]
    one = (1, 1) if kind is Conv else ()
    shape, into = (count + 1, *one), (2, *one)
    projections = (
        Projection("up", "x", "a", _connection(kind, np.maximum(weight, 0)), sign_mode="excitatory"),
        Projection("down", "x", "a", _connection(kind, np.minimum(weight, 0)), sign_mode="inhibitory"),
    )
    a = _population("a", into, 4095 if beyond else 3900, 1, 3000)
    b, c = _population("b", (2,), 3, 0, None, offset=2), _population("c", (2,), 4096, 5, 90, offset=2)
    sign = np.array([[254, -256], [-256, 254]], np.int32)
    onward = tuple(Projection(f"a{n}", "a", n, Dense(sign), 7 if graded else 0) for n in "bc")
    port = InputPort("x", shape, graded, -100 if graded else 0, 100 if graded else 1)
    return Program((port,), (a, b, c), (*projections, *onward), (Readout("y", "b", "v", "sum"),), 40)


def _population(name: str, shape: tuple[int, ...], du: int, dv: int, vth: int | None, offset: int = 1) -> Population:
    d = [np.array(x, np.int32) for x in (du, dv, 0)]
    return Population(name, shape, d[0], d[1], None if vth is None else np.array(vth, np.int32), d[2], offset=offset)


def _connection(kind: type, weight: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> Dense | Sparse | Conv:
    if kind is Conv:
        return Conv(weight[:, :, None, None], (1, 1), (0, 0), (1, 1), 1)
    if kind is Sparse:
        rows, cols = (i.astype(np.int32) for i in np.nonzero(weight))
        return Sparse(rows, cols, weight[rows, cols])
    return Dense(weight)


def _same(a: Trace, b: Trace) -> bool:
    series = ((getattr(a, what), getattr(b, what)) for what in ("spikes", "u", "v", "readout"))
    equal = all(np.array_equal(x[name], y[name]) for x, y in series for name in y)
    return equal and not a.counts.differences(b.counts)
