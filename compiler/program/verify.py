"""What every integer program must satisfy, as tables of rules. All violations in a table are found at once.

A rule takes a program and yields a Problem per violation. Rules of STRUCTURE rely on nothing but the fields' types,
rules of VALUES on a sound structure, rules of LIMITS on sound values.
Limits: docs/semantics.md; lava-nc 0.10.0 and Davies et al. 2018 for the ranges of the registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from seamount.compiler.codes import MESSAGE_MAX
from seamount.compiler.errors import CompileError, ContractError, InputError, Problem, SeamountError, raise_all
from seamount.compiler.program import bounds
from seamount.compiler.program.geometry import connection_faults, index_faults
from seamount.compiler.program.program import V_MAX, Program, Projection

Rule = Callable[[Program], Iterator[Problem]]

INT32 = 2**31 - 1
AGAIN = "compile the model again"
BUG = "report this as a bug in the pass that built the program"
REGISTERS = "docs/semantics.md, registers"


def verify(program: Program) -> tuple[Problem, ...]:
    """Every violation in the first table that has any; values are looked at when the structure is sound."""
    return _first(program)[0]


def check(program: Program) -> None:
    """Raise what `verify` finds: CompileError where sums can grow too large, ContractError for anything else."""
    problems, kind = _first(program)
    raise_all(kind, problems)


def check_stored(program: Program, where: str) -> None:
    """Raise InputError where a program from a file is none that the compiler writes; sums are left to `check`."""
    for table in (STRUCTURE, VALUES):
        found = [problem for rule in table for problem in rule(program)]
        raise_all(InputError, [Problem(where, f"is damaged: {p.where}: {p.found}", AGAIN, p.limit) for p in found])


def _first(program: Program) -> tuple[tuple[Problem, ...], type[SeamountError]]:
    for table, kind in ((STRUCTURE, ContractError), (VALUES, ContractError), (LIMITS, CompileError)):
        problems = tuple(problem for rule in table for problem in rule(program))
        if problems:
            return problems, kind
    return (), ContractError


# structure


def names_are_unique(program: Program) -> Iterator[Problem]:
    """Ports and populations share one set of names; projections and readouts have their own."""
    nodes = [i.name for i in program.inputs] + [p.name for p in program.populations]
    for kind, names in (
        ("node", nodes),
        ("projection", [q.name for q in program.projections]),
        ("readout", [r.name for r in program.readouts]),
    ):
        for name in sorted({n for n in names if names.count(n) > 1}):
            yield Problem(f"{kind} '{name}'", f"appears {names.count(name)} times", BUG, "names are unique")


def ends_exist(program: Program) -> Iterator[Problem]:
    """Projections start at a port or population and end at a population; readouts read a population."""
    targets = {p.name for p in program.populations}
    sources = targets | {i.name for i in program.inputs}
    for q in program.projections:
        if q.source not in sources:
            yield _at(q, f"starts at '{q.source}', which does not exist")
        if q.target not in targets:
            yield _at(q, f"ends at '{q.target}', which is not a population")
    for r in program.readouts:
        if r.population not in targets:
            yield Problem(f"readout '{r.name}'", f"reads '{r.population}', which is not a population", BUG)


def shapes_are_positive(program: Program) -> Iterator[Problem]:
    """Every port and population has at least one axis and no empty one; a program has steps and a population."""
    nodes = [(i.name, i.shape) for i in program.inputs] + [(p.name, p.shape) for p in program.populations]
    for name, shape in nodes:
        if not shape or min(shape) < 1:
            yield Problem(f"node '{name}'", f"has shape {shape}", BUG, "at least one axis, none empty")
    if program.steps < 1:
        yield Problem("program", f"has {program.steps} steps per sample", "give at least one step", "steps >= 1")
    if not program.populations:
        yield Problem("program", "has no population", BUG)
    if not program.inputs:
        remedy = "add a port with weights of 0 where biases drive everything"
        limit = "messages say how many samples and steps a run has"
        yield Problem("program", "has no input port", remedy, limit)


def arrays_are_int32(program: Program) -> Iterator[Problem]:
    """Weights, indices and neuron parameters are int32."""
    for where, name, array, _ in _arrays(program):
        if not isinstance(array, np.ndarray) or array.dtype != np.int32:
            found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
            yield Problem(where, f"{name} is {found}", BUG, "int32 arrays throughout")


def parameters_fit_shapes(program: Program) -> Iterator[Problem]:
    """Neuron parameters are 0-d or have the population's shape."""
    for where, name, array, shape in _arrays(program):
        if shape is not None and np.shape(array) not in ((), shape):
            yield Problem(where, f"{name} has shape {np.shape(array)}", BUG, f"() or {shape}")


STRUCTURE: tuple[Rule, ...] = (
    names_are_unique,
    ends_exist,
    shapes_are_positive,
    arrays_are_int32,
    parameters_fit_shapes,
)


# values


def registers_in_range(program: Program) -> Iterator[Problem]:
    """Parameters of neurons lie in the ranges of their registers."""
    ranges = {
        "du": (0, 4096),
        "dv": (0, 4096),
        "vth": (0, 2**17 - 1),
        "bias_mant": (-4096, 4095),
        "bias_exp": (-8, 7),
        "reset_by": (0, V_MAX),
        "most": (1, MESSAGE_MAX),
        "v_init": (-V_MAX, V_MAX),
        "v_min": (-V_MAX, V_MAX),
    }
    for p in program.populations:
        for name, (low, high) in ranges.items():
            value = getattr(p, name)
            if value is not None:
                yield from _outside(f"population '{p.name}'", name, value, low, high, REGISTERS)
        if not p.sends_one and (p.reset != "subtract" or not np.all(np.asarray(p.reset_by) > 0) or p.vth is None):
            limit = "a firing population that subtracts a positive amount"
            yield Problem(f"population '{p.name}'", "sends several spikes, or is guarded", BUG, limit)
        if p.guarded and p.most > 1:
            yield Problem(f"population '{p.name}'", "is guarded and sends several spikes", BUG, "one of both")
        if p.reset not in ("zero", "subtract"):
            yield Problem(f"population '{p.name}'", f"reset is '{p.reset}'", BUG, "zero or subtract")


def ports_in_range(program: Program) -> Iterator[Problem]:
    """Payloads lie between low and high, within int32; a port of spikes carries 0 and 1."""
    for port in program.inputs:
        where = f"input '{port.name}'"
        if port.low > port.high or port.low < -INT32 or port.high > INT32:
            yield Problem(where, f"has payloads {port.low} to {port.high}", BUG, "low <= high, within int32")
        if not port.graded and (port.low, port.high) != (0, 1):
            found = f"carries payloads {port.low} to {port.high}"
            yield Problem(where, found, "declare it graded", "a port that is not graded carries spikes, 0 or 1")


def connections_fit(program: Program) -> Iterator[Problem]:
    """Weights have the shape that source, target and geometry ask for."""
    for q in program.projections:
        for found, limit in connection_faults(q.connection, program.shapes[q.source], program.shapes[q.target]):
            yield _at(q, found, limit)


def sparse_pairs_are_unique(program: Program) -> Iterator[Problem]:
    """Sparse indices exist in source and target, and no pair appears twice."""
    for q in program.projections:
        for found, limit in index_faults(q.connection, program.shapes[q.source], program.shapes[q.target]):
            yield _at(q, found, limit)


def weights_on_grid(program: Program) -> Iterator[Problem]:
    """Weights are what Lava's clip and truncation leave unchanged: multiples of the grid, of the right sign."""
    for q in program.projections:
        if q.sign_mode not in ("mixed", "excitatory", "inhibitory") or not 1 <= q.bits <= 8:
            yield _at(
                q,
                f"has {q.bits} bits, sign mode '{q.sign_mode}'",
                "1 to 8 bits; mixed, excitatory, inhibitory",
            )
            continue
        grid = 2 ** (8 - q.bits + (q.sign_mode == "mixed"))
        low = 0 if q.sign_mode == "excitatory" else -256 if q.sign_mode == "mixed" else grid - 256
        high = 0 if q.sign_mode == "inhibitory" else 256 - grid
        weight = q.connection.weight
        wrong = int(np.count_nonzero((weight % grid != 0) | (weight < low) | (weight > high)))
        if wrong:
            limit = f"multiples of {grid} in {low}..{high} ({q.bits} bits, {q.sign_mode})"
            yield _at(q, f"{wrong} of {weight.size} weights are off the grid", limit)


def exponents_and_delays(program: Program) -> Iterator[Problem]:
    """Weight exponents -8..7; delays are not negative. How long they may be, the target says (core.delay)."""
    for q in program.projections:
        yield from _outside(f"projection '{q.name}'", "weight_exp", q.weight_exp, -8, 7, REGISTERS)
        if q.delay < 0:
            yield _at(q, f"delay is {q.delay}", "at least 0 (docs/semantics.md, time)")


def time_is_consistent(program: Program) -> Iterator[Problem]:
    """Offsets are at least 1; slow_down * lag is 1 + delay + offset(source) - offset(target), and not negative."""
    slow_down = program.slow_down
    if slow_down < 1:
        yield Problem("program", f"is slowed down {slow_down} times", BUG, "slow_down >= 1")
        return
    for p in program.populations:
        if p.offset < 1:
            yield Problem(f"population '{p.name}'", f"has offset {p.offset}", BUG, "offset >= 1")
    for q in program.projections:
        lag = 1 + q.delay + program.offsets[q.source] - program.offsets[q.target]
        if lag != slow_down * q.lag or lag < 0:
            found = f"has lag {q.lag}; its delay and the offsets of its ends give {lag}"
            times = f", {slow_down} for each step of the network" if slow_down > 1 else ""
            yield _at(q, found + times, "slow_down * lag = 1 + delay + offset(source) - offset(target) >= 0")


def update_order(program: Program) -> Iterator[Problem]:
    """A projection with lag 0 starts at a population listed before its target; so no lag-0 path is a cycle."""
    place = {p.name: i for i, p in enumerate(program.populations)}
    for q in program.projections:
        if q.lag == 0 and place.get(q.source, -1) >= place[q.target]:
            found = f"has lag 0, but '{q.source}' is not listed before '{q.target}'"
            yield _at(q, found, "populations are in update order; cycles have a lag")


def readouts_exist(program: Program) -> Iterator[Problem]:
    """At least one readout; spikes are read from populations that fire."""
    if not program.readouts:
        yield Problem("program", "has no readout", "connect a population to an output", "at least one readout")
    fires = {p.name: p.fires for p in program.populations}
    for r in program.readouts:
        where = f"readout '{r.name}'"
        if r.register not in ("s", "v", "u") or r.rule not in ("sum", "mean", "max", "last", "each"):
            yield Problem(
                where, f"register '{r.register}', rule '{r.rule}'", BUG, "s, v, u; sum, mean, max, last, each"
            )
        elif r.register == "s" and not fires[r.population]:
            yield Problem(where, f"reads spikes of '{r.population}', which never fires", "read v or u instead")


VALUES: tuple[Rule, ...] = (
    registers_in_range,
    ports_in_range,
    connections_fit,
    sparse_pairs_are_unique,
    weights_on_grid,
    exponents_and_delays,
    time_is_consistent,
    update_order,
    readouts_exist,
)


# limits

SUM_LIMIT = "|a| < 2**25, and no register beyond int32 (docs/semantics.md, no other overflow)"


def sums_fit(program: Program) -> Iterator[Problem]:
    """No int32 overflow, whatever the messages: sums before the shift, 64 a, u before its wrap, v before its clip."""
    for q in program.projections:
        magnitude = bounds.sum_bound(program, q).magnitude
        if magnitude > INT32:
            yield _too_large(f"projection '{q.name}'", f"weighted sums can reach {magnitude}")
    for p in program.populations:
        arrival = bounds.arrival_bound(program, p.name)
        before, inside = bounds.current_bound(p, arrival)
        mantissa = int(np.abs(np.asarray(p.bias_mant, np.int64)).max())
        added = int(inside.max()) + V_MAX + (mantissa << max(p.bias_exp, 0))
        where, worst = f"population '{p.name}'", int(arrival.max())
        if worst >= 2**25:
            yield _too_large(where, f"|a| can reach {worst}")
        elif int(before.max()) > INT32 or added > INT32:
            found = f"|a| can reach {worst}, and with its memory (du) |u| {max(int(before.max()), added - V_MAX)}"
            yield _too_large(where, found)


LIMITS: tuple[Rule, ...] = (sums_fit,)


# helpers


def _arrays(program: Program) -> Iterator[tuple[str, str, Any, tuple[int, ...] | None]]:
    """(where, field, array, shape it must broadcast to or None) of every array; some may be plain ints."""
    for p in program.populations:
        where = f"population '{p.name}'"
        for name in ("du", "dv", "bias_mant", "vth", "v_init", "reset_by"):
            value = getattr(p, name)
            if not (value is None and name == "vth") and not (
                isinstance(value, int) and name in ("v_init", "reset_by")
            ):
                yield where, name, value, p.shape
    for q in program.projections:
        for name in ("weight", "rows", "cols"):
            if hasattr(q.connection, name):
                yield f"projection '{q.name}'", name, getattr(q.connection, name), None


def _outside(where: str, name: str, value: object, low: int, high: int, source: str) -> Iterator[Problem]:
    smallest, largest = int(np.min(np.asarray(value))), int(np.max(np.asarray(value)))
    if smallest < low or largest > high:
        found = f"{name} is {smallest}" if smallest == largest else f"{name} reaches from {smallest} to {largest}"
        yield Problem(where, found, BUG, f"{low} to {high} ({source})")


def _at(q: Projection, found: str, limit: str = "") -> Problem:
    return Problem(f"projection '{q.name}'", found, BUG, limit)


def _too_large(where: str, found: str) -> Problem:
    return Problem(where, found, "use smaller weight exponents or payloads, or fewer synapses per neuron", SUM_LIMIT)
