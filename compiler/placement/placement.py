"""What the mapper produces: which neurons sit on which core, what each core carries, and how far messages go.

Data only. `place` in compiler/placement/place.py makes a Placement, compiler/placement/check.py checks one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.placement.synapse_memory import Encoding

LIMITS: Mapping[str, str] = {
    "neurons": "core.neurons",
    "synaptic_bytes": "core.synaptic_memory",
    "memory_bytes": "core.memory",
    "list_words": "core.synapse_words_per_axon",
    "formats": "core.synapse_formats",
    "axons_in": "core.axons_in",
    "axons_out": "core.axons_out",
    "decay_profiles": "core.decay_profiles",
    "threshold_profiles": "core.threshold_profiles",
    "accumulators": "core.dendritic_accumulators",
    "groups": "core.destination_groups",
}
"""Number of a `Load` -> the limit of a core that it must not exceed, as a path in the target."""


@dataclass(frozen=True, eq=False)
class CoreSlice:
    """Neurons of one population on one core.

    neurons: (k, 2) int64, rising ranges [start, stop) of flattened indices.
    core: chip * cores per chip + place on the chip.
    encodings: projection into the population -> how its synapses are stored here (placement/synapse_memory.py).
    """

    population: str
    neurons: NDArray[np.int64]
    core: int
    encodings: Mapping[str, Encoding]

    @property
    def size(self) -> int:
        return int((self.neurons[:, 1] - self.neurons[:, 0]).sum())

    def indices(self) -> NDArray[np.int64]:
        """Every flattened index, rising."""
        return np.concatenate([np.arange(a, b, dtype=np.int64) for a, b in self.neurons])


@dataclass(frozen=True)
class Load:
    """What one core carries; `LIMITS` names the limit of each number.

    synapses: pairs of neurons joined. stored: weights in memory, fewer where kernels are shared, without zeros in
    sparse encodings. synaptic_bytes: all synapse lists. memory_bytes: those and the neurons' state.
    list_words: the longest synapse list, in words. formats: distinct synapse formats. axons_in: lists that
    messages address. axons_out: slots of core-to-core edges. decay_profiles, threshold_profiles: distinct (du, dv)
    and vth. accumulators: neurons times delay slots. groups: targets of shared kernels.
    """

    core: int
    neurons: int
    synapses: int
    stored: int
    synaptic_bytes: int
    memory_bytes: int
    list_words: int
    formats: int
    axons_in: int
    axons_out: int
    decay_profiles: int
    threshold_profiles: int
    accumulators: int
    groups: int


@dataclass(frozen=True)
class Traffic:
    """Messages of one projection between cores: one per message sent and core slice that it reaches.

    within_core, within_tile: of `messages`, those that leave no core, and those that leave the core but no tile.
    hops_east_west, hops_north_south: tiles crossed, summed over messages. chip_hops: of these, crossings between chips.
    """

    messages: int
    within_core: int
    within_tile: int
    hops_east_west: int
    hops_north_south: int
    chip_hops: int

    @property
    def hops(self) -> int:
        return self.hops_east_west + self.hops_north_south


@dataclass(frozen=True, eq=False)
class Links:
    """Messages over each link of the mesh of tiles, (rows, columns) int64: the link that leaves the tile that way."""

    east: NDArray[np.int64]
    west: NDArray[np.int64]
    north: NDArray[np.int64]
    south: NDArray[np.int64]

    @property
    def busiest(self) -> int:
        return max(int(a.max(initial=0)) for a in (self.east, self.west, self.north, self.south))


@dataclass(frozen=True)
class Mesh:
    """Where cores lie: tiles of `tile_cores` cores, tile_columns x tile_rows tiles per chip, and a grid of chips.

    The meshes of neighbouring chips join. A chip uses its first `chip_cores` cores; tiles are numbered row by row.
    """

    tile_cores: int
    tile_columns: int
    tile_rows: int
    chip_cores: int
    chip_columns: int
    chip_rows: int

    @property
    def cores(self) -> int:
        return self.chip_cores * self.chip_columns * self.chip_rows

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of tiles over all chips."""
        return self.tile_rows * self.chip_rows, self.tile_columns * self.chip_columns

    def tiles(self, cores: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(column, row) of each core's tile in the joined mesh; columns run east, rows south."""
        chip, core = np.divmod(cores, self.chip_cores)
        tile_row, tile_column = np.divmod(core // self.tile_cores, self.tile_columns)
        chip_row, chip_column = np.divmod(chip, self.chip_columns)
        return chip_column * self.tile_columns + tile_column, chip_row * self.tile_rows + tile_row


@dataclass(frozen=True, eq=False)
class Placement:
    """A program on the cores of a system.

    target, system: their names. loads: one per core in use, rising. projections: between populations; those from the
    host are left out, as the way from the host to the mesh is not published.
    measured: messages are those of a run; else every neuron sends one. spike_hops: over all projections.
    lower_bound: no arrangement of the same slices on cores has fewer spike-hops. unchecked: limits that the target
    leaves unknown, as paths.
    """

    target: str
    system: str
    mesh: Mesh
    slices: tuple[CoreSlice, ...]
    loads: tuple[Load, ...]
    projections: Mapping[str, Traffic]
    links: Links
    measured: bool
    lower_bound: int
    unchecked: tuple[str, ...]

    @property
    def spike_hops(self) -> int:
        return sum(t.hops for t in self.projections.values())

    @property
    def chips(self) -> int:
        """Chips in use."""
        return len({load.core // self.mesh.chip_cores for load in self.loads})
