"""The sinabs frontend: which of sinabs' classes are neuron layers, layers, containers, or refused.

Measured with sinabs 3.1.3; the discrete updates stand in sinabs_neurons.py. Importing sinabs.layers is harmless; samna
and sinabs.backend.dynapcnn, which install packages when imported, are not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import sinabs.layers as layers
import torch
from torch import nn

from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.frontends.conventions import PRESETS
from seamount.frontends.frameworks import sinabs_neurons
from seamount.frontends.frameworks.framework import Framework, NeuronWriter
from seamount.frontends.frameworks.refusal import Refusal
from seamount.frontends.traced import Lead

NEURONS: dict[type, NeuronWriter] = {
    **dict.fromkeys((layers.IAF, layers.IAFSqueeze, layers.LIF, layers.LIFSqueeze), sinabs_neurons.neuron),
    **dict.fromkeys((layers.ExpLeak, layers.ExpLeakSqueeze), sinabs_neurons.neuron),
    **dict.fromkeys((layers.IAFRecurrent, layers.LIFRecurrent), sinabs_neurons.recurrent),
}
_SQUEEZED = (layers.IAFSqueeze, layers.LIFSqueeze, layers.ExpLeakSqueeze)
LEADS: dict[type, Lead] = {kind: "W" if kind in _SQUEEZED else "NT" for kind in NEURONS}

LAYERS: dict[type, type] = {layers.SumPool2d: nn.LPPool2d, layers.FlattenTime: nn.Flatten}
"""Stateless layers -> the torch.nn class that they act as."""

CONTAINERS = frozenset({"Repeat", "UnflattenTime", "Merge"})

_ADAPTIVE = Refusal("an adaptive threshold has no counterpart in NIR")
_ENCODER = Refusal("an encoder draws spikes on the host and is no part of the network", "encode before save()")
REFUSED: dict[str, Refusal] = {
    **dict.fromkeys(("ALIF", "ALIFRecurrent"), _ADAPTIVE),
    **dict.fromkeys(("Img2SpikeLayer", "Sig2SpikeLayer"), _ENCODER),
    "SpikingMaxPooling2dLayer": Refusal(
        "a maximum is not linear", "use SumPool2d or a strided convolution, and train again"
    ),
    "NeuromorphicReLU": Refusal(
        "a rectifier has no counterpart among spiking layers", "convert it with sinabs.from_torch"
    ),
    "QuantizeLayer": Refusal("rounding activations has no counterpart among spiking layers"),
    "ChannelShift": Refusal("moving channels has no counterpart in NIR"),
    "Cropping2dLayer": Refusal("cutting a part out has no counterpart in NIR", "crop the samples before save()"),
    "Network": Refusal("it holds the analog network as well", "save its spiking_model"),
}
"""Class -> why it is refused."""


def versions() -> dict[str, str]:
    """Packages that gave the network its meaning."""
    return {name: version(name) for name in ("sinabs", "torch", "nir")}


def reset(model: nn.Module) -> None:
    """Set all states to nothing, which is zero at the next call, whatever the number of samples."""
    for module in model.modules():
        if isinstance(module, tuple(NEURONS)):
            for state in ("v_mem", "i_syn"):
                if isinstance(module._buffers.get(state), torch.Tensor):
                    module._buffers[state] = torch.zeros(0, device=module._buffers[state].device)  # type: ignore[union-attr]


@contextmanager
def sized(model: nn.Module, samples: int, steps: int) -> Iterator[None]:
    """Squeeze layers and UnflattenTime set to so many samples and steps. Raises ImportRefused for other steps."""
    squeezed: list[tuple[str, Any]] = [(n, m) for n, m in model.named_modules() if isinstance(m, layers.SqueezeMixin)]
    unflattening: list[Any] = [m for m in model.modules() if type(m) is layers.UnflattenTime]
    raise_all(ImportRefused, [_wrong_length(n, m, steps) for n, m in squeezed if m.num_timesteps not in (-1, steps)])
    before = [(m, m.batch_size, getattr(m, "num_timesteps", None)) for m in (*(m for _, m in squeezed), *unflattening)]
    for _, module in squeezed:
        module.batch_size, module.num_timesteps = samples, steps
    for module in unflattening:
        module.batch_size = samples
    try:
        yield
    finally:
        for module, batch, length in before:
            module.batch_size = batch
            if length is not None:
                module.num_timesteps = length


def _wrong_length(name: str, module: Any, steps: int) -> Problem:
    where = f"neuron layer '{name or type(module).__name__.lower()}' ({type(module).__name__})"
    found = f"is built for num_timesteps={module.num_timesteps}, but a sample has {steps} steps"
    return Problem(where, found, "give samples of that length, or build it with batch_size alone")


FRAMEWORK = Framework(
    "sinabs", NEURONS, frozenset(), REFUSED, CONTAINERS, PRESETS["sinabs"], versions,
    layers=LAYERS, neuron_objections=sinabs_neurons.objections, keeps_state=True, reset=reset, leads=LEADS, sized=sized,
    several=lambda module: (sinabs_neurons.most_spikes(module) or 1) > 1,
    readouts=frozenset({layers.ExpLeak, layers.ExpLeakSqueeze}),
)  # fmt: skip
