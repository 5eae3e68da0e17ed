"""What a report says, as plain data: every format is rendered from this one value.

Shares are between 0 and 1; counts are exact; v, thresholds and weights are integers unless a field says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rung:
    """One form of the network on the same data. low, high: 95 % interval of the accuracy (Wilson), None without
    samples. exact: "0 of 9,216 entries differ from the imported graph", or empty. measures, likeness: what another task
    than classes has instead of accuracy and agreement, by the names in compiler/measures.py."""

    name: str
    meaning: str
    samples: int
    accuracy: float | None
    low: float | None
    high: float | None
    agreement: float | None
    spikes_per_sample: float | None
    synops_per_sample: float | None
    exact: str = ""
    measures: Mapping[str, float] | None = None
    likeness: Mapping[str, float] | None = None


@dataclass(frozen=True)
class PopulationRow:
    """A layer of neurons or an input. rate: messages per neuron and step. silent, always: neurons that sent nothing,
    or in every step of every sample. per_step: messages per sample in each own step, as means over windows.
    proof: verdict of the range proof with `proven`, None for an input."""

    name: str
    kind: str
    shape: tuple[int, ...]
    neurons: int
    decay_u: str
    decay_v: str
    threshold: str
    reset: str
    messages_per_sample: float
    rate: float
    silent: int
    always: int
    per_step: tuple[float, ...]
    proven: bool | None
    proof: str


@dataclass(frozen=True)
class ProjectionRow:
    """Synapses between two populations. weights: stored once; synapses: pairs of neurons they join. error: relative
    rms error of rounding; clipped: weights beyond the grid; both None where the artifact does not say."""

    name: str
    source: str
    target: str
    kind: str
    weights: int
    synapses: int
    bits: int
    signs: str
    exponent: int
    delay: int
    error: float | None
    clipped: int | None
    synops_per_sample: float
    per_step: tuple[float, ...]


@dataclass(frozen=True)
class Agreement:
    """One firing layer, float against integers (seamount/workflows/rungs.py, LayerAgreement)."""

    layer: str
    float_spikes: float
    integer_spikes: float
    correlation: float | None
    same: float


@dataclass(frozen=True)
class Confusion:
    """counts[label][answer]; names of the classes."""

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Raster:
    """Spikes of some neurons of a population: (row, window) pairs. neurons: flat indices behind the rows. per_step:
    messages of these neurons in each window."""

    population: str
    neurons: tuple[int, ...]
    of: int
    events: tuple[tuple[int, int], ...]
    per_step: tuple[int, ...]


@dataclass(frozen=True)
class Membrane:
    """v of one neuron after the last step of each window, and the windows in which it fired. threshold: 64 vth,
    None if none."""

    population: str
    neuron: int
    index: tuple[int, ...]
    why: str
    v: tuple[int, ...]
    spikes: tuple[int, ...]
    threshold: int | None


@dataclass(frozen=True)
class Sample:
    """One recorded sample. scores: class -> output in the units of the trained network. label, right: None without
    labels; right also where answers are no classes."""

    number: int
    label: str | None
    answer: str
    right: bool | None
    scores: tuple[tuple[str, float], ...]
    rasters: tuple[Raster, ...]
    membranes: tuple[Membrane, ...]


@dataclass(frozen=True)
class Remark:
    """Something a reader should know. kind: "warning", or "note" for what was assumed or is missing."""

    kind: str
    where: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Headline:
    """One number of the summary, as text with its unit, and what it means."""

    label: str
    value: str
    meaning: str
    anchor: str


@dataclass(frozen=True)
class Report:
    """Everything. energy, mapping: plain trees, None where they are not known, with the reason in `remarks`. facts,
    digests, tuned: names and values; tuned is empty for a network that was not.

    window: steps that an entry of per_step, v, spikes or events stands for, 1 unless the run is long; entry k is of the
    steps from k * window on. Of a deep network the first and last layers are listed (compiler/report/excerpt.py).
    """

    title: str
    subtitle: str
    sentences: tuple[str, ...]
    headlines: tuple[Headline, ...]
    steps: int
    window: int
    samples: int
    rungs: tuple[Rung, ...]
    agreement: tuple[Agreement, ...]
    confusion: Confusion | None
    populations: tuple[PopulationRow, ...]
    projections: tuple[ProjectionRow, ...]
    recorded: tuple[Sample, ...]
    distributions: dict[str, Any]
    energy: dict[str, Any] | None
    mapping: dict[str, Any] | None
    remarks: tuple[Remark, ...]
    facts: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    tuned: tuple[tuple[str, str], ...] = ()
