"""What would make a program fit, tried: the plan is made again under each change, and the result is the price."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.placement.limits import Excess, Kind
from seamount.compiler.placement.plan import Plan, plan
from seamount.compiler.program.program import Dense, Population, Program, Sparse
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Target

Progress = Callable[[int, int], None]
SHOWN = 3
"""Remedies given for each limit."""


class Change(Enum):
    """What a remedy changes."""

    SPREAD = "neurons per core"
    SYSTEM = "system"
    NETWORK = "network"
    CHIP = "chip"


@dataclass(frozen=True)
class Remedy:
    """A change, and what the plan became. cores, chips: in use after it. left: limits still exceeded."""

    text: str
    change: Change
    cores: int
    chips: int
    left: tuple[Excess, ...]

    @property
    def network(self) -> bool:
        """Whether the change needs another network or compilation."""
        return self.change in (Change.NETWORK, Change.CHIP)

    @property
    def price(self) -> str:
        """The outcome in words."""
        where = f"{self.cores:,} core{'s' * (self.cores != 1)} on {self.chips:,} chip{'s' * (self.chips != 1)}"
        others = f", {len(self.left)} other limit{'s' * (len(self.left) != 1)} exceeded" if self.left else ""
        return f"{where}{others}"

    def mends(self, excess: Excess) -> bool:
        """Whether the limit holds after the change; that of a system, whichever system it is then."""
        same = [e for e in self.left if (e.path, e.kind) == (excess.path, excess.kind)]
        return not any(excess.kind is Kind.SYSTEM or e.name == excess.name for e in same)


@dataclass(frozen=True)
class _Trial:
    text: str
    change: Change
    program: Program
    target: Target
    system: System | None
    neurons_per_core: int | None = None


def remedies(
    made: Plan,
    systems: Sequence[System] = (),
    targets: Sequence[Target] = (),
    neurons_per_core: int | None = None,
    progress: Progress | None = None,
) -> tuple[Remedy, ...]:
    """Every change tried, those first that leave the network alone, then by cores in use.

    systems, targets: others to try. neurons_per_core: with which `made` was planned.
    """
    trials = list(_trials(made, systems, targets, neurons_per_core))
    found = []
    for k, t in enumerate(trials):
        after = plan(t.program, t.target, t.system, t.neurons_per_core)
        found.append(Remedy(t.text, t.change, len(after.cores), after.chips, after.excesses))
        if progress is not None:
            progress(k + 1, len(trials))
    return tuple(sorted(found, key=lambda r: (r.network, len(r.left), r.cores)))


def remedies_for(excess: Excess, tried: Sequence[Remedy]) -> tuple[Remedy, ...]:
    """The cheapest changes after which this limit holds; of larger systems the smallest."""
    mends = [r for r in tried if r.mends(excess)]
    larger = [r for r in mends if r.change is Change.SYSTEM]
    return tuple(r for r in mends if r not in larger[1:])[:SHOWN]


def _trials(
    made: Plan, systems: Sequence[System], targets: Sequence[Target], neurons_per_core: int | None
) -> Iterator[_Trial]:
    program, target, system = made.program, made.target, made.system
    of_system = any(e.kind is Kind.SYSTEM for e in made.excesses)
    if of_system and neurons_per_core is not None:
        yield _Trial("no --neurons-per-core", Change.SPREAD, program, target, system)
    chips = system.limit("system.chips")
    if of_system:
        for other in sorted(systems, key=lambda s: (s.limit("system.chips"), s.name)):
            if other.chip == target.chip and other.limit("system.chips") > chips:
                yield _Trial(f"--system {other.name}", Change.SYSTEM, program, target, other, neurons_per_core)
    for text, changed in _changes(made, of_system):
        yield _Trial(text, Change.NETWORK, changed, target, system, neurons_per_core)
    for chip in targets:
        if chip.chip != target.chip:
            yield _Trial(f"--chip {chip.name}", Change.CHIP, program, chip, None, neurons_per_core)


MEMORY = frozenset({"core.memory", "core.synaptic_memory", "core.synapse_words_per_axon", "core.axons_out"})
"""Limits that narrower weights may help against, beside those of the system."""


def _changes(made: Plan, of_system: bool) -> Iterator[tuple[str, Program]]:
    """Other networks, each with what is different about it."""
    program, exceeded = made.program, {(e.path, e.name) for e in made.excesses}
    if of_system or any(path in MEMORY for path, _ in exceeded):
        widest = max(q.bits for q in program.projections)
        for bits in [w for w in (6, 4, 2, 1) if w in made.target.weight_widths and w < widest]:
            narrow = tuple(replace(q, bits=min(q.bits, bits)) for q in program.projections)
            yield f"weights of {bits} bits", replace(program, projections=narrow)
    for p in program.populations:
        if ("registers.bias_exponent", p.name) in exceeded and p.bias_exp < 0:
            yield f"the same bias of '{p.name}' with exponent 0", _with(program, p, _plain_bias(p))
        yield from _fewer(made, p, of_system or ("core.threshold_profiles", p.name) in exceeded)
        if ("core.dendritic_accumulators", p.name) in exceeded:
            into = {q.name for q in program.into(p.name)}
            short = tuple(replace(q, delay=min(q.delay, 6)) if q.name in into else q for q in program.projections)
            yield f"delays of at most 6 steps into '{p.name}'", replace(program, projections=short)
        if ("core.axons_in", p.name) in exceeded:
            changed = _strongest(made, p)
            if changed is not None:
                yield changed


def _fewer(made: Plan, p: Population, wanted: bool) -> Iterator[tuple[str, Program]]:
    """Fewer distinct thresholds or decays, where a core holds few of them and they force it to be left half empty."""
    for what, path, names in (
        ("thresholds", "core.threshold_profiles", ("vth",)),
        ("decays", "core.decay_profiles", ("du", "dv")),
    ):
        limit = made.target.value(path)
        values = {n: getattr(p, n) for n in names if getattr(p, n) is not None}
        distinct = max((np.unique(v).size for v in values.values()), default=1)
        if wanted and isinstance(limit, int) and distinct > limit:
            changed: dict[str, Any] = {n: _rounded(v, limit) for n, v in values.items()}
            fewer = replace(p, **changed)
            yield f"{limit} distinct {what} in '{p.name}' instead of {distinct}", _with(made.program, p, fewer)


def _with(program: Program, before: Population, after: Population) -> Program:
    return replace(program, populations=tuple(after if p is before else p for p in program.populations))


def _plain_bias(p: Population) -> Population:
    """The bias without its negative exponent: floor(mantissa * 2**exponent), which is what the neuron adds anyway."""
    return replace(p, bias_mant=np.asarray(p.bias_mant >> -p.bias_exp, np.int32), bias_exp=0)


def _rounded(values: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """The values with at most `count` distinct ones: neighbours, in order of size, take the least of their group."""
    known, place = np.unique(values, return_inverse=True)
    if known.size <= count:
        return values
    group = np.arange(known.size) * count // known.size
    first = np.searchsorted(group, group)
    return np.asarray(known[first][place.reshape(values.shape)], np.int32)


def _strongest(made: Plan, p: Population) -> tuple[str, Program] | None:
    """Only the sources with the largest weights, as many as one core has axons for."""
    limit = made.target.limit("core.axons_in")
    into = made.program.into(p.name)
    biggest = max(into, key=lambda q: q.connection.weight.size)
    c = biggest.connection
    if not isinstance(c, Dense | Sparse):
        return None
    n_in = int(np.prod(made.program.shapes[biggest.source], dtype=np.int64))
    others = sum(int(np.prod(made.program.shapes[q.source], dtype=np.int64)) for q in into if q is not biggest)
    keep = limit - others
    if keep < 1:
        return None
    size = np.abs(c.weight.astype(np.float64))
    strength = size.sum(axis=0) if isinstance(c, Dense) else np.bincount(c.cols, size, n_in)
    kept = np.zeros(n_in, np.bool_)
    kept[np.argsort(-strength, kind="stable")[:keep]] = True
    mask = kept[None, :] if isinstance(c, Dense) else kept[c.cols]
    pruned = replace(biggest, connection=replace(c, weight=np.asarray(c.weight * mask, np.int32)))
    lost = 100 * (1 - strength[kept].sum() / max(strength.sum(), 1e-9))
    text = f"'{biggest.name}' from its {keep:,} strongest sources of {n_in:,} (loses {lost:.1f} % of the sum of |w|)"
    return text, replace(
        made.program, projections=tuple(pruned if q is biggest else q for q in made.program.projections)
    )
