"""Rows of the parity matrix: for each construct of a program, random programs that surely have it.

Most are random programs of program_strategies with a feature forced; some are changed afterwards, or kept only when
the reference simulator shows what the row is about: a threshold met exactly, a register that saturates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from hypothesis import strategies as st

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.errors import SeamountError
from seamount.compiler.execution import Trace
from seamount.compiler.ir.ops import Conv as GraphConv
from seamount.compiler.ir.ops import Input, Output, Pool, freeze
from seamount.compiler.passes.balance_delays import BalanceDelays
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.pipelines import canonical
from seamount.compiler.program.lower import lower
from seamount.compiler.program.program import V_MAX, Conv, Dense, Program, Projection, Readout
from seamount.compiler.program.verify import check
from tests import strategies
from tests.backends.lava_support import ALL, Case
from tests.backends.test_lava_constructs import network
from tests.lowered import messages_of
from tests.passing import graph_of, lif
from tests.program_samples import i32, population
from tests.program_strategies import FEATURES, SLOW, STOCK, cases, messages

Cases = st.SearchStrategy[Case]
QUIET = FEATURES - {"loud"}


def having(*features: str) -> Cases:
    """Random programs with these features, and any others."""
    return cases(force=frozenset(features))


def valid(case: Case) -> bool:
    """Whether the verifier accepts the program after a change."""
    try:
        check(case[0])
    except SeamountError:
        return False
    return True


def with_populations(base: Cases | None = None, **more: Any) -> Cases:
    """All populations with these parameters; a population that never fires keeps that."""

    def change(case: Case) -> Case:
        program, x = case
        changed = tuple(
            replace(p, **{k: v for k, v in more.items() if k != "vth" or p.fires}) for p in program.populations
        )
        return replace(program, populations=changed), x

    return (cases(allow=QUIET) if base is None else base).map(change).filter(valid)


def convolutions(wanted: Callable[[Conv], bool]) -> Cases:
    """Random programs with a convolution of that kind."""
    return having("conv").filter(
        lambda c: any(isinstance(q.connection, Conv) and wanted(q.connection) for q in c[0].projections)
    )


def where(base: Cases, shows: Callable[[Program, Trace], bool]) -> Cases:
    """Those programs whose run in the reference simulator shows something."""
    return base.filter(lambda c: shows(c[0], ReferenceSimulator().run(*c, ALL)))


def negative(_: Program, trace: Trace) -> bool:
    """Negative u and v, more than one step apart from 0, so that their decay has to round."""
    return any((u < -1).any() for u in trace.u.values()) and any((v < -1).any() for v in trace.v.values())


def saturated(_: Program, trace: Trace) -> bool:
    return any((np.abs(v.astype(np.int64)) == V_MAX).any() for v in trace.v.values())


def at_threshold(case: Case) -> Case:
    """Without memory and reset by zero v is 64 a; the threshold of each firing neuron is the highest v / 64."""
    program, x = case
    for p in program.populations:
        plain = replace(p, du=i32(4095), dv=i32(4096), bias_mant=i32(0), v_init=0, reset="zero", v_min=-V_MAX)
        program = replaced(program, plain)
        if p.fires:
            program = replaced(program, replace(plain, vth=i32(highest(program, x, p.name) // 64)))
    return program, x


def highest(program: Program, x: Any, name: str) -> Any:
    """The highest v of each neuron of a population that does not fire, for it has the highest threshold; 0 if none."""
    deaf = replace(program.population(name), vth=i32(131071))
    v = ReferenceSimulator().run(replaced(program, deaf), x, ALL).v[name]
    return np.minimum(np.maximum(v.max(axis=(0, 1)), 0), 64 * 131071)


def replaced(program: Program, p: Any) -> Program:
    """The program with another population of the same name."""
    return replace(program, populations=tuple(p if q.name == p.name else q for q in program.populations))


def met(case: Case) -> bool:
    """Whether some membrane equals its threshold, which is above 0."""
    program, x = case
    first = program.populations[0]
    if first.vth is None:
        return False
    return bool(((highest(program, x, first.name) == 64 * first.vth) & (first.vth > 0)).any())


@st.composite
def dense_layer(draw: Any, modes: tuple[str, ...], odd: bool = False, overflow: bool = False) -> Case:
    """x -> p with weights over the whole grid of 1 to 8 bits, both ends included.

    odd: all weights odd, 8 bits. overflow: payloads and exponent for which 64 a passes 2**23, on either side.
    """
    bits, mode = 8 if odd else draw(st.integers(1, 8)), draw(st.sampled_from(modes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    grid = 2 ** (8 - bits + (mode == "mixed"))
    low, high = {"mixed": (-256, 256 - grid), "excitatory": (0, 256 - grid), "inhibitory": (grid - 256, 0)}[mode]
    n_in, n_out = draw(st.integers(2, 40)), draw(st.integers(2, 8))
    w = rng.choice(np.arange(low, high + 1, grid), (n_out, n_in))
    w = w - (w % 2 == 0) * (1 if mode == "excitatory" else -1) if odd else w
    w = np.clip(w, low, high)
    if not odd:
        w.flat[:2] = low, high
    p = population("p", (n_out,), du=draw(st.sampled_from([0, 5, 4000, 4095])), dv=int(rng.integers(0, 4097)), vth=900)
    top = 1000 if overflow else 1
    exponent = 1 if overflow else draw(st.integers(0, 2))
    q = Projection("x->p", "x", "p", Dense(i32(w)), exponent, bits, mode)  # type: ignore[arg-type]
    program = network((n_in,), (replace(p, du=i32(4095)) if overflow else p,), (q,), (overflow, 0, top), steps=4)
    return program, {"x": i32(rng.integers(0, top + 1, (2, 4, n_in)))}


def wraps(case: Case) -> bool:
    """Whether 64 a of some step lies outside 24 bits."""
    program, x = case
    (q,) = program.projections
    assert isinstance(q.connection, Dense)
    a = x["x"].astype(np.int64) @ q.connection.weight.T.astype(np.int64)
    return bool((np.abs(64 * (a << q.weight_exp)) > 2**23).any())


@st.composite
def short(draw: Any) -> Case:
    """Samples of one step each, several behind each other."""
    program, _ = draw(cases())
    return program, draw(messages(program, 5, 1))


def silent(case: Case) -> Case:
    """Messages of 0, or the quietest that the port takes."""
    quiet = {port.name: max(port.low, 0) for port in case[0].inputs}
    return case[0], {name: np.full_like(x, quiet[name]) for name, x in case[1].items()}


def all_readouts(case: Case) -> Case:
    """Every register of every population by every rule."""
    rules = ("sum", "mean", "max", "last")
    readouts = [
        Readout(f"{p.name}.{register}.{rule}", p.name, register, rule)  # type: ignore[arg-type]
        for p in case[0].populations
        for register, rule in product("suv" if p.fires else "uv", rules)
    ]
    return replace(case[0], readouts=tuple(readouts)), case[1]


def biased(low: int, high: int) -> Cases:
    """Biases other than 0 with an exponent in a range."""
    exponents = st.integers(low, high)
    return st.tuples(having("bias"), exponents).map(
        lambda pair: (
            replace(pair[0][0], populations=tuple(replace(p, bias_exp=pair[1]) for p in pair[0][0].populations)),
            pair[0][1],
        )
    ).filter(valid).filter(lambda c: any((p.bias_mant != 0).any() for p in c[0].populations))  # fmt: skip


def resting(case: Case) -> Case:
    """With neurons that need no gate when the network is slowed down (compiler/program/needs.py, unrest)."""
    plain = {"du": i32(4095), "dv": i32(0), "bias_mant": i32(0), "bias_exp": 0}
    return replace(case[0], populations=tuple(replace(p, **plain) for p in case[0].populations)), case[1]


def branched(balance: BalanceDelays) -> Cases:
    """Programs of random graphs with branches, loops and lags, for which the pass did something."""

    def lowered(case: Any) -> tuple[int, Case]:
        graph, x = case
        before = Quantize()(canonical()(graph))
        after = balance(before)
        changed = set(after.edges) != set(before.edges)
        return changed, (lower(after, balance.delay_max), messages_of(before, x))

    graphs = strategies.cases(
        allow=strategies.FEATURES - {"graded"}, force=frozenset({"residual", "recurrent", "delay"})
    )
    return graphs.map(lowered).filter(lambda found: bool(found[0])).map(lambda found: found[1]).filter(valid)


@st.composite
def merged(draw: Any, maximum: bool) -> Case:
    """Two convolutions with a skip around the second: of spikes that are added, as SEW does, or of their maxima."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size, channels = draw(st.integers(3, 6)), draw(st.integers(1, 3))
    ones, kernel = (1, 1), (3, 3) if maximum else square(draw(st.sampled_from([1, 3])))
    pad = (kernel[0] // 2,) * 2

    def conv() -> GraphConv:
        return GraphConv(freeze(rng.normal(0.1, 0.4, (channels, channels, *kernel))), None, ones, pad, ones)

    pool = Pool(square(draw(st.integers(2, 3))), square(draw(st.integers(1, 2))), (0, 0), mean=False)
    nodes: dict[str, Any] = {"x": Input((channels, size, size)), "a": conv(), "s0": lif(), "b": conv(), "s1": lif()}
    nodes |= {"c": conv(), "s2": lif(), "y": Output()}
    rows = "x a s0 b s1 c s2 y, s0 c"
    if maximum:
        nodes |= {"sum": pool, "or": lif(beta=0.0, threshold=0.5)}
        rows = "x a s0 sum or b s1 c s2 y, or c"
    graph = Quantize()(canonical()(graph_of(nodes, rows, draw(st.integers(1, 6)))))
    x = strategies.samples_for(graph, draw(st.integers(0, 99)), 2, graph.steps)
    return lower(BalanceDelays()(graph), 62), messages_of(graph, x)


def square(n: int) -> tuple[int, int]:
    return n, n


CONNECTIONS: dict[str, Cases] = {
    "dense": having("dense"),
    "sparse": having("sparse"),
    "convolution": having("conv"),
    "convolution, stride above 1": convolutions(lambda c: max(c.stride) > 1),
    "convolution, padding": convolutions(lambda c: max(c.padding) > 0),
    "convolution, dilation above 1": convolutions(lambda c: max(c.dilation) > 1),
    "convolution, groups": convolutions(lambda c: c.groups > 1),
    "convolution of one axis": having("conv1d"),
    "transposed convolution": having("transposed").filter(
        lambda c: any(isinstance(q.connection, Conv) and max(q.connection.input_dilation) > 1 for q in c[0].projections)
    ),
    "several inputs into a population": having("residual"),
    "sums of spikes at a merge": merged(maximum=False),
    "maxima of spikes": merged(maximum=True),
    "several input ports": having("inputs"),
    "graded input": having("graded"),
    "graded input with sign": having("graded").filter(lambda c: any(port.low < 0 for port in c[0].inputs)),
}
WEIGHTS: dict[str, Cases] = {
    "mixed weights, 1 to 8 bits": dense_layer(("mixed",)),
    "excitatory weights, 1 to 8 bits": dense_layer(("excitatory",)),
    "inhibitory weights, 1 to 8 bits": dense_layer(("inhibitory",)),
    "odd weights": dense_layer(("excitatory", "inhibitory"), odd=True),
    "few bits, random networks": having("few_bits"),
    "one sign, random networks": having("one_sign"),
    "weight exponent above 0": having("exponent"),
    "weight exponent below 0": having("negative_exp"),
}
TIME: dict[str, Cases] = {
    "recurrent": having("recurrent"),
    "delays": having("delay"),
    "recurrent with delays": having("recurrent", "delay"),
    "T = 1": short(),
    "relays beyond the longest delay": branched(BalanceDelays(delay_max=1)),
    "delays not balanced": branched(BalanceDelays(balance=False)),
    "slowed down": having("slow_down"),
    "slowed down, with loops": having("slow_down", "recurrent"),
    "slowed down, neurons that rest": cases(allow=STOCK, force=SLOW).map(resting).filter(valid),
    "silent input": cases().map(silent),
    "readouts: s, u, v by each rule": cases().map(all_readouts),
}
DECAYS: dict[str, Cases] = {
    **{f"du = {d}": with_populations(du=i32(d)) for d in (0, 1, 4095, 4096)},
    **{f"dv = {d}": with_populations(dv=i32(d)) for d in (0, 1, 4095, 4096)},
    "decay of negative u and v": where(with_populations(du=i32(1300), dv=i32(77)), negative),
    "decays per neuron, extremes mixed": having("per_neuron", "extremes"),
}
NEURONS: dict[str, Cases] = {
    "threshold met exactly": cases(allow=QUIET).map(at_threshold).filter(valid).filter(met),
    "threshold 0": with_populations(vth=i32(0)),
    "threshold 131071": with_populations(having("loud"), vth=i32(131071)),
    "thresholds and biases per neuron": having("per_neuron", "bias"),
    "bias, exponent above 0": biased(1, 7),
    "bias, exponent below 0": biased(-8, -1),
    "v saturates": where(with_populations(having("loud"), dv=i32(0), vth=None), saturated),
    "u wraps": dense_layer(("mixed", "excitatory", "inhibitory"), overflow=True).filter(wraps),
    "sums as large as the verifier allows": having("loud"),
    "population that never fires": having("silent_readout"),
    "reset by subtraction": having("soft_reset"),
    "lower clamp of v": having("v_min"),
    "initial v": having("v_init"),
}
EVERYTHING: dict[str, Cases] = {
    "stock Loihi only": cases(allow=STOCK),
    "everything at once": cases(),
}
GROUPS = {
    "connections": CONNECTIONS,
    "weights": WEIGHTS,
    "time": TIME,
    "decays": DECAYS,
    "neurons": NEURONS,
    "everything": EVERYTHING,
}
ROWS = {name: row for group in GROUPS.values() for name, row in group.items()}
