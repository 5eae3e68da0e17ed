"""The snnTorch frontend: which of snnTorch's classes are neuron layers, or refused.

Measured with snntorch 1.0.0; the discrete updates stand in snntorch_neurons.py.
"""

from __future__ import annotations

from importlib.metadata import version

import snntorch
import torch

from seamount.frontends.conventions import PRESETS
from seamount.frontends.frameworks import analog, snntorch_neurons
from seamount.frontends.frameworks.framework import Framework, Membrane, NeuronWriter
from seamount.frontends.frameworks.refusal import Refusal
from seamount.frontends.frameworks.snntorch_neurons import needs_spikes

NEURONS: dict[type, NeuronWriter] = {
    snntorch.Leaky: snntorch_neurons.leaky,
    snntorch.Synaptic: snntorch_neurons.synaptic,
    snntorch.RLeaky: snntorch_neurons.rleaky,
    snntorch.RSynaptic: snntorch_neurons.rsynaptic,
    snntorch.Lapicque: snntorch_neurons.lapicque,
}

MEMBRANES = {
    snntorch.Leaky: Membrane(snntorch_neurons.leaky_membrane, needs_spikes),
    snntorch.Synaptic: Membrane(snntorch_neurons.synaptic_membrane, needs_spikes),
    snntorch.Lapicque: Membrane(snntorch_neurons.lapicque_membrane, needs_spikes),
}
"""Layers whose membrane, the last of their outputs, can be read."""

REFUSED: dict[str, Refusal] = {
    "Alpha": Refusal("the difference of two currents with a gain of their own has no counterpart in NIR"),
    "LeakyParallel": Refusal("a whole sequence at once in one torch.nn.RNN has no counterpart in NIR"),
    "LinearLeaky": Refusal("weights inside a layer that takes a whole sequence at once have no counterpart in NIR"),
    "AssociativeLeaky": Refusal("a matrix-valued state has no counterpart in NIR"),
    "StateLeaky": Refusal("a membrane without spikes that takes a whole sequence at once has no counterpart in NIR"),
    "LeakyKernel": Refusal("a fused kernel over a whole sequence has no counterpart in NIR"),
    "DeltaLeaky": Refusal("sending changes of the membrane has no counterpart in NIR"),
    "SLSTM": analog.GATES,
    "SConv2dLSTM": analog.GATES,
    "GradedSpikes": Refusal("scaling each spike by a weight of its own has no counterpart among spiking layers"),
}
"""Class -> why it is refused."""


def versions() -> dict[str, str]:
    """Packages that gave the network its meaning."""
    return {name: version(name) for name in ("snntorch", "torch", "nir")}


def reset(model: torch.nn.Module) -> None:
    """Set the states of every neuron layer to zero; unlike snntorch.utils.reset at any depth, and all states."""
    for module in model.modules():
        if isinstance(module, tuple(NEURONS)):
            module.reset_mem()  # type: ignore[operator]


FRAMEWORK = Framework(
    "snntorch", NEURONS, frozenset(), REFUSED, frozenset(), PRESETS["snntorch"], versions,
    membranes=MEMBRANES, neuron_objections=snntorch_neurons.objections, keeps_state=True, reset=reset,
    silent=snntorch_neurons.silent, sending=snntorch_neurons.sending,
)  # fmt: skip
