"""A compiled spiking network as a Lava process graph. Needs Python 3.10 with lava-nc 0.10.0, and nothing else.

    python network.py        runs the stored test vectors in Lava and compares; exit code 1 if anything differs

    from network import load
    net = load("this-folder", steps=16)
    my_source.s_out.connect(net.inputs["input"])
    net.outputs["output"].connect(my_sink.a_in)
    net.root.run(condition=RunSteps(num_steps=net.run_length(samples)), run_cfg=net.run_config())

A message that is sent in step t of sample n (step n * T + t of the run, from 0) reaches a population of offset k at
step n * T + t + k; there u and v are reset at the first step of each sample. So samples follow each other gapless.
A network slowed down K times takes K steps of the run for each of these; in the others its registers rest. All values
are integers, all models fixed-point; those of populations and synapses compute as stock Lava does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.models import PyConvModelFixed
from lava.proc.conv.process import Conv
from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset
from lava.proc.sparse.models import PyDelaySparseModelBitAcc, PySparseModelBitAcc
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import csr_matrix

NEVER = 2**17
"""A threshold no membrane reaches: 64 * 2**17 = 2**23, and v <= 2**23 - 1."""
SIGN_MODES = {"mixed": SignMode.MIXED, "excitatory": SignMode.EXCITATORY, "inhibitory": SignMode.INHIBITORY}


class ExtendedLIF(LIFReset):
    """LIFReset, and what it lacks: reset by subtraction, a lower clamp of v, an initial v, registers as ports, rest.

    `population` says which of them. u_out and v_out send u and v after each step. every: (K, step of the first update):
    updates in every K-th step only, in the others registers rest, and what arrives is not looked at.
    """

    def __init__(self, *, population: Any, every: tuple[int, int], **parameters: Any) -> None:
        super().__init__(**parameters)
        self.proc_params["population"], self.proc_params["every"] = population, every
        self.u_out = OutPort(shape=population.shape)
        self.v_out = OutPort(shape=population.shape)


class PyExtendedLifModel(PyLifResetModelBitAcc):
    """Stock decay, sum, wrap, saturation and comparison; then the reset by subtraction and the clamp."""

    u_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    v_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32, precision=24)
    implements_process = ExtendedLIF  # as Lava's decorator would set it, which refuses subclasses of such models

    def scale_bias(self) -> None:
        """Stock scaling. Called once per step, right after the periodic reset: the place to set the initial v."""
        if self.time_step % self.reset_interval == self.reset_offset:
            self.v[:] = self.proc_params["population"].v_init
        super().scale_bias()

    def subthr_dynamics(self, activation_in: Any) -> None:
        """Stock dynamics; where v exceeded the threshold before them is what a guarded neuron goes by."""
        self.was_high = self.v > self.effective_vth
        super().subthr_dynamics(activation_in)

    def spiking_activation(self) -> Any:
        """The stock comparison; or how many levels v has passed, or a level that is higher (docs/semantics.md)."""
        population = self.proc_params["population"]
        if (most := getattr(population, "most", 1)) > 1:
            return np.clip(-((self.effective_vth - self.v) // population.reset_by), 0, most).astype(np.int32)
        if getattr(population, "guarded", False):
            return self.v > self.effective_vth + self.was_high * population.reset_by
        return super().spiking_activation()

    def reset_voltage(self, spike_vector: Any) -> None:
        """v to 0, or less `reset_by` for each spike, where it fired; then not below v_min."""
        population = self.proc_params["population"]
        if population.reset == "subtract":
            self.v[:] -= np.asarray(spike_vector, np.int32) * population.reset_by
        else:
            super().reset_voltage(spike_vector)
        self.v[:] = np.maximum(self.v, population.v_min)

    def run_spk(self) -> None:
        """One step, or rest; then the registers."""
        every, first = self.proc_params["every"]
        if (self.time_step - 1 - first) % every:
            self.a_in.recv()
            self.s_out.send(np.zeros(self.v.shape, np.int32))
        else:
            super().run_spk()
        self.u_out.send(self.u)
        self.v_out.send(self.v)


class Gate:
    """Added to stock synapse models: a gate, and delays whose stack of weights is built once and not in every step.

    The gate clears what was sent in another sample than the target is in. It is (offset of the target, steps per
    sample, lag of the projection): nothing arrives in the first `lag` steps of each sample.
    """

    stack: Any = None

    def run_spk(self: Any) -> None:
        """One stock step, after the gate."""
        offset, steps, lag = self.proc_params.get("gate") or (0, 1, 0)
        if (self.time_step - 1 - offset) % steps < lag:
            buffer = self.a_buf if hasattr(self, "a_buf") else self.a_buff
            (buffer[:, 0] if hasattr(self, "delays") else buffer)[...] = 0  # with delays, a column per step
        super().run_spk()

    def get_delay_wgts_mat(self: Any, *arguments: Any) -> Any:
        """The stock stack of weights by delay."""
        if self.stack is None:
            self.stack = super().get_delay_wgts_mat(*arguments)
        return self.stack


SYNAPSES = {
    Dense: PyDenseModelBitAcc,
    Sparse: PySparseModelBitAcc,
    Conv: PyConvModelFixed,
    DelayDense: type("CachedDelayDenseModel", (Gate, PyDelayDenseModelBitAcc), {}),
    DelaySparse: type("CachedDelaySparseModel", (Gate, PyDelaySparseModelBitAcc), {}),
}
GATED = {stock: type(stock)(f"Gated{stock.__name__}", (stock,), {"__module__": __name__}) for stock in SYNAPSES}
"""Stock process -> GatedDense, GatedSparse, ...: the same with a gate, which stock Lava does not have."""
MODELS = {LIFReset: PyLifResetModelBitAcc, ExtendedLIF: PyExtendedLifModel, **SYNAPSES}
for stock, model in SYNAPSES.items():
    bases = (model,) if issubclass(model, Gate) else (Gate, model)
    MODELS[GATED[stock]] = type(f"PyGated{stock.__name__}Model", bases, {"implements_process": GATED[stock]})


def neurons(p: Any, steps: int, slow: int, start: int, registers: bool) -> Any:
    """A population. LIFReset resets before step t when t % interval == offset; Lava counts steps from 1.

    steps: of the run for each sample, `slow` of them for one of the network.
    """
    vth, reset = (
        NEVER if p.vth is None else plain(p.vth),
        {"reset_interval": steps, "reset_offset": start + p.offset + 1},
    )
    bias = {"bias_mant": p.bias_mant, "bias_exp": p.bias_exp}
    parameters = {"shape": p.shape, "name": p.name, "du": plain(p.du), "dv": plain(p.dv), "vth": vth, **bias, **reset}
    stock = p.reset == "zero" and p.v_min <= -(2**23 - 1) and not np.any(p.v_init)
    if stock and not registers and (slow == 1 or rests(p)):
        return LIFReset(**parameters)
    return ExtendedLIF(population=p, every=(slow, start + p.offset), **parameters)


def rests(p: Any) -> bool:
    """Whether a stock neuron keeps v and sends nothing in a step without input; its u is forgotten anyway."""
    return not (np.any(p.du != 4095) or np.any(p.dv != 0) or np.any(p.bias_mant != 0))


def plain(value: Any) -> Any:
    """Python int for one value, as Lava's fixed-point model asks for; an array, which it takes too, per neuron."""
    return int(value) if value.ndim == 0 else value


def synapses(q: Any, shapes: Any, message_bits: int, gate: tuple[int, int, int]) -> Any:
    """A projection. Bits and sign mode are given, so that Lava's clip and truncation leave the weights as they are."""
    c, shape = q.connection, (size(shapes[q.target]), size(shapes[q.source]))
    grid = {"num_weight_bits": q.bits, "sign_mode": SIGN_MODES[q.sign_mode], "weight_exp": q.weight_exp}
    if hasattr(c, "stride"):
        # Lava convolves, in the layout (W, H, C); it ignores exponents, so that they go into the weights.
        kernel = np.ascontiguousarray(c.weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1) << q.weight_exp, np.int32)
        axes = {"stride": c.stride[::-1], "padding": c.padding[::-1], "dilation": c.dilation[::-1]}
        kind, what = Conv, {"weight": kernel, "input_shape": whc(shapes[q.source]), "groups": c.groups, **axes}
    elif hasattr(c, "rows"):
        matrix = csr_matrix((c.weight, (c.rows, c.cols)), shape=shape, dtype=np.int32)
        late = csr_matrix((np.full(matrix.nnz, q.delay, np.int64), matrix.indices, matrix.indptr), shape)
        delays = {"delays": late, "max_delay": q.delay} if q.delay else {}
        kind, what = DelaySparse if q.delay else Sparse, {"weights": matrix, **delays, **grid}
    else:
        delays = {"delays": np.full(shape, q.delay, np.int64)} if q.delay else {}
        kind, what = DelayDense if q.delay else Dense, {"weights": c.weight, **delays, **grid}
    process = (GATED[kind] if q.lag else kind)(name=q.name, num_message_bits=message_bits, **what)
    if q.lag:
        process.proc_params["gate"] = gate
    return process


def size(shape: tuple[int, ...]) -> int:
    """Number of neurons."""
    return int(np.prod(shape, dtype=np.int64))


def whc(shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, H, W) in the order of Lava's Conv; (C, L) is (C, 1, L)."""
    return (shape[-1], 1 if len(shape) == 2 else shape[1], shape[0])


def bits_of_messages(port: Any) -> int:
    """0 for spikes; else the narrowest width of Loihi 2 that holds the payloads of an input port."""
    if not port.graded:
        return 0
    magnitude, signed = max(port.high, -port.low - 1), port.low < 0
    return next(b for b in (8, 16, 24, 32) if magnitude < 2 ** (b - signed) or b == 32)


class Net:
    """The process graph of a program, to run by itself or within a larger one.

    program: from read_program. steps: T, of a sample. start: step of the run in which the first message is sent, when
    what feeds the network begins later than at step 0. registers: names of populations whose u and v become ports.

    inputs: name -> InPort; connect an OutPort of the same shape to each. populations: name -> LIFReset or ExtendedLIF.
    projections: name -> synapse process. outputs: name -> OutPort with the register the output is read from.
    """

    def __init__(self, program: Any, steps: int, start: int = 0, registers: Any = (), codes: Any = None) -> None:
        self.program, self.steps, self.start, self.codes = program, steps, start, codes
        self.slow: int = program.slow_down
        nodes = (*program.inputs, *program.populations)
        self.shapes = {n.name: n.shape for n in nodes}
        self.offsets = {n.name: getattr(n, "offset", 0) for n in nodes}
        self.depth = max(self.offsets.values())
        bits = {p.name: bits_of_messages(p) for p in program.inputs}
        bits |= {p.name: 8 for p in program.populations if getattr(p, "most", 1) > 1}
        self.inputs = {p.name: InPort(shape=p.shape) for p in program.inputs}
        self.populations = {
            p.name: neurons(p, steps * self.slow, self.slow, start, p.name in registers) for p in program.populations
        }
        self.projections: dict[str, Any] = {}
        for q in program.projections:
            gate = start + self.offsets[q.target], steps * self.slow, q.lag * self.slow
            self.projections[q.name] = process = synapses(q, self.shapes, bits.get(q.source, 0), gate)
            self._connect(q.source, process, q.target)
        ports = {"s": "s_out", "u": "u_out", "v": "v_out"}
        found = {r.name: getattr(self.populations[r.population], ports[r.register], None) for r in program.readouts}
        self.outputs = {name: port for name, port in found.items() if port is not None}

    def _connect(self, source: str, process: Any, target: str) -> None:
        port = self.inputs[source] if source in self.inputs else self.populations[source].s_out
        a_in, a_out = self.populations[target].a_in, process.a_out
        if isinstance(process, Conv):
            w, h, c = whc(port.shape)
            port.reshape((c, h, w)).transpose([2, 1, 0]).connect(process.s_in)
            a_out = a_out.transpose([2, 1, 0])
        else:
            (port if len(port.shape) == 1 else port.flatten()).connect(process.s_in)
        (a_out if a_out.shape == a_in.shape else a_out.reshape(a_in.shape)).connect(a_in)

    @property
    def root(self) -> Any:
        """A process from which Lava finds the whole graph."""
        return next(iter(self.populations.values()))

    def run_config(self, models: Any = None, **options: Any) -> Any:
        """Fixed point, and the model of each process of this network, so that Lava does not search for it.

        models: process -> model, for processes of your own. options: of Loihi2SimCfg.
        """
        loose = [n for n, port in self.inputs.items() if port.out_connections and not port.in_connections]
        if loose:
            raise ValueError(f"nothing is connected to input {', '.join(loose)}")
        processes = (*self.populations.values(), *self.projections.values())
        known = {process: MODELS[type(process)] for process in processes} | (models or {})
        return Loihi2SimCfg(**{"select_tag": "fixed_pt", "exception_proc_model_map": known, **options})

    def run_length(self, samples: int) -> int:
        """Steps until the last population has finished the last sample."""
        return self.start + samples * self.steps * self.slow + self.depth

    def stream(self, messages: Any) -> Any:
        """Messages (N, T, *shape) as data of a RingBuffer source, (*shape, steps): gapless, then silence."""
        sent = np.reshape(messages, (-1, *np.shape(messages)[2:]))
        flow = np.zeros((len(sent) * self.slow, *sent.shape[1:]), np.int32)
        flow[:: self.slow] = sent
        silent = [np.zeros((n, *flow.shape[1:]), np.int32) for n in (self.start, self.depth)]
        return np.ascontiguousarray(np.moveaxis(np.concatenate([silent[0], flow, silent[1]]), 0, -1))

    def windows(self, name: str, recorded: Any) -> Any:
        """What a RingBuffer sink recorded of a population or output, (*shape, steps), as (N, T, *shape)."""
        readers = {r.name: r.population for r in self.program.readouts}
        begin = self.start + self.offsets[readers.get(name, name)]
        flow = np.moveaxis(np.asarray(recorded), -1, 0)[begin :: self.slow].astype(np.int64)
        samples = len(flow) // self.steps
        return flow[: samples * self.steps].reshape(samples, self.steps, *flow.shape[1:])

    def answer(self, name: str, recorded: Any) -> Any:
        """The integers of an output, (N, *shape), from what a sink recorded; "mean" gives the sum, "each" all steps."""
        rule = next(r.rule for r in self.program.readouts if r.name == name)
        series = self.windows(name, recorded)
        if rule == "each":
            return series
        if rule == "last":
            return series[:, -1]
        return series.max(axis=1) if rule == "max" else series.sum(axis=1)

    def encode(self, name: str, x: Any) -> Any:
        """Real samples of an input, (N, *shape) or (N, T, *shape) as it was trained, as messages (N, T, *shape)."""
        code = self.codes["inputs"][name]
        payload = np.rint(np.clip(x, code["low"], code["high"]) / code["unit"]).astype(np.int32)
        steady = code["encoding"] == "constant"
        return np.repeat(payload[:, None], self.steps, axis=1) if steady else payload[:, : self.steps]

    def decode(self, name: str, integers: Any) -> Any:
        """The integers of an output in the units of the trained network."""
        code = self.codes["outputs"][name]
        return integers * (code["unit"] / (self.steps if code["rule"] == "mean" else 1))


def load(folder: str | Path, steps: int | None = None, start: int = 0) -> Net:
    """The network of an exported folder; u and v of populations that an output reads are ports. See Net."""
    program = read_program(Path(folder))
    codes = json.loads((Path(folder) / "encoding.json").read_text(encoding="utf-8"))
    registers = {r.population for r in program.readouts if r.register != "s"}
    return Net(program, steps or program.steps, start, registers, codes)


def read_program(folder: Path) -> Any:
    """program.json and arrays.npz as objects with the attributes that program.json names."""

    def decode(value: Any) -> Any:
        if isinstance(value, list):
            return tuple(map(decode, value))
        if not isinstance(value, dict):
            return value
        return (
            arrays[value["array"]] if "array" in value else SimpleNamespace(**{k: decode(v) for k, v in value.items()})
        )

    with np.load(folder / "arrays.npz", allow_pickle=False) as file:
        arrays = dict(file)
    return decode(json.loads((folder / "program.json").read_text(encoding="utf-8"))["program"])


def run_to_end(process: Any, steps: int, run_cfg: Any) -> None:
    """Run; when a process of the graph dies, say why and end, where Lava alone would wait for ever."""
    process.run(condition=RunSteps(num_steps=steps, blocking=False), run_cfg=run_cfg)
    infrastructure, finished = process.runtime._messaging_infrastructure, threading.Event()

    def watch() -> None:
        while not finished.wait(0.2):
            dead = [a for a in infrastructure.actors if a.exception is not None or not a.is_alive()]
            if dead and not finished.is_set():
                cause = dead[0].exception[1] if dead[0].exception else f"exit code {dead[0].exitcode}"
                print(f"Lava: a process died: {cause}", file=sys.stderr, flush=True)
                for actor in infrastructure.actors:
                    actor.kill()
                infrastructure.smm.shutdown()
                os._exit(3)

    threading.Thread(target=watch, daemon=True).start()
    process.wait()
    finished.set()


def main() -> int:
    """Run the stored test vectors; 1 if any spike or output differs from what the compiler stored."""
    folder = Path(__file__).resolve().parent
    with np.load(folder / "vectors.npz", allow_pickle=False) as file:
        stored = {tuple(key.split(":", 1)): file[key] for key in file}
    messages = {name: x for (part, name), x in stored.items() if part == "messages"}
    samples, steps = next(iter(messages.values())).shape[:2]
    net = load(folder, steps)
    length = net.run_length(samples)
    for name, x in messages.items():
        Source(data=net.stream(x)).s_out.connect(net.inputs[name])
    sinks = {}
    for part, name in stored:
        if part != "messages":
            port = net.populations[name].s_out if part == "spikes" else net.outputs[name]
            sinks[part, name] = Sink(shape=port.shape, buffer=length)
            port.connect(sinks[part, name].a_in)
    run_to_end(net.root, length, net.run_config())
    differing = 0
    for (part, name), sink in sinks.items():
        read = net.windows if part == "spikes" else net.answer
        wrong = int(np.sum(read(name, sink.data.get()) != stored[part, name]))
        print(f"{part:8} {name:24} {wrong} of {stored[part, name].size} entries differ")
        differing += wrong
    net.root.stop()
    print(f"{samples} samples, T = {steps}: " + ("FAILED" if differing else "all as stored"))
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
