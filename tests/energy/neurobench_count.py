"""What NeuroBench counts on a compiled network: runs in NeuroBench's own environment, knows nothing of Seamount.

    python neurobench_count.py NETWORK.npz OUT.json

NETWORK.npz holds "network" (JSON: populations and projections in order, steps), the integer weights and parameters, and
the messages of each input port, (N, T, *shape). The network is built of torch's layers and of snnTorch neurons that do
the integer step in float64, which is exact; NeuroBench's hooks count what passes through them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import snntorch
import torch
from neurobench.metrics.workload import MembraneUpdates, SynapticOperations
from neurobench.models import TorchModel
from torch import nn


class Neurons(snntorch.SpikingNeuron):
    """One population. mem is v after the reset, as NeuroBench reads it."""

    def __init__(self, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super().__init__(init_hidden=True)
        self.about, self.output = about, False
        self.values = {k: torch.as_tensor(arrays[f"{about['name']}:{k}"], dtype=torch.float64) for k in about["arrays"]}
        self.mem = torch.zeros(())
        self.u = torch.zeros(())

    def start(self, samples: int) -> None:
        self.u = torch.zeros((samples, *self.about["shape"]), dtype=torch.float64)
        self.mem = self.u + self.values["v_init"]

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        about, p = self.about, self.values
        u = torch.trunc(self.u * (4095 - p["du"]) / 4096) + 64 * a
        u = torch.where(u > 2**23, u - 2**24, torch.where(u <= -(2**23), u + 2**24, u))
        bias = torch.floor(p["bias_mant"] * 2.0 ** about["bias_exp"])
        v = torch.trunc(self.mem * (4096 - p["dv"]) / 4096) + u + bias
        v = torch.clamp(v, -(2**23) + 1, 2**23 - 1)
        s = (v > 64 * p["vth"]).double() if about["fires"] else torch.zeros_like(v)
        reset = v - p["reset_by"] if about["reset"] == "subtract" else torch.zeros_like(v)
        self.u, self.mem = u, torch.clamp(torch.where(s == 1, reset, v), min=about["v_min"])
        return s


def layer(about: dict[str, Any], weight: np.ndarray) -> nn.Module:
    """The connection of a projection as torch's own layer, without bias."""
    if about["kind"] == "dense":
        made: nn.Module = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    else:
        made = nn.Conv2d(
            weight.shape[1] * about["groups"], weight.shape[0], weight.shape[2:], tuple(about["stride"]),
            tuple(about["padding"]), tuple(about["dilation"]), about["groups"], bias=False,
        )  # fmt: skip
    made = made.double()
    made.weight.data = torch.as_tensor(weight, dtype=torch.float64)
    return made


class Network(nn.Module):
    """All steps of all samples; keeps the spikes per population."""

    def __init__(self, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        super().__init__()
        self.about = about
        self.neurons = nn.ModuleList(Neurons(p, arrays) for p in about["populations"])
        self.layers = nn.ModuleList(layer(q, arrays[f"{q['name']}:weight"]) for q in about["projections"])

    def forward(self, messages: dict[str, torch.Tensor]) -> dict[str, list[torch.Tensor]]:
        about = self.about
        samples = len(next(iter(messages.values())))
        sent: dict[str, list[torch.Tensor]] = {k: list(x.unbind(1)) for k, x in messages.items()}
        for neurons in self.neurons:
            neurons.start(samples)
            sent[neurons.about["name"]] = []
        for t in range(about["steps"]):
            for p, neurons in zip(about["populations"], self.neurons, strict=True):
                a = torch.zeros((samples, *p["shape"]), dtype=torch.float64)
                for q, connection in zip(about["projections"], self.layers, strict=True):
                    if q["target"] == p["name"] and t >= q["lag"]:
                        s = sent[q["source"]][t - q["lag"]]
                        out = connection(s.flatten(1) if q["kind"] == "dense" else s)
                        a = a + torch.floor(out * 2.0 ** q["weight_exp"]).reshape(a.shape)
                sent[p["name"]].append(neurons(a))
        return sent


def main() -> None:
    file, out = map(Path, sys.argv[1:])
    arrays = dict(np.load(file))
    about = json.loads(str(arrays["network"]))
    messages = {k: torch.as_tensor(arrays[f"messages:{k}"], dtype=torch.float64) for k in about["inputs"]}
    torch.set_num_threads(1)
    with torch.no_grad():
        network = Network(about, arrays)
        model = TorchModel(network)
        model.add_activation_module(snntorch.SpikingNeuron)  # as NeuroBench's own wrapper of snnTorch does
        model.register_hooks()
        sent = model(messages)
        data = (next(iter(messages.values())), None)
        operations, updates = SynapticOperations(), MembraneUpdates()
        found = {**operations(model, None, data), "Membrane_Updates": updates(model, None, data)}
    spikes = {p["name"]: [int(s.sum()) for s in sent[p["name"]]] for p in about["populations"]}
    out.write_text(json.dumps({"per_sample": found, "spikes": spikes}))


if __name__ == "__main__":
    main()
