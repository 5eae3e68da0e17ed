"""The SpikingJelly frontend: which of its classes are neuron layers, wrapped layers, containers, or refused.

Measured with spikingjelly 2.0.0; the discrete updates stand in spikingjelly_neurons.py.
"""

from __future__ import annotations

from importlib.metadata import version

import torch
from spikingjelly.activation_based import functional, neuron

from seamount.frontends.conventions import PRESETS
from seamount.frontends.frameworks import analog, spikingjelly_layers, spikingjelly_neurons
from seamount.frontends.frameworks.framework import Framework, NeuronWriter
from seamount.frontends.frameworks.refusal import Refusal
from seamount.frontends.frameworks.spikingjelly_layers import LAYERS, MULTI_STEP_ALONE

NEURONS: dict[type, NeuronWriter] = {
    neuron.IFNode: spikingjelly_neurons.integrate_and_fire,
    neuron.LIFNode: spikingjelly_neurons.lif,
    neuron.ParametricLIFNode: spikingjelly_neurons.parametric_lif,
    neuron.CUBALIFNode: spikingjelly_neurons.cuba_lif,
    neuron.ILIFNode: spikingjelly_neurons.integer_lif,
    neuron.NonSpikingIFNode: spikingjelly_neurons.non_spiking,
    neuron.NonSpikingLIFNode: spikingjelly_neurons.non_spiking,
}
READOUTS = frozenset({neuron.NonSpikingIFNode, neuron.NonSpikingLIFNode})
"""Neurons that send their membrane; they take all steps at once."""

CONTAINERS = frozenset({"SeqToANNContainer", "MultiStepContainer", "StepModeContainer"})

_ANALOG = Refusal("it sends real values")
_TERNARY = Refusal("negative spikes have no counterpart in NIR")
_NOISE = Refusal("noise has no counterpart in NIR")
_PARALLEL = Refusal("each step sees several steps of input at once, which no neuron of NIR does")
_INNER = Refusal("connections inside the layer that follow a rule of their own have no counterpart in NIR")
_ONLINE = Refusal("a copy for online learning", "its trained weights belong to the plain class")
_MAX = Refusal("a maximum is not linear", "use an average pool or a strided convolution, and train again")
_THREE = Refusal("NIR has layers of one and two dimensions")
_ENCODER = Refusal("an encoder draws or times spikes on the host and is no part of the network", "encode before save()")
_RNN = Refusal("is a recurrence of spikes without a membrane, which no neuron of NIR has", analog.GATES.remedy)
_COUNT = Refusal("counts of spikes over several steps have no counterpart in NIR")
REFUSED: dict[str, Refusal] = {
    "KLIFNode": Refusal("scaling and rectifying the membrane before it is compared has no counterpart in NIR"),
    "QIFNode": Refusal("a quadratic membrane has no counterpart in NIR"),
    "EIFNode": Refusal("an exponential membrane has no counterpart in NIR"),
    "IzhikevichNode": Refusal("a quadratic membrane with a recovery variable has no counterpart in NIR"),
    "GatedLIFNode": Refusal("gates have no counterpart in NIR"),
    "ComplementaryLIFNode": Refusal("the complementary potential has no counterpart in NIR"),
    "RAFNode": Refusal("a resonating membrane has no counterpart in NIR"),
    "HalfThresholdIFNode": Refusal("starting at half the threshold has no counterpart among the start conventions"),
    "LIAFNode": _ANALOG,
    **dict.fromkeys(("PSN", "MaskedPSN", "SlidingPSN"), _PARALLEL),
    **dict.fromkeys(("TernaryIFNode", "TernaryLIFNode", "STBIFNode"), _TERNARY),
    **dict.fromkeys(("NoisyCUBALIFNode", "NoisyNonSpikingIFNode", "NoisyILCCUBALIFNode"), _NOISE),
    **dict.fromkeys(("ILCIFNode", "ILCLIFNode", "ILCCUBALIFNode"), _INNER),
    **dict.fromkeys(("OTTTLIFNode", "SLTTLIFNode", "DSRIFNode", "DSRLIFNode"), _ONLINE),
    **dict.fromkeys(("MaxPool1d", "MaxPool3d"), _MAX),
    **dict.fromkeys(
        (
            "QKAttention",
            "TokenQKAttention",
            "ChannelQKAttention",
            "SpikingSelfAttention",
            "SpikeDrivenSelfAttention",
            "TemporalWiseAttention",
            "MultiDimensionalAttention",
        ),
        analog.ATTENTION,
    ),
    **dict.fromkeys(
        (
            "Conv3d",
            "ConvTranspose3d",
            "AvgPool3d",
            "AdaptiveAvgPool3d",
            "BatchNorm3d",
            "MaxUnpool3d",
            "ThresholdDependentBatchNorm3d",
            "TemporalEffectiveBatchNorm3d",
            "BatchNormThroughTime3d",
        ),
        _THREE,
    ),
    **dict.fromkeys(
        ("MaxUnpool1d", "MaxUnpool2d"), Refusal("putting maxima back to where they were depends on the data")
    ),
    **dict.fromkeys(("SimpleIFNode", "SimpleLIFNode"), Refusal("a plain copy for teaching", "use IFNode or LIFNode")),
    **dict.fromkeys(("TemporalBinSum", "SpikeCountToBinary"), _COUNT),
    **dict.fromkeys(
        ("TLastSeqToANNContainer", "TLastMultiStepContainer"), Refusal("time is its last axis", "put time first")
    ),
    **dict.fromkeys(("GradwithTrace", "SpikeTraceOp", "OTTTSequential"), _ONLINE),
    **dict.fromkeys(
        (
            "PoissonEncoder",
            "LatencyEncoder",
            "WeightedPhaseEncoder",
            "PeriodicEncoder",
            "PopEncoder",
            "PopSpikeEncoderDeterministic",
            "PopSpikeEncoderRandom",
        ),
        _ENCODER,
    ),
    **dict.fromkeys(("SpikingLSTMCell", "SpikingLSTM", "SpikingGRUCell", "SpikingGRU"), analog.GATES),
    **dict.fromkeys(("SpikingVanillaRNNCell", "SpikingVanillaRNN"), _RNN),
    "FewSpikeNode": Refusal("thresholds and weights that differ between steps have no counterpart in NIR"),
    "MPBNLIFNode": Refusal("a batch norm of the membrane has no counterpart in NIR"),
    "HGNode": _ANALOG,
    "FlexSN": Refusal("a neuron of your own making cannot be looked into"),
    "ActivationAwareIFNode": Refusal("a threshold that follows the input has no counterpart in NIR"),
    "OutlierAwareThresholdNode": Refusal("a threshold that follows the input has no counterpart in NIR"),
    "Delay": Refusal("a layer that delays is not traced", "keep the spikes of the step before in forward"),
    "DropConnectLinear": Refusal(
        "weights drawn at random have no counterpart", "use a Linear with its trained weights"
    ),
    "NeuNorm": Refusal("a scale that follows the activity has no counterpart in NIR", "use a batch norm"),
    "PrintShapeModule": Refusal("it prints while it runs", "leave it out"),
    "SynapseFilter": Refusal("a filtered synapse without neuron has no counterpart in NIR", "use a CUBALIFNode"),
    "ElementWiseRecurrentContainer": Refusal("it feeds a function of its own back", "write the recurrence in forward"),
    "LinearRecurrentContainer": Refusal(
        "it feeds back through a concatenation", "write it in forward, with two Linear"
    ),
    "GroupNorm": Refusal("its scale follows each input", "use a batch norm"),
}
"""Class -> why it is refused."""


def versions() -> dict[str, str]:
    """Packages that gave the network its meaning."""
    return {name: version(name) for name in ("spikingjelly", "torch", "nir")}


def multi_step(module: torch.nn.Module) -> bool:
    """Whether a neuron or wrapped layer takes (T, N, *shape)."""
    several = isinstance(module, tuple(NEURONS)) or type(module) in (*LAYERS, *spikingjelly_layers.SCALES)
    alone = type(module).__name__.startswith(MULTI_STEP_ALONE)
    return alone or (several and getattr(module, "step_mode", "s") == "m")


def reset(model: torch.nn.Module) -> None:
    """Set all states to their reset values, as before each sample."""
    functional.reset_net(model)


FRAMEWORK = Framework(
    "spikingjelly", NEURONS, frozenset(), REFUSED, CONTAINERS, PRESETS["spikingjelly"], versions,
    multi_step=multi_step, layers=LAYERS, neuron_objections=spikingjelly_neurons.objections, keeps_state=True,
    reset=reset, networks=("spikingjelly.activation_based.model.",), plain=spikingjelly_layers.plain,
    scales=spikingjelly_layers.SCALES, readouts=READOUTS, leads=dict.fromkeys(READOUTS, "TN"),
    combines=dict.fromkeys(READOUTS, spikingjelly_neurons.combined), unrolled=spikingjelly_neurons.unrolled,
    several=lambda module: spikingjelly_neurons.most_spikes(module) > 1,
    silent=spikingjelly_neurons.silent, sending=spikingjelly_neurons.sending,
)  # fmt: skip
