"""The limits of a core as the mapper uses them, and what it means to exceed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from seamount.compiler.errors import Problem
from seamount.compiler.placement.placement import LIMITS
from seamount.compiler.target.target import Target

PATHS: Mapping[str, str] = {**LIMITS, "stored": "chip.synapses"}
"""Number of a Load -> its limit in the target. One core may not hold more synapses than its chip."""

WORDS = {
    "neurons": "neurons",
    "stored": "stored synapses",
    "synaptic_bytes": "bytes of synapses",
    "memory_bytes": "bytes of synapses and neuron state",
    "list_words": "words of synapses behind one input axon",
    "formats": "synapse formats",
    "axons_in": "input axons",
    "axons_out": "output axon slots",
    "decay_profiles": "distinct decays",
    "threshold_profiles": "distinct thresholds",
    "accumulators": "dendritic accumulators",
    "groups": "targets of shared kernels",
}
"""Number of a Load -> what it counts, as messages say it."""


class Kind(Enum):
    """What exceeds a limit."""

    SYSTEM = "system"
    POPULATION = "population"
    PROJECTION = "projection"
    INPUT = "input"


class Measure(Enum):
    """How a limit is exceeded: too much of something, a value beyond a register, or a feature that is not there."""

    AMOUNT = "amount"
    VALUE = "value"
    FEATURE = "feature"


@dataclass(frozen=True)
class Excess:
    """One limit exceeded: by the population, projection, port or system `name`, needed against limit, and the source.

    path: of the limit in the target or system. what: how messages name it. A feature that is missing needs 1 of 0.
    """

    kind: Kind
    name: str
    path: str
    what: str
    needed: int
    limit: int
    cite: str
    measure: Measure = Measure.AMOUNT

    @property
    def where(self) -> str:
        return f"{self.kind.value} '{self.name}'"

    @property
    def over(self) -> int:
        return abs(self.needed - self.limit)

    @property
    def found(self) -> str:
        if self.measure is Measure.FEATURE:
            return f"needs {self.what}"
        if self.measure is Measure.VALUE:
            return f"has {self.needed} {self.what}, {self.over:,} beyond {self.limit}"
        return f"needs {self.needed:,} {self.what}, {self.over:,} over the limit of {self.limit:,}"

    def problem(self, remedy: str) -> Problem:
        return Problem(self.where, self.found, remedy, self.cite)


@dataclass(frozen=True, eq=False)
class CoreLimits:
    """known: number of a Load -> its limit; unknown: paths that the target leaves open, so that nothing checks them.

    state_bytes: of one neuron. slots_*: output slots of an axon.
    """

    target: Target
    known: Mapping[str, int]
    unknown: tuple[str, ...]
    state_bytes: int
    word_bytes: int
    slots_discrete: int
    slots_shared: int
    slots_off_chip: int

    @classmethod
    def of(cls, target: Target, neurons_per_core: int | None = None) -> CoreLimits:
        """The limits of a target, with fewer neurons per core where the user wants them spread."""
        values = {name: target.value(path) for name, path in PATHS.items()}
        known = {name: v for name, v in values.items() if isinstance(v, int)}
        known["neurons"] = min(target.limit("core.neurons"), 2 ** target.bounds("encoding.index")[1])
        most = (neurons_per_core, target.value("chip.neurons"))
        known["neurons"] = min([known["neurons"], *(n for n in most if isinstance(n, int))])
        others = ("chip.neurons", "core.synapses_per_entry")
        unknown = [PATHS[n] for n in PATHS if n not in known] + [p for p in others if target.value(p) is None]
        return cls(
            target,
            known,
            tuple(unknown),
            target.limit("core.neuron_state"),
            target.limit("encoding.word") // 8,
            target.limit("core.axon_slots_discrete"),
            target.limit("core.axon_slots_shared"),
            target.limit("core.axon_slots_off_chip"),
        )

    def slots(self, shared: bool, off_chip: bool) -> int:
        """Output slots of an axon to one slice; off_chip: assume that it lies on another chip."""
        return (self.slots_shared if shared else self.slots_discrete) + (self.slots_off_chip if off_chip else 0)

    def excess(self, population: str, name: str, needed: int) -> Excess:
        """A limit of a core that even one neuron of the population exceeds."""
        path = PATHS[name]
        what = f"{WORDS[name]} for a single neuron"
        cite = self.target.cite(path)
        return Excess(Kind.POPULATION, population, path, what, needed, self.known[name], cite)
