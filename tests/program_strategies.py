"""Random integer programs and messages for hypothesis.

    @given(cases())                                      anything the verifier accepts
    @given(cases(allow=STOCK))                           only what a stock Loihi LIF can do
    @given(cases(force=frozenset({"recurrent"})))        always with a loop

Structure and scalars are drawn by hypothesis, so that they shrink; arrays come from a drawn seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from seamount.compiler.program import bounds
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
    Sparse,
    as_chw,
)
from seamount.compiler.windows import Window

KINDS = frozenset({"dense", "sparse", "conv", "conv1d"})
"""Kinds of connection; if one is forced, the first projection of the program has it."""
MICROCODE = frozenset({"soft_reset", "v_min", "v_init"})
FEATURES = KINDS | MICROCODE | {
    "inputs",         # a second input port
    "graded",         # integer payloads at an input port
    "residual",       # several projections into one population, balanced by delays
    "delay",          # delays beyond the balance: a population starts later, or sees a source with lag >= 1
    "recurrent",      # self loops, and loops over several populations
    "per_neuron",     # du, dv, vth, bias and v_init as arrays
    "bias",           # bias mantissas other than 0, exponents of both signs
    "exponent",       # weight exponents above 0
    "negative_exp",   # weight exponents below 0
    "few_bits",       # weights of 1 to 7 bits
    "one_sign",       # sign modes excitatory and inhibitory
    "extremes",       # decays 0, 1, 4095, 4096 and thresholds 0, 1, 131071
    "loud",           # weight exponents as high as the static bound allows: u wraps, v saturates
    "silent_readout", # the last population never fires
}  # fmt: skip
STOCK = FEATURES - MICROCODE
SLOW = frozenset({"slow_down"})
"""2 or 3 steps of the chip for each of the network, and loops that need them; drawn only where it is asked for."""
TRANSPOSED = frozenset({"transposed"})
"""Zeros between the sources of convolutions; drawn only where it is asked for."""

Draw = Callable[[st.SearchStrategy[Any]], Any]
GRADED = [(0, 255), (-128, 127), (-3, 5), (0, 1000), (2, 9)]


@st.composite
def programs(
    draw: Draw,
    allow: frozenset[str] = FEATURES,
    force: frozenset[str] = frozenset(),
    max_populations: int = 4,
) -> Program:
    """A program that the verifier accepts, with features from `allow`, all of `force` among them."""
    force |= {"conv"} if "transposed" in force else set()
    allow |= force & (SLOW | TRANSPOSED)
    assert force <= allow <= FEATURES | SLOW | TRANSPOSED, (force - allow, allow - FEATURES)
    return _Draft(draw, allow, force).program(max_populations)


@st.composite
def messages(draw: Draw, program: Program, max_samples: int = 3, steps: int | None = None) -> dict[str, Any]:
    """Messages for every input port, (N, T, *shape) int32; T is the program's default unless given."""
    samples = draw(st.integers(1, max_samples))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.3, 0.7, 1.0, 0.0]))
    out = {}
    for port in program.inputs:
        shape = (samples, program.steps if steps is None else steps, *port.shape)
        values = rng.integers(port.low, port.high + 1, shape) if port.graded else np.ones(shape, np.int64)
        quiet = port.low if port.graded and port.low > 0 else 0
        out[port.name] = np.where(rng.random(shape) < density, values, quiet).astype(np.int32)
    return out


@st.composite
def cases(
    draw: Draw,
    allow: frozenset[str] = FEATURES,
    force: frozenset[str] = frozenset(),
    max_populations: int = 4,
    max_samples: int = 3,
) -> tuple[Program, dict[str, Any]]:
    """A program and messages for it."""
    program = draw(programs(allow, force, max_populations))
    return program, draw(messages(program, max_samples))


@dataclass
class _Node:
    """An input port or a population under construction."""

    name: str
    shape: Shape
    offset: int
    fires: bool = True


class _Draft:
    """The program under construction: nodes and projections first, parameters fitted to them afterwards."""

    def __init__(self, draw: Draw, allow: frozenset[str], force: frozenset[str]) -> None:
        self.draw, self.allow, self.force = draw, allow, force
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.nodes: list[_Node] = []
        self.projections: list[Projection] = []
        self.slow_down = self.integer(2, 3) if self.wants("slow_down") else 1

    def wants(self, feature: str) -> bool:
        """Whether this program shall have the feature, at this place."""
        if feature in self.force:
            return True
        return feature in self.allow and bool(self.draw(st.booleans()))

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def pick(self, choices: list[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    # structure

    def program(self, max_populations: int) -> Program:
        inputs = self.inputs()
        for _ in range(self.integer(1, max_populations)):
            self.add_population(first=len(self.nodes) == len(inputs))
        populations = self.nodes[len(inputs) :]
        if self.wants("silent_readout"):
            populations[-1].fires = False
        if self.wants("recurrent"):
            self.add_loops(populations)
        bare = tuple(self.bare(node) for node in populations)
        program = Program(inputs, bare, tuple(self.projections), (), self.integer(1, 6), self.slow_down)
        program = self.fit_exponents(program)
        program = replace(program, populations=tuple(self.parameters(program, p) for p in program.populations))
        return replace(self.fit_exponents(program), readouts=self.readouts(populations))

    def inputs(self) -> tuple[InputPort, ...]:
        ports = []
        for i in range(2 if self.wants("inputs") else 1):
            kind = self.pick(sorted(self.force & KINDS or self.allow & KINDS))
            graded = self.wants("graded")
            low, high = self.pick(GRADED) if graded else (0, 1)
            ports.append(InputPort(f"x{i}", self.shape(kind), graded, low, high))
            self.nodes.append(_Node(f"x{i}", ports[-1].shape, 0))
        return tuple(ports)

    def shape(self, kind: str) -> Shape:
        dims = {"conv": 3, "conv1d": 2}.get(kind) or self.integer(1, 3)
        top = {1: 12, 2: 6, 3: 5}[dims]
        return tuple(self.integer(1, 3 if i == 0 and dims > 1 else top) for i in range(dims))

    def add_population(self, first: bool) -> None:
        """A population fed by one source, by all inputs if it is the first, and by others if residual."""
        sources = list(self.nodes) if first else [self.pick(self.nodes[::-1])]
        if not first and self.wants("residual"):
            sources += [n for n in self.nodes if n is not sources[0] and self.draw(st.booleans())]
        kinds = sorted(self.force & KINDS or self.allow & KINDS) if first else sorted(self.allow & KINDS)
        fitting = [k for k in kinds if {"conv": 3, "conv1d": 2}.get(k, len(sources[0].shape)) == len(sources[0].shape)]
        kind = self.pick(fitting or ["dense"])
        name = f"p{sum(n.name[0] == 'p' for n in self.nodes)}"
        connect, shape = self.connection(kind, sources[0].shape)
        late = self.integer(0, 2) if self.wants("delay") else 0
        node = _Node(name, shape, max(1 + s.offset for s in sources) + late)
        self.project(sources[0], node, connect, late)
        for source in sources[1:]:
            same = source.shape == sources[0].shape and kind.startswith("conv")
            other = connect if same else self.between(source.shape, shape)
            self.project(source, node, other, late)
        self.nodes.append(node)

    def connection(self, kind: str, source: Shape) -> tuple[Callable[..., Connection], Shape]:
        """A connection that only lacks its weights, and the target's shape."""
        if not kind.startswith("conv"):
            shape = self.shape("dense")
            return self.between(source, shape, kind), shape
        channels, height, width = as_chw(source)
        groups = self.pick([g for g in (1, 2, 3) if channels % g == 0])
        axes = []
        spread = (1, 3) if self.wants("transposed") else (1, 1)
        for size in (height, width):
            window = Window(*(self.integer(*r) for r in ((1, 3), (1, 3), (0, 2), (1, 2), spread)))
            if len(source) == 2 and len(axes) == 0:
                window = Window(1)
            if window.outputs(size) < 1:
                window = replace(window, kernel=1)
            more = self.integer(0, max(window.dilation, window.input_dilation) - 1) if window.input_dilation > 1 else 0
            axes.append((*astuple(window), window.outputs(size) + more))
        kernel, stride, padding, dilation, input_dilation, out = zip(*axes, strict=True)
        c_out = groups * self.integer(1, 2)
        shape = (c_out, *(out if len(source) == 3 else out[1:]))

        def build(weights: Callable[[Shape], Any]) -> Conv:
            w = weights((c_out, channels // groups, *kernel))
            return Conv(w, stride, padding, dilation, groups, input_dilation)

        return build, shape

    def between(self, source: Shape, target: Shape, kind: str | None = None) -> Callable[..., Connection]:
        """Dense or sparse synapses between any two shapes."""
        kind = kind or self.pick([k for k in ("dense", "sparse") if k in self.allow] or ["dense"])
        n_in, n_out = int(np.prod(source)), int(np.prod(target))
        if kind == "dense":
            return lambda weights: Dense(weights((n_out, n_in)))
        pairs = self.rng.permutation(n_in * n_out)[: self.integer(1, n_in * n_out)]
        rows, cols = np.divmod(pairs.astype(np.int32), np.int32(n_in))
        return lambda weights: Sparse(rows, cols, weights(pairs.shape))

    def project(self, source: _Node, target: _Node, connect: Callable[..., Connection], late: int = 0) -> None:
        """Add a projection with the delay that its lag asks for."""
        lag = self.integer(1, 2) if late and self.draw(st.booleans()) else 0
        self.finish(source, target, connect, target.offset - source.offset - 1 + lag)

    def add_loops(self, populations: list[_Node]) -> None:
        """One or two projections from a population to itself, to one that feeds it, or to any earlier one."""
        firing = [n for n in populations if n.fires]
        for _ in range(self.integer(1, 2) if firing else 0):
            source = self.pick(firing[::-1])
            earlier = populations[: populations.index(source) + 1]
            feeding = {q.source for q in self.projections if q.target == source.name}
            target = self.pick([[n for n in earlier if n.name in feeding] or [source], [source], earlier])
            target = self.pick(target)
            late = self.integer(0, 3) if self.wants("delay") else 0
            delay = late + max(0, target.offset - source.offset)
            self.finish(source, target, self.between(source.shape, target.shape), delay)

    def finish(self, source: _Node, target: _Node, connect: Callable[..., Connection], delay: int) -> None:
        bits = self.integer(1, 7) if self.wants("few_bits") else 8
        mode = self.pick(["excitatory", "inhibitory"]) if self.wants("one_sign") else "mixed"
        density = self.pick([1.0, 0.5])
        low, high = 0, 1
        if self.wants("negative_exp"):
            low, high = -8, -1
        elif self.wants("exponent"):
            low, high = 1, 7
        least = 1 + source.offset - target.offset
        lag = -(-(least + delay) // self.slow_down)
        delay = self.slow_down * lag - least
        name = f"{source.name}->{target.name}#{len(self.projections)}"
        connection = connect(lambda shape: self.weights(shape, bits, mode, density))
        exponent = self.integer(low, high) if (low, high) != (0, 1) else 0
        self.projections.append(
            Projection(name, source.name, target.name, connection, exponent, bits, mode, delay, lag)
        )

    def weights(self, shape: Shape, bits: int, mode: str, density: float) -> Any:
        """Random weights on the grid of their bits and sign mode."""
        grid = 2 ** (8 - bits + (mode == "mixed"))
        low, high = {
            "mixed": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
            "excitatory": (0, 2**bits - 1),
            "inhibitory": (-(2**bits) + 1, 0),
        }[mode]
        codes = self.rng.integers(low, high + 1, shape)
        return (codes * grid * (self.rng.random(shape) < density)).astype(np.int32)

    # parameters

    def bare(self, node: _Node) -> Population:
        zero = np.array(0, np.int32)
        vth = zero if node.fires else None
        return Population(node.name, node.shape, zero, zero, vth, zero, offset=node.offset)

    def fit_exponents(self, program: Program) -> Program:
        """Move the weight exponents into each population up (loud) or down until the static bound holds."""
        for p in program.populations:
            loud = self.wants("loud")
            while loud:
                louder = self.shifted(program, p, 1)
                loud = louder is not program and self.fits(louder, p)
                program = louder if loud else program
            while not self.fits(program, p):
                program = self.shifted(program, p, -1)
        return program

    @staticmethod
    def shifted(program: Program, p: Population, by: int) -> Program:
        """All weight exponents into p moved by one; the same program when one of them is at its end."""
        moved = {q.name: q.weight_exp + by for q in program.into(p.name)}
        if by > 0 and max(moved.values(), default=8) > 7:
            return program
        return replace(
            program,
            projections=tuple(
                replace(q, weight_exp=max(moved[q.name], -8)) if q.name in moved else q for q in program.projections
            ),
        )

    @staticmethod
    def fits(program: Program, p: Population) -> bool:
        """Within half of the verifier's limits."""
        before, inside = bounds.current_bound(p, bounds.arrival_bound(program, p.name))
        return int(before.max()) < 2**30 and int(inside.max()) < 2**30

    def parameters(self, program: Program, p: Population) -> Population:
        """Parameters that suit the sums which can arrive, or extreme ones."""
        spread = p.shape if self.wants("per_neuron") else ()
        extreme = self.wants("extremes")
        size = max(1, int(bounds.arrival_bound(program, p.name).mean()))
        du, dv = (self.decays(spread, extreme) for _ in range(2))
        vth = self.rng.integers(0, min(max(2, size // 4), 131072), spread)
        if extreme and self.draw(st.booleans()):
            vth = np.full(spread, self.pick([0, 1, 131071]))
        reach = self.pick([1, 10, 4095]) if self.wants("bias") else 0
        more: dict[str, Any] = {"bias_exp": self.integer(-8, 7)} if reach else {}
        if self.wants("soft_reset"):
            by = self.rng.integers(0, min(size * 64, V_MAX), spread)
            more |= {"reset": "subtract", "reset_by": np.asarray(by, np.int32)}
        if self.wants("v_min"):
            more["v_min"] = -int(self.rng.integers(0, min(size * 64, V_MAX)))
        if self.wants("v_init"):
            more["v_init"] = np.asarray(self.rng.integers(-min(size, V_MAX), min(size, V_MAX) + 1, spread), np.int32)
        return replace(
            p,
            du=du,
            dv=dv,
            vth=np.asarray(vth, np.int32) if p.fires else None,
            bias_mant=np.asarray(self.rng.integers(-reach, reach + 1, spread), np.int32),
            **more,
        )

    def decays(self, spread: Shape, extreme: bool) -> Any:
        if extreme:
            return np.asarray(self.rng.choice([0, 1, 4095, 4096], spread), np.int32)
        high = self.pick([4096, 600])
        return np.asarray(self.rng.integers(0, high, spread), np.int32)

    def readouts(self, populations: list[_Node]) -> tuple[Readout, ...]:
        chosen = [n for n in populations if self.draw(st.booleans())] or populations[-1:]
        out = []
        for i, n in enumerate(chosen):
            register = self.pick(["s", "v", "u"] if n.fires else ["v", "u"])
            out.append(Readout(f"y{i}", n.name, register, self.pick(["sum", "mean", "max", "last", "each"])))
        return tuple(out)
