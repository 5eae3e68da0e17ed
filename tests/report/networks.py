"""Four small networks, and one fault of each kind to plant in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.artifact import Artifact, Vectors, save_artifact
from seamount.compiler.codes import InputCode, OutputCode
from seamount.compiler.driver import with_vectors
from seamount.compiler.manifest import About, Manifest
from seamount.compiler.program.program import (
    Conv,
    Dense,
    InputPort,
    Population,
    Program,
    Projection,
    Readout,
    Shape,
    Sparse,
)
from tests.program_samples import i32

STEPS, SAMPLES = 6, 2
EVERYTHING = frozenset({"spikes", "u", "v"})
Messages = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """A program, messages for it, and where faults are planted: a population and a projection into it."""

    program: Program
    messages: Messages
    population: str
    projection: str


def _neurons(rng: Any, name: str, shape: Shape, offset: int, **more: Any) -> Population:
    return Population(
        name,
        shape,
        **{
            "du": i32(rng.integers(1000, 3000, shape)),
            "dv": i32(rng.integers(100, 900, shape)),
            "vth": i32(rng.integers(400, 900, shape)),
            "bias_mant": i32(rng.integers(-40, 80, shape)),
            "bias_exp": 3,
            "offset": offset,
            **more,
        },
    )


def _even(rng: Any, shape: Shape) -> Any:
    return i32(2 * rng.integers(-40, 60, shape))


def _out(offset: int) -> Population:
    return Population("out", (3,), i32(4095), i32(0), None, i32(0), offset=offset)


def _spikes(rng: Any, shape: Shape) -> Messages:
    return {"x": i32(rng.random((SAMPLES, STEPS, *shape)) < 0.6)}


def _finish(inputs: InputPort, populations: Any, projections: Any) -> Program:
    return Program((inputs,), populations, projections, (Readout("y", "out", "v", "last"),), STEPS)


def dense() -> Network:
    """Two dense layers."""
    rng = np.random.default_rng(1)
    program = _finish(
        InputPort("x", (12,), False),
        (_neurons(rng, "hidden", (7,), 1), _neurons(rng, "deep", (5,), 2), _out(3)),
        (
            Projection("x->hidden", "x", "hidden", Dense(_even(rng, (7, 12)))),
            Projection("hidden->deep", "hidden", "deep", Dense(_even(rng, (5, 7))), 1),
            Projection("deep->out", "deep", "out", Dense(_even(rng, (3, 5)))),
        ),
    )
    return Network(program, _spikes(rng, (12,)), "deep", "hidden->deep")


def conv() -> Network:
    """Graded input, a convolution with stride 2 in 2 groups, another one, sparse readout."""
    rng = np.random.default_rng(2)
    program = _finish(
        InputPort("x", (2, 5, 5), True, 0, 15),
        (_neurons(rng, "conv1", (4, 3, 3), 1, vth=i32(4000)), _neurons(rng, "conv2", (2, 2, 2), 2), _out(3)),
        (
            Projection("x->conv1", "x", "conv1", Conv(_even(rng, (4, 1, 3, 3)), (2, 2), (1, 1), (1, 1), 2)),
            Projection("conv1->conv2", "conv1", "conv2", Conv(_even(rng, (2, 4, 2, 2)), (1, 1), (0, 0), (1, 1), 1)),
            Projection("conv2->out", "conv2", "out", Sparse(i32([0, 1, 2]), i32([7, 3, 0]), i32([20, 30, -40]))),
        ),
    )
    messages = {"x": i32(rng.integers(0, 16, (SAMPLES, STEPS, 2, 5, 5)))}
    return Network(program, messages, "conv1", "x->conv1")


def recurrent() -> Network:
    """A population with a projection to itself."""
    rng = np.random.default_rng(3)
    program = _finish(
        InputPort("x", (6,), False),
        (_neurons(rng, "loop", (8,), 1), _out(2)),
        (
            Projection("x->loop", "x", "loop", Dense(_even(rng, (8, 6)))),
            Projection("loop->loop", "loop", "loop", Dense(_even(rng, (8, 8))), delay=0, lag=1),
            Projection("loop->out", "loop", "out", Dense(_even(rng, (3, 8)))),
        ),
    )
    return Network(program, _spikes(rng, (6,)), "loop", "loop->loop")


def residual() -> Network:
    """Two paths that meet, the shorter one delayed, and a third that comes two steps late."""
    rng = np.random.default_rng(4)
    vth = i32([60, 120, 500, 90, 150, 200])
    program = _finish(
        InputPort("x", (6,), False),
        (
            _neurons(rng, "a", (6,), 1, vth=vth),
            _neurons(rng, "b", (6,), 2, vth=vth),
            _neurons(rng, "join", (6,), 3, vth=vth),
            _out(4),
        ),
        (
            Projection("x->a", "x", "a", Dense(_even(rng, (6, 6)))),
            Projection("a->b", "a", "b", Dense(_even(rng, (6, 6)))),
            Projection("b->join", "b", "join", Dense(_even(rng, (6, 6)))),
            Projection("a->join", "a", "join", Dense(_even(rng, (6, 6))), delay=1),
            Projection("x->join", "x", "join", Dense(_even(rng, (6, 6))), -1, delay=4, lag=2),
            Projection("join->out", "join", "out", Dense(_even(rng, (3, 6)))),
        ),
    )
    return Network(program, _spikes(rng, (6,)), "join", "a->join")


NETWORKS = {"dense": dense, "conv": conv, "recurrent": recurrent, "residual": residual}


def with_population(program: Program, name: str, **changes: Any) -> Program:
    parts = tuple(replace(p, **changes) if p.name == name else p for p in program.populations)
    return replace(program, populations=parts)


def with_projection(program: Program, name: str, **changes: Any) -> Program:
    parts = tuple(replace(q, **changes) if q.name == name else q for q in program.projections)
    return replace(program, projections=parts)


def stepped(array: Any, place: int, by: int, shape: Shape | None = None) -> Any:
    """The array, one entry changed; a single number is spread over `shape` first."""
    changed = np.array(array if shape is None else np.broadcast_to(array, shape), np.int32)
    changed.reshape(-1)[place] += by
    return changed


def weight_fault(net: Network) -> tuple[Program, Program]:
    """One weight one grid step larger."""
    q = next(q for q in net.program.projections if q.name == net.projection)
    weight = stepped(q.connection.weight, q.connection.weight.size // 2, 2)
    return net.program, with_projection(net.program, q.name, connection=replace(q.connection, weight=weight))


def decay_fault(net: Network) -> tuple[Program, Program]:
    """The membrane decay of one neuron one larger."""
    p = net.program.population(net.population)
    return net.program, with_population(net.program, p.name, dv=stepped(p.dv, 2, 1, p.shape))


def current_decay_fault(net: Network) -> tuple[Program, Program]:
    """The current decay of one neuron one larger."""
    p = net.program.population(net.population)
    return net.program, with_population(net.program, p.name, du=stepped(p.du, 2, 1, p.shape))


def bias_fault(net: Network) -> tuple[Program, Program]:
    """The bias mantissa of one neuron one larger."""
    p = net.program.population(net.population)
    return net.program, with_population(net.program, p.name, bias_mant=stepped(p.bias_mant, 3, 1, p.shape))


def reset_fault(net: Network) -> tuple[Program, Program]:
    """Reset by subtraction in place of reset to zero."""
    return net.program, with_population(net.program, net.population, reset="subtract", reset_by=500)


def delay_fault(net: Network) -> tuple[Program, Program]:
    """One projection a step later."""
    q = next(q for q in net.program.projections if q.name == net.projection)
    return net.program, with_projection(net.program, q.name, delay=q.delay + 1, lag=q.lag + 1)


def threshold_fault(net: Network) -> tuple[Program, Program]:
    """v meets the threshold exactly (no spike), and a threshold one lower (spike); see `boundary`."""
    p = net.program.population(net.population)
    _, _, neuron, v = boundary(net)
    plain = plain_integrator(net)
    high = np.full(p.shape, 131071, np.int32)
    high.reshape(-1)[neuron] = v // 64
    return with_population(plain, p.name, vth=high), with_population(plain, p.name, vth=stepped(high, neuron, -1))


def plain_integrator(net: Network) -> Program:
    """The population sums its input: no bias, no decay of v, no memory of u; v is a multiple of 64."""
    plain = {"du": i32(4095), "dv": i32(0), "bias_mant": i32(0)}
    return with_population(net.program, net.population, **plain)


def boundary(net: Network) -> tuple[int, int, int, int]:
    """(sample, step, neuron, v) at which v of the plain integrator first exceeds all its earlier values, and 64.

    With the threshold v / 64 it does not fire there, nor before; with one less it does.
    """
    silent = with_population(plain_integrator(net), net.population, vth=i32(131071))
    v = run(silent, net.messages).v[net.population].reshape(SAMPLES, STEPS, -1)[0]
    for neuron in range(v.shape[1]):
        step = int(np.argmax(v[:, neuron]))
        if v[step, neuron] > 64 and step > 1:
            return 0, step, neuron, int(v[step, neuron])
    raise AssertionError("the network never drives a neuron of the population")


FAULTS = {
    "weight": weight_fault,
    "decay": decay_fault,
    "current decay": current_decay_fault,
    "bias": bias_fault,
    "reset": reset_fault,
    "delay": delay_fault,
    "threshold": threshold_fault,
}


def run(program: Program, messages: Messages) -> Any:
    return ReferenceSimulator().run(program, messages, EVERYTHING)


def write_artifact(program: Program, messages: Messages, folder: Path) -> Path:
    """An artifact of the program whose test vectors are the messages."""
    port = program.inputs[0]
    code = InputCode(port.name, port.shape, "graded" if port.graded else "spikes", 1.0, port.low, port.high, "sequence")
    about = Manifest(model=About(name="planted"))
    bare = Artifact(program, (code,), (OutputCode("y", 1.0, "last"),), about, Vectors({}, {}, {}))
    save_artifact(with_vectors(bare, ReferenceSimulator(), messages), folder)
    return folder
