"""The norse frontend: which of norse's classes are neuron layers, containers, or refused.

Measured with norse 1.1.0; the discrete updates stand in norse_neurons.py.
"""

from __future__ import annotations

from importlib.metadata import version

import norse.torch as norse

from seamount.frontends.conventions import PRESETS
from seamount.frontends.frameworks import norse_neurons
from seamount.frontends.frameworks.framework import Framework, NeuronWriter
from seamount.frontends.frameworks.refusal import Refusal

NEURONS: dict[type, NeuronWriter] = {
    norse.LIFBoxCell: norse_neurons.lif_box,
    norse.LIFCell: norse_neurons.lif,
    norse.LIF: norse_neurons.lif,
    norse.LIFRecurrentCell: norse_neurons.lif_recurrent,
    norse.LIFRecurrent: norse_neurons.lif_recurrent,
    norse.IAFCell: norse_neurons.iaf,
    norse.IAF: norse_neurons.iaf,
    norse.LIBoxCell: norse_neurons.li_box,
    norse.LICell: norse_neurons.li,
    norse.LI: norse_neurons.li,
    norse.LILinearCell: norse_neurons.li_linear,
}

LOOPS = frozenset({norse.LIF, norse.LIFRecurrent, norse.IAF, norse.LI})
"""Layers that run over (T, N, *shape) themselves."""

CONTAINERS = frozenset({"SequentialState", "Lift", "RecurrentSequential", "ConvNet", "ConvNet4", "RegularizationCell"})

_REFRACTORY = Refusal("a refractory period has no counterpart in NIR")
_ADAPTIVE = Refusal(
    "an adaptive threshold or current has no counterpart in NIR",
    "use LIFCell, or LIFRecurrentCell for a recurrent one (LSNN without adaptation), and train again",
)
_ENCODER = "an encoder draws or times spikes on the host and is no part of the network"
REFUSED: dict[str, Refusal] = {
    **dict.fromkeys(("LIFRefracCell", "LIFRefracRecurrentCell", "LIFRefracRecurrent"), _REFRACTORY),
    **dict.fromkeys(("LIFMCRefracRecurrentCell",), _REFRACTORY),
    **dict.fromkeys(
        (
            "LSNNCell", "LSNN", "LSNNRecurrentCell", "LSNNRecurrent", "LIFAdExCell", "LIFAdEx", "LIFAdExRecurrentCell",
            "LIFAdExRecurrent", "LIFAdExRefracCell", "LIFAdExRefracRecurrentCell", "LIFAdExRefracRecurrent",
        ),
        _ADAPTIVE,
    ),
    **dict.fromkeys(
        ("IzhikevichCell", "Izhikevich", "IzhikevichRecurrentCell", "IzhikevichRecurrent"),
        Refusal("a quadratic membrane has no counterpart in NIR"),
    ),
    **dict.fromkeys(
        ("LIFExCell", "LIFEx", "LIFExRecurrentCell", "LIFExRecurrent"),
        Refusal("an exponential membrane has no counterpart in NIR"),
    ),
    **dict.fromkeys(
        (
            "PoissonEncoder", "SignedPoissonEncoder", "PopulationEncoder", "SpikeLatencyEncoder",
            "SpikeLatencyLIFEncoder", "ConstantCurrentLIFEncoder", "PoissonEncoderStep", "SignedPoissonEncoderStep",
        ),
        Refusal(_ENCODER, "encode before save()"),
    ),
    "CobaLIFCell": Refusal("conductance-based synapses have no counterpart in NIR"),
    "LIFMCRecurrentCell": Refusal("several compartments have no counterpart in NIR"),
    "LIFCorrelation": Refusal("it learns while it runs"),
    "ExpFilter": Refusal("a filter of spikes without a neuron has no counterpart in NIR", "use an LICell"),
    "LConv2d": Refusal("a convolution over time has no counterpart in NIR", "use Lift(torch.nn.Conv2d(...))"),
    **dict.fromkeys(
        (
            "SpatialReceptiveField2d", "SampledSpatialReceptiveField2d", "ParameterizedSpatialReceptiveField2d",
            "TemporalReceptiveField",
        ),
        Refusal("it makes its weights while it runs", "copy them into a torch.nn.Conv2d"),
    ),
    "SpikesToTimesDecoder": Refusal("it decodes spike times on the host", "leave it out of the saved module"),
}  # fmt: skip
"""Class -> why it is refused."""


def versions() -> dict[str, str]:
    """Packages that gave the network its meaning."""
    return {name: version(name) for name in ("norse", "torch", "nir")}


FRAMEWORK = Framework(
    "norse",
    NEURONS,
    LOOPS,
    REFUSED,
    CONTAINERS,
    PRESETS["norse"],
    versions,
    networks=("norse.torch.models.",),
    readouts=frozenset({norse.LIBoxCell, norse.LICell, norse.LI, norse.LILinearCell}),
    neuron_objections=norse_neurons.objections,
    silent=norse_neurons.silent,
    sending=norse_neurons.sending,
)
