"""Energy as papers on training count it: 4.6 pJ per multiply-accumulate, 0.9 pJ per addition, nothing else.

    ANN = 4.6 pJ x products of all layers
    SNN = 4.6 pJ x products of layers with analog input + 0.9 pJ x sum over other layers of products x rate x T

Rates are the measured spikes per neuron and step of a layer's source; products are those of the layers as trained, and
pools cost nothing. This is the field's bookkeeping, so that its claims can be compared, and no prediction: `seamount
energy` prices what happens. An analog layer whose input is the same in every step is charged once, or in every step;
papers do either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seamount.compiler.analysis.operations import Products
from seamount.compiler.energy.cost_set import CostSet
from seamount.compiler.execution import EventCounts

SET = "45nm-fp32"
"""The cost set that holds both constants, with their source."""


@dataclass(frozen=True)
class Convention:
    """Energies in pJ per inference. once, every_step: of the spiking network, by how analog layers are charged."""

    ann_pj: float
    once_pj: float
    every_step_pj: float

    @property
    def ratios(self) -> tuple[float, float]:
        """ANN / SNN, analog layers charged once and in every step: "so many times less than the ANN"."""
        return self.ann_pj / self.once_pj, self.ann_pj / self.every_step_pj

    def tree(self) -> dict[str, Any]:
        """For JSON."""
        once, every = self.ratios
        return {**asdict(self), "ann_over_once": once, "ann_over_every_step": every}


def convention(
    counts: EventCounts, trained: Sequence[Products], costs: CostSet, passes: int, constant: bool
) -> Convention | None:
    """Price a run so. passes: of the ANN. constant: whether a sample is the same in every step.

    None where the layers as trained are not known, or nothing was sent and multiplied.
    """
    layers = [p for p in trained if not p.pool]
    multiply, add = costs.energy["mac_float32"].ends[0], costs.energy["accumulate"].ends[0]
    analog = multiply * sum(p.macs for p in layers if p.analog)
    spiking = [p for p in layers if not p.analog]
    if not layers or any(s not in counts.sent for p in spiking for s in p.sources):
        return None
    added = add * sum(p.macs * _spikes_per_neuron(counts, s) for p in spiking for s in p.sources)
    ann = multiply * sum(p.macs for p in layers) * passes
    every = analog * counts.steps + added
    return Convention(ann, analog + added if constant else every, every) if every else None


def _spikes_per_neuron(counts: EventCounts, source: str) -> float:
    """Rate times T: spikes of a mean neuron in an inference."""
    sent = counts.sent[source]
    return float(sent.sum()) / (len(sent) * counts.samples)
