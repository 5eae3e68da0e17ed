"""Published energies priced anew from the counts that their authors state.

python -m tests.energy.published     prints both tables of docs/energy.md
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seamount.backends.registry import load_costs
from seamount.compiler.energy.counts import Count
from seamount.compiler.energy.estimate import Estimate, Interval, total
from seamount.compiler.energy.price import price
from seamount.compiler.energy.text import energy, number

KERAS_SPIKING = "keras-spiking, docs/examples/model-energy (estimate, its constants 27 and 81 pJ)"
RENNER = "Renner et al. 2024, doi:10.1038/s41467-024-53827-9, table 1 (measured)"


@dataclass(frozen=True)
class Row:
    """A published energy in J, the estimate from the stated counts in pJ, and what was stated."""

    network: str
    stated: str
    published: float
    estimate: Estimate
    source: str

    @property
    def holds(self) -> bool:
        return self.estimate.bounds.holds(self.published * 1e12)


def priced(set_name: str, **counts: Interval | float) -> Estimate:
    """Counts by event name, priced by a set."""
    shown = []
    for event, n in counts.items():
        costs = ("neuron_inactive", "neuron_active") if event == "neuron" else (event,)
        shown.append(Count(event, "", costs, n if isinstance(n, Interval) else Interval.at(n), "stated"))
    return total(line.energy for line in price(shown, load_costs(set_name)))


def keras_spiking() -> Iterator[Row]:
    """28 x 28 input, 7 x 7 convolution to 2 channels, dense 128, dense 10.

    Stated: connections 47,432, 123,904 and 1,280; neurons 968 and 128; firing rates of what feeds each layer in Hz;
    steps of dt seconds. Synaptic operations = connections x rate x dt x steps.
    """
    low, high = (1.0, 0.26, 0.18), (5.0, 1.3, 0.91)
    published = (
        (low, 1, 0.001, 1.3e-9 + 8.7e-10 + 6.3e-12 + 7.8e-8 + 1e-8),
        (high, 1, 0.001, 9.96e-8),
        (high, 1, 0.002, 1.10e-7),
        (high, 10, 0.001, 9.96e-7),
        (high, 20, 0.001, 1.99e-6),
    )
    for rates, steps, dt, joules in published:
        conv, *dense = (n * r * dt * steps for n, r in zip((47432, 123904, 1280), rates, strict=True))
        found = priced("loihi1", synapse_conv=conv, synapse_dense=sum(dense), neuron=(968 + 128) * steps)
        events = f"{conv + sum(dense):,.0f} SynOps, {1096 * steps:,} updates"
        stated = f"input {rates[0]:g} Hz, T = {steps}, dt = {1000 * dt:g} ms: {events}"
        yield Row("conv 2 - dense 128 - dense 10", stated, joules, found, KERAS_SPIKING)


def renner() -> Iterator[Row]:
    """400-400-10 on Loihi, inference. Stated: the structure and 0.17 ms per sample; no number of steps or spikes.

    So: between no spike and one of every input and hidden neuron; between the two steps that two layers need and as
    many as fit into 0.17 ms with the shortest barrier that is published. Wide, but nothing is assumed.
    """
    steps = 0.17e6 // load_costs("davies2018").time["barrier_least"].ends[0]
    synops, updates = Interval(0, 400 * 400 + 400 * 10), Interval(410 * 2, 410 * steps)
    found = priced("loihi1", synapse_dense=synops, neuron=updates)
    stated = f"structure and 0.17 ms: 0 .. {synops.high:,.0f} SynOps, {updates.low:,.0f} .. {updates.high:,.0f} updates"
    yield Row("400 - 400 - 10", stated, 0.0025e-3, found, RENNER)


@dataclass(frozen=True)
class TableRow:
    """One row of a training paper: operations in thousands, energy as printed, and what the convention gives."""

    network: str
    ac: float
    mac: float
    printed_mj: float

    @property
    def found_mj(self) -> float:
        return priced("45nm-fp32", accumulate=1e3 * self.ac, mac_float32=1e3 * self.mac).bounds.low * 1e-9

    @property
    def agrees(self) -> bool:
        """To the printed digits."""
        return abs(self.found_mj - self.printed_mj) <= 0.000051 + 0.0005 * self.printed_mj


SQUEEZENET = (
    "'From lightweight CNNs to SpikeNets' (pruned spiking SqueezeNet), README tables 1, github.com/MehediAhamed"
)
TABLE = (
    TableRow("CIFAR-10 ShuffleNetV2", 93, 894, 0.0042),
    TableRow("CIFAR-10 Xception", 1510, 96300, 0.4444),
    TableRow("CIFAR-10 MnasNet", 3430, 12130, 0.0589),
    TableRow("CIFAR-10 MixNet", 523, 506.9, 0.0028),
    TableRow("CIFAR-10 SqueezeNet", 16610, 4470, 0.0355),
    TableRow("CIFAR-10 SqueezeNet-P", 11200, 4230, 0.0295),
    TableRow("CIFAR-100 ShuffleNetV2", 163, 894.6, 0.0043),
    TableRow("CIFAR-100 Xception", 1780, 96310, 0.4446),
    TableRow("CIFAR-100 MnasNet", 3050, 12930, 0.0622),
    TableRow("CIFAR-100 MixNet", 862, 506.9, 0.0023),
    TableRow("CIFAR-100 SqueezeNet", 20790, 4470, 0.0393),
    TableRow("CIFAR-100 SqueezeNet-P", 13490, 4230, 0.0316),
    TableRow("Tiny ImageNet ShuffleNetV2", 642, 3780, 0.0180),
    TableRow("Tiny ImageNet Xception", 6440, 385630, 1.7797),
    TableRow("Tiny ImageNet MnasNet", 12040, 51690, 0.2486),
    TableRow("Tiny ImageNet MixNet", 2000, 203.0, 0.0093),
    TableRow("Tiny ImageNet SqueezeNet", 80094, 17880, 0.1543),
    TableRow("Tiny ImageNet SqueezeNet-P", 51970, 16920, 0.1246),
)

FRONTIERS = "doi:10.3389/fnins.2023.1091097, table 3"


def frontiers() -> dict[str, float]:
    """Stated: spike rate 0.1366, 18.39 M operations of the ANN; printed: 845.94 and 3.09, in 1e-7 J, ratio 273.77.

    Its footnote takes OP_SNN = rate x OP_ANN and then energy = OP_SNN x 0.9 pJ x rate: the rate enters twice.
    """
    rate, ops = 0.1366, 18.39e6
    ann = priced("45nm-fp32", mac_float32=ops).bounds.low * 1e-12
    once = priced("45nm-fp32", accumulate=ops * rate).bounds.low * 1e-12
    twice = once * rate
    return {"ann": ann, "snn": once, "snn as printed": twice, "ratio": ann / once, "ratio as printed": ann / twice}


def main() -> None:
    print("| network | stated | published | estimate | inside |\n|---|---|---|---|---|")
    for row in (*keras_spiking(), *renner()):
        inside = "yes" if row.holds else "no"
        print(f"| {row.network} | {row.stated} | {number(row.published, 'J')} | {energy(row.estimate)} | {inside} |")
    print(
        "\n| network | AC (k) | MAC (k) | printed (mJ) | by the convention (mJ) | agrees |\n|---|---|---|---|---|---|"
    )
    for line in TABLE:
        agrees = "yes" if line.agrees else "no"
        print(f"| {line.network} | {line.ac:g} | {line.mac:g} | {line.printed_mj} | {line.found_mj:.4f} | {agrees} |")
    print()
    for name, value in frontiers().items():
        print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    main()
