"""What events cost, as data: a cost set is one author's account of energies and times, each with unit and source.

A set of the model "events" prices what a neuromorphic chip does, one of "operations" what any digital circuit would do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from seamount.compiler.target.target import Quantity

CHIP_EVENTS: Mapping[str, str] = {
    "synapse_dense": "one message through one synapse of a dense projection",
    "synapse_sparse": "the same, sparse",
    "synapse_conv": "the same, with shared kernels",
    "neuron_active": "one step of a neuron that received input or has a bias",
    "neuron_inactive": "one step of any other neuron",
    "spike": "one spike, beyond the step",
    "axon_out": "one message sent to one core",
    "axon_in": "one message received by a core",
    "spike_within_tile": "one message inside a tile",
    "hop_east_west": "one message one tile to the east or west",
    "hop_north_south": "one message one tile to the north or south",
}
"""Events of the model "events"."""

OPERATIONS: Mapping[str, str] = {
    "accumulate": "one spike through one synapse: an addition",
    "multiply_accumulate": "one graded message through one synapse: a multiplication and an addition",
    "dense_accumulate": "one synapse in one step, whether or not there is a spike (clock-driven)",
    "neuron_update": "one step of a spiking neuron: decays, bias, threshold",
    "activation": "one neuron of the ANN: bias and ReLU",
    "mac_float32": "one multiply-accumulate of the ANN, 32-bit floating point",
    "mac_int8": "the same, 8-bit integers",
    "multiply_int8": "an 8-bit multiplication, from which other widths are scaled",
    "add_int8": "an 8-bit addition",
}
"""Events of the model "operations"."""

BARRIERS: Mapping[str, str] = {
    "barrier_least": "end of a step, smallest chip area",
    "barrier_most": "end of a step, largest chip area",
}
"""Further times of the model "events"."""

MEMORIES: Mapping[str, float] = {"sram_8k": 2**13, "sram_32k": 2**15, "sram_1m": 2**20, "dram": float("inf")}
"""Memory of [memory] -> the bytes it holds; each priced per byte accessed."""


@dataclass(frozen=True)
class Coefficient:
    """A cost between `low` and `high`, in one unit. Both values are None where it is unknown; high may be infinite."""

    low: Quantity
    high: Quantity

    @property
    def known(self) -> bool:
        return self.low.value is not None and self.high.value is not None

    @property
    def ends(self) -> tuple[float, float]:
        """(low, high); only where it is known."""
        low, high = self.low.value, self.high.value
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            raise ValueError(f"an unknown cost has no value: {self.low.source}")
        return float(low), float(high)

    def hull(self, other: Coefficient) -> Coefficient:
        """The smallest that holds both, each end with its own source."""
        low = min((self, other), key=lambda c: c.ends[0]).low
        return Coefficient(low, max((self, other), key=lambda c: c.ends[1]).high)


@dataclass(frozen=True, eq=False)
class CostSet:
    """A named set of costs.

    energy, time: event -> pJ, ns. power: "static_per_chip" -> mW. memory: memory of MEMORIES -> pJ per byte.
    chip: name of the chip it describes, or "". default: used for that chip unless another set is named.
    clocked: whether a spiking network runs there synapse by synapse in every step.
    process: technology and voltage. members: the sets between whose values it reaches.
    leaves_out: what it does not price. graded_note: how it treats graded messages, noted where a network has them.
    """

    name: str
    title: str
    date: str
    model: Literal["events", "operations"]
    energy: Mapping[str, Coefficient]
    time: Mapping[str, Coefficient]
    power: Mapping[str, Coefficient]
    memory: Mapping[str, Coefficient]
    sources: Mapping[str, str]
    chip: str = ""
    default: bool = False
    clocked: bool = False
    process: str = ""
    notes: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    leaves_out: tuple[str, ...] = ()
    graded_note: str = ""
