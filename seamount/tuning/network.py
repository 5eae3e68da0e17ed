"""An integer program as a torch module: the same integers forward, surrogate gradients backward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from seamount.compiler.analysis.delays import groups, paths
from seamount.compiler.codes import InputCode, Samples, by_input, messages
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import LI, LIF, Affine, Conv, IntLIF, Output, Rule, Sparse, freeze
from seamount.compiler.ir.weights import values_of
from seamount.compiler.program.program import DECAY_ONE
from seamount.compiler.quantization.registers import bias_registers
from seamount.tuning.dynamics import Layer, Parameters, rounded_to, run_layer
from seamount.tuning.parts import (
    BIAS_EXP_MAX,
    BIAS_MAX,
    VTH_MAX,
    Synapses,
    Trained,
    neurons_of,
    synapses_of,
    unit_of,
)

WINDOW = 64
"""Steps over which gradients flow back within a loop of layers; over more of them they grow beyond all bounds."""


class IntegerNetwork(nn.Module):
    """The integers of a quantized graph, entry for entry, to be trained.

    Latent weights, biases, decays and scales are float64; each is rounded to its own grid in every forward pass.
    Example:
        net = seamount.torch_module("model.pt", weight_bits=4)
        values = net(net.messages(x))["output"]
        torch.nn.functional.cross_entropy(values, y).backward()
    """

    def __init__(
        self, quantized: Graph, canonical: Graph, inputs: Sequence[InputCode], trained: Trained | None = None,
        ternary: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        trained = trained or Trained()
        self.inputs = tuple(inputs)
        self.graph, self.canonical, self.trained, self.ternary = quantized, canonical, trained, ternary
        self.rounded = True
        self.window = WINDOW
        self.groups = groups(quantized)
        self.neurons = {
            n.name: neurons_of(quantized, canonical, n) for n in quantized.nodes if isinstance(n.op, IntLIF)
        }
        self.synapses = {p.weights: synapses_of(quantized, p, ternary) for p in paths(quantized)}
        for name, s in self.synapses.items():
            learns = trained.weights and self._learns(s)
            self._latent(f"weight:{name}", values_of(canonical[name].op), learns)  # type: ignore[arg-type]
            self._settle(name)
        for name, n in self.neurons.items():
            op = canonical[name].op
            assert isinstance(op, (LIF, LI))
            biased = bool(np.any(n.op.bias_mant)) and not n.tonic
            bias = n.op.bias_mant * 2.0**n.exponent / (64 * n.op.scale)
            self._latent(f"bias:{name}", bias, trained.biases and biased)
            self._latent(f"scale:{name}", np.ones(()), trained.scales and isinstance(op, LIF) and not n.tonic)
            tied = n.op.reset == "subtract" and n.ratio not in (0.0, 1.0)
            self._latent(f"alpha:{name}", op.alpha, trained.decays and bool(np.any(op.alpha)))
            self._latent(
                f"beta:{name}", op.beta, trained.decays and not tied and bool(np.any((op.beta > 0) & (op.beta < 1)))
            )
            self.register_buffer(f"start:{_key(name)}", torch.from_numpy(np.array(n.op.v_init, np.float64)))

    def _latent(self, name: str, value: Any, learns: bool) -> None:
        held = torch.from_numpy(np.array(value, np.float64))
        self.register_parameter(_key(name), nn.Parameter(held, requires_grad=learns))

    @torch.no_grad()
    def _settle(self, name: str) -> None:
        """Latent weights that round to other codes than quantize gave, being halfway between two, give way."""
        s, weight = self.synapses[name], self.latent("weight", name)
        wanted = torch.from_numpy(np.array(values_of(s.op), np.float64))
        kept = wanted.clamp(s.grid.low, s.grid.high) == self.codes(name)
        weight.copy_(torch.where(kept, weight, wanted / s.per_code))

    def _learns(self, s: Synapses) -> bool:
        """Weights of a tonic neuron are a layer's bias; a convolution's has one per channel, and stays."""
        source = self.neurons.get(s.path.source)
        if source is None or not source.tonic:
            return True
        return not any(isinstance(t.op, Conv) for t in self.synapses.values() if t.path.target == s.path.target)

    @property
    def has_loops(self) -> bool:
        """Whether a layer reads, through others or not, what it sent."""
        pairs = {(s.path.source, s.path.target) for s in self.synapses.values()}
        return any(len(group) > 1 or (group[0], group[0]) in pairs for group in self.groups)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def messages(self, x: Samples, steps: int | None = None) -> dict[str, Tensor]:
        """Samples as the host sends them: payloads of every input, (N, T, *shape).

        x: as for `Artifact.run`; steps: T, default the network's. Raises InputError as it does. The unrounded network
        takes values in units of a payload instead, within the range of the input.
        """
        steps, given = steps or self.graph.steps, by_input([c.port for c in self.inputs], x)
        found = {}
        for code in self.inputs:
            lasting = 1 if code.encoding == "constant" else steps
            sent: Any = messages(code, given[code.port], lasting)
            if not self.rounded:
                real = np.clip(given[code.port], code.low, code.high) / code.unit
                sent = np.asarray(real[:, None] if lasting == 1 and code.encoding == "constant" else real[:, :steps])
            held = torch.from_numpy(np.ascontiguousarray(sent, np.float32)).to(self.device)
            found[code.port] = held.expand(-1, steps, *code.shape) if code.encoding == "constant" else held
        return found

    def latent(self, kind: str, name: str) -> nn.Parameter:
        """A trained value by kind ("weight", "bias", "scale", "alpha", "beta") and layer."""
        found: nn.Parameter = self.get_parameter(_key(f"{kind}:{name}"))
        return found

    def learning(self) -> Iterator[tuple[str, str, nn.Parameter]]:
        """(kind, layer, parameter) of everything that learns."""
        for key, parameter in self.named_parameters():
            if parameter.requires_grad:
                kind, _, name = key.partition(":")
                yield kind, name.replace("/", "."), parameter

    # From latent values to registers.

    def codes(self, name: str) -> Tensor:
        """Weights as the chip stores them, on their grid; straight-through backward."""
        s, weight = self.synapses[name], self.latent("weight", name)
        g = s.grid
        steps = weight * (s.per_code / g.step)
        return rounded_to(steps, g.low // g.step, g.high // g.step) * g.step if self.rounded else steps * g.step

    def threshold(self, name: str) -> Tensor:
        """What one unit of the graph's membrane is, in units of a: the threshold of a layer that fires."""
        n = self.neurons[name]
        wanted = self.latent("scale", name) * n.op.scale
        return rounded_to(wanted, 1, VTH_MAX) if self.rounded and n.op.vth is not None else wanted

    def parameters_of(self, name: str) -> Parameters:
        """The registers of a layer."""
        n = self.neurons[name]
        threshold = self.threshold(name)
        keep_u, keep_v = (self.latent(k, name) * DECAY_ONE for k in ("alpha", "beta"))
        bias, taken = self.latent("bias", name) * (64 * n.op.scale), threshold * (64 * n.ratio)
        if self.rounded:
            unit = 2.0**n.exponent
            keep_u, keep_v = rounded_to(keep_u, 0, DECAY_ONE - 1), rounded_to(keep_v, 1, DECAY_ONE)
            bias, taken = rounded_to(bias / unit, -BIAS_MAX, BIAS_MAX) * unit, rounded_to(taken, 0, 2**23 - 1)
        return Parameters(keep_u, keep_v, threshold - (1 if n.whole else 0), bias, taken)

    def layer(self, name: str) -> Layer:
        n = self.neurons[name]
        memory = bool(torch.any(self.latent("alpha", name) != 0))
        leak = bool(torch.any(self.latent("beta", name) != 1))
        return Layer(
            n.op.vth is not None, memory, leak, n.op.reset, n.op.v_min, float(n.op.scale), self.rounded
        )  # fmt: skip

    # Running.

    def forward(self, messages: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of every output, (N, *shape) or (N, T, *shape), in units of the trained network.

        messages: integer payloads of every input, (N, T, *shape); one tensor where there is one input.
        """
        return self.read(self.run(messages))

    def run(self, messages: Tensor | Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """(spikes, u, v) of every neuron layer, each (T, N, *shape)."""
        given = messages if isinstance(messages, Mapping) else {self.graph.inputs[0].name: messages}
        sent = {name: x.transpose(0, 1) for name, x in given.items()}
        codes = {name: self.codes(name) for name in self.synapses}
        ran: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        steps, samples = next(iter(sent.values())).shape[:2]
        for group in self.groups:
            inside = {
                p.weights for p in (s.path for s in self.synapses.values()) if p.source in group and p.target in group
            }
            outside = {name: self._arriving(name, inside, sent, codes, steps, samples) for name in group}
            if inside:
                ran |= self._together(group, inside, outside, codes)
            else:
                (name,) = group
                u, v = self._start(name, samples)
                s, u_all, v_all, _, _ = run_layer(self.layer(name), self.parameters_of(name), outside[name], u, v)
                ran[name] = (s, u_all, v_all)
            sent |= {name: ran[name][0] for name in group}
        return ran

    @torch.no_grad()
    def states(self, x: Samples) -> dict[str, tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """(spikes, u, v) of every neuron layer for samples x, each (N, T, *shape), as a backend's trace has them."""
        ran = self.run(self.messages(x))
        return {name: tuple(r.transpose(0, 1).cpu().numpy() for r in found) for name, found in ran.items()}  # type: ignore[misc]

    def read(self, ran: Mapping[str, tuple[Tensor, Tensor, Tensor]]) -> dict[str, Tensor]:
        """What the outputs are, given what `run` gave."""
        found = {}
        for node in self.graph.outputs:
            source = self.graph.into(node.name)[0].source
            n = self.neurons[source]
            s, _, v = ran[source]
            series = s if n.op.vth is not None else v / (64 * n.op.scale)
            assert isinstance(node.op, Output)
            found[node.name] = _combined(series.transpose(0, 1), node.op.rule)
        return found

    def _start(self, name: str, samples: int) -> tuple[Tensor, Tensor]:
        start = self.get_buffer(f"start:{_key(name)}")
        v = start.expand(samples, *self.neurons[name].shape)
        return torch.zeros_like(v), v

    def _arriving(
        self, name: str, inside: set[str], sent: Mapping[str, Tensor], codes: Mapping[str, Tensor], steps: int,
        samples: int,
    ) -> Tensor:  # fmt: skip
        """Summed input of each step from everything outside the layer's loop, (T, N, *shape)."""
        shape = self.neurons[name].shape
        some = next(iter(codes.values()))
        total = torch.zeros((1,) * (2 + len(shape)), dtype=torch.float32, device=some.device)
        for weights, s in self.synapses.items():
            if s.path.target != name or weights in inside:
                continue
            x, lag = sent[s.path.source], s.path.lag
            steady = x.stride(0) == 0 and steps > 1 and not lag
            x = x[:1] if steady else x
            if lag:
                x = torch.cat([torch.zeros_like(x[:lag]), x[: max(steps - lag, 0)]])
            a = self._through(s, codes[weights], x.reshape(-1, *x.shape[2:])).reshape(len(x), samples, *shape)
            total = total + a
        return total.expand(steps, samples, *shape)

    def _through(self, s: Synapses, codes: Tensor, x: Tensor) -> Tensor:
        """What messages (K, *source) become on the other side, (K, *target)."""
        dtype = torch.float64 if s.wide else torch.float32
        x, codes, op = x.to(dtype), codes.to(dtype), s.op
        if isinstance(op, Affine):
            a = F.linear(x.reshape(len(x), -1), codes)
        elif isinstance(op, Sparse):
            rows, cols = (torch.from_numpy(np.array(i)).to(x.device) for i in (op.rows, op.cols))
            empty = x.new_zeros(len(x), int(np.prod(s.shape)))
            a = empty.index_add(1, rows, x.reshape(len(x), -1)[:, cols] * codes)
        else:
            conv: Any = F.conv1d if codes.ndim == 3 else F.conv2d
            a = conv(x, codes, None, op.stride, op.padding, op.dilation, op.groups)
        if self.rounded and x.is_cuda:  # an algorithm that transforms the kernel leaves fractions
            a = rounded_to(a, -np.inf, np.inf)
        return a.reshape(len(x), *s.shape) * 2.0**s.form.exponent

    def _together(
        self, group: tuple[str, ...], inside: set[str], outside: Mapping[str, Tensor], codes: Mapping[str, Tensor]
    ) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """The layers of a loop, step by step."""
        steps, samples = next(iter(outside.values())).shape[:2]
        state = {name: self._start(name, samples) for name in group}
        kinds = {name: (self.layer(name), self.parameters_of(name)) for name in group}
        into = {name: [self.synapses[w] for w in inside if self.synapses[w].path.target == name] for name in group}
        seen: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {name: [] for name in group}
        sent: dict[str, list[Tensor]] = {name: [] for name in group}
        for t in range(steps):
            if t and t % self.window == 0:
                state = {name: (u.detach(), v.detach()) for name, (u, v) in state.items()}
                sent = {name: [s.detach() for s in spikes] for name, spikes in sent.items()}
            for name in group:
                a = outside[name][t]
                for s in into[name]:
                    if t >= s.path.lag:
                        a = a + self._through(s, codes[s.path.weights], sent[s.path.source][t - s.path.lag])
                s_t, u_t, v_t, *last = run_layer(*kinds[name], a[None], *state[name])
                state[name] = (last[0], last[1])
                seen[name].append((s_t[0], u_t[0], v_t[0]))
                sent[name].append(s_t[0])
        return {name: tuple(map(torch.stack, zip(*found, strict=True))) for name, found in seen.items()}  # type: ignore[misc]

    # What the rest of Seamount takes.

    @torch.no_grad()
    def clip_(self) -> None:
        """Keep latent values within half a step of their grids, where their gradient still reaches the rounding."""
        for name, s in self.synapses.items():
            step = s.grid.step / s.per_code
            low, high = (x / s.per_code for x in (s.grid.low, s.grid.high))
            self.latent("weight", name).clamp_(low - step / 2, high + step / 2)
        for name, n in self.neurons.items():
            most = BIAS_MAX * 2.0**n.exponent / (64 * n.op.scale)
            self.latent("bias", name).clamp_(-most, most)
            self.latent("scale", name).clamp_(1 / n.op.scale if n.op.scale >= 1 else None, VTH_MAX / n.op.scale)
            self.latent("alpha", name).clamp_(0, 1)
            self.latent("beta", name).clamp_(0, 1)

    @torch.no_grad()
    def quantized(self) -> Graph:
        """The graph with the integers of this moment; lower it to a program, or run it in float as it is rounded."""
        graph = self.graph
        scales = {name: float(self.threshold(name)) for name in self.neurons}
        for name, s in self.synapses.items():
            unit = unit_of(graph, s.path.source)
            form = replace(s.form, scale=scales[s.path.target] * unit)
            part = "values" if isinstance(s.op, Sparse) else "weight"
            codes = self.codes(name).cpu().numpy()
            graph = graph.with_op(name, replace(s.op, format=form, **{part: freeze(codes)}))  # type: ignore[arg-type]
        for name, n in self.neurons.items():
            p = self.parameters_of(name)
            lattice = getattr(self.canonical[name].op, "compare", "gt") == "ge"
            mant, exponent = bias_registers(_whole(p.bias).astype(np.float64), BIAS_MAX, BIAS_EXP_MAX, lattice)
            op = replace(
                n.op, scale=scales[name], bias_mant=mant, bias_exp=exponent,
                du=_whole(DECAY_ONE - 1 - p.keep_u), dv=_whole(DECAY_ONE - p.keep_v),
                vth=None if n.op.vth is None else _whole(p.vth),
                reset_by=int(p.reset_by) if n.op.reset == "subtract" else 0,
            )  # fmt: skip
            graph = graph.with_op(name, op)
        return graph


def float_network(net: IntegerNetwork) -> IntegerNetwork:
    """The network as it was trained, without any rounding; takes messages in units of the input's payload."""
    made = IntegerNetwork(net.graph, net.canonical, net.inputs, Trained(False, False, False, False))
    made.rounded = False
    for name in made.neurons:
        op: Any = net.canonical[name].op
        made.register_parameter(
            _key(f"bias:{name}"), nn.Parameter(torch.from_numpy(np.array(op.bias, np.float64)), requires_grad=False)
        )
    return made.to(net.device).eval()


def _key(name: str) -> str:
    """A name of a parameter, in which torch allows no dot; names of layers hold no slash."""
    return name.replace(".", "/")


def _whole(x: Tensor) -> Any:
    found: Any = np.asarray(np.rint(x.cpu().numpy()), np.int32)
    found.setflags(write=False)
    return found


def _combined(series: Tensor, rule: Rule) -> Tensor:
    """(N, T, *shape) over T."""
    if rule == "each":
        return series
    if rule == "last":
        return series[:, -1]
    if rule == "max":
        return series.amax(dim=1)
    return series.sum(dim=1) if rule == "sum" else series.mean(dim=1)


def refuse_nothing_to_train(net: IntegerNetwork) -> None:
    """Raise InputError where no parameter learns."""
    if not any(True for _ in net.learning()):
        found = f"has nothing to train of what is to learn: {', '.join(net.trained.names) or 'nothing'}"
        raise InputError(Problem("the network", found, "let its weights learn, or give a network that has some"))


def check_device(name: str) -> None:
    """Raise InputError for a device that is not there."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        found = f"cannot be used: {str(error).splitlines()[0][:120]}"
        raise InputError(Problem(f"device '{name}'", found, "use cpu")) from None
