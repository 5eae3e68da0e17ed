"""What runs under nengo-loihi's Python (3.9, numpy < 1.24): `python nengo_host.py REQUEST.npz ANSWER.npz`.

Neurons and synapses of the compiled program as blocks of nengo-loihi 1.1.0's emulator, with the same integers, one
sample after the other. Imports nothing of Seamount, which needs a later Python.

A layer at pipeline offset k first updates in step k + 1 of the emulator; until then its bias is 0, so that its
registers rest. Between samples the registers are cleared.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from nengo_loihi.block import Axon, LoihiBlock, Synapse
from nengo_loihi.builder import Model
from nengo_loihi.emulator import EmulatorInterface
from nengo_loihi.inputs import SpikeInput
from nengo_loihi.probe import LoihiProbe

V_MAX = 2**23 - 1


def block_of(population: dict[str, Any], arrays: Any) -> LoihiBlock:
    """Neurons; `refract_delay` 1 is no pause after a spike."""
    name, size = population["name"], population["size"]
    block = LoihiBlock(size, label=name)
    registers = block.compartment
    for key in ("decay_u", "decay_v", "vth"):
        setattr(registers, key, np.broadcast_to(arrays[name + "/" + key], size).astype(np.int32))
    registers.bias = np.zeros(size, np.int32)
    registers.refract_delay = np.ones(size, np.int32)
    registers.scale_u = registers.scale_v = False
    registers.vmin, registers.vmax = population["v_min"], V_MAX
    registers.dtype = np.int32
    return block


def synapse_of(name: str, sources: int, arrays: Any) -> Synapse:
    """For each source neuron its list of targets and weights."""
    post, pre, weight = (arrays[name + "/" + key] for key in ("post", "pre", "weight"))
    order = np.argsort(pre, kind="stable")
    cuts = np.searchsorted(pre[order], np.arange(1, sources))
    synapse = Synapse(sources, label=name)
    synapse._set_weights_indices(
        np.split(weight[order], cuts), indices=np.split(post[order], cuts), weight_dtype=np.int32
    )
    return synapse


def build(request: dict[str, Any], arrays: Any) -> tuple[Any, Any, Any, Any]:
    """The model's emulator, its input, its probe and its blocks."""
    model = Model()
    blocks = {p["name"]: block_of(p, arrays) for p in request["populations"]}
    given = SpikeInput(request["inputs"]["size"], label=request["inputs"]["name"])
    for q in request["projections"]:
        source = given if q["source"] == request["inputs"]["name"] else blocks[q["source"]]
        synapse = synapse_of(q["name"], source.n_neurons, arrays)
        blocks[q["target"]].add_synapse(synapse)
        axon = Axon(source.n_neurons, label=q["name"])
        axon.target = synapse
        source.add_axon(axon)
    probe = LoihiProbe(target=blocks[request["readout"]["population"]], key=request["readout"]["register"])
    for block in blocks.values():
        model.add_block(block)
    model.add_input(given)
    model.add_probe(probe)
    return EmulatorInterface(model, seed=0), given, probe, blocks


def run(emulator: Any, given: Any, probe: Any, blocks: Any, request: dict[str, Any], arrays: Any, sample: Any) -> Any:
    """The probed register, (T, n), of one sample (T, inputs)."""
    state, steps = emulator.compartment, len(sample)
    for register in (state.current, state.voltage, state.spiked, state.bias, state.ref_count):
        register[:] = 0
    emulator.t = 0
    given.spikes.clear()
    for t, frame in enumerate(sample):
        given.add_spikes(t + 1, np.flatnonzero(frame))
    begins: dict[int, list[str]] = {}
    for p in request["populations"]:
        begins.setdefault(p["offset"], []).append(p["name"])
    for t in range(steps + max(begins)):
        for name in begins.get(t, ()):
            where = emulator.block_info.slices[blocks[name]]
            state.bias[where] = arrays[name + "/bias"]
        emulator.step()
    series = emulator.collect_probe_output(probe)
    first = next(p["offset"] for p in request["populations"] if p["name"] == request["readout"]["population"])
    return series[first : first + steps]


def main(source: str, target: str) -> None:
    """Run the samples of a request; the first one is for warming up."""
    with np.load(source, allow_pickle=False) as arrays:
        arrays = dict(arrays)
    request = json.loads(str(arrays["request"]))
    begin = time.perf_counter()
    parts = build(request, arrays)
    start = time.perf_counter() - begin
    found, took = [], []
    for sample in arrays["messages"]:
        begin = time.perf_counter()
        found.append(run(*parts, request, arrays, sample))
        took.append(time.perf_counter() - begin)
    np.savez(target, series=np.array(found), seconds=np.array(took), start=np.array(start))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
