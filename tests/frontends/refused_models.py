"""Lossy and broken models, each with the framework it needs; every one must be refused with its message.

A case is a function of an empty folder that tries to import a model, and for some to compile it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import nn

from seamount.backends.registry import load_target
from seamount.compiler.driver import compile_graph
from seamount.frontends import load_model, save
from seamount.frontends.conventions import parse_assumptions
from seamount.frontends.nir.file import read_nir
from seamount.frontends.nir.from_nir import from_nir
from tests.frontends.nir_nets import affine, chain, lif, net, out, port, write
from tests.frontends.round_trip import lively, spikes

Case = Callable[[Path], object]
CASES: dict[str, tuple[str, Case]] = {}
"""Name -> the package it needs, and the attempt."""
T, N, WIDTH = 6, 4, 8


def case(package: str) -> Callable[[Case], Case]:
    def enter(make: Case) -> Case:
        CASES[make.__name__] = package, make
        return make

    return enter


def attempt(model: nn.Module, folder: Path, **options: Any) -> object:
    """Save a model, lively unless it says otherwise."""
    given = {"sample": spikes(N, T, WIDTH), "readout": "sum", **options}
    return save(model, folder / "model.pt", **given)


class Body(nn.Module):
    """Two layers of SpikingJelly's LIF; `middle` stands between them, `before` acts on the input."""

    def __init__(self, middle: Callable[..., Any] | None = None, parts: dict[str, nn.Module] | None = None) -> None:
        from spikingjelly.activation_based import neuron

        super().__init__()
        self.a, self.b = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)
        self.one, self.two = neuron.LIFNode(), neuron.LIFNode()
        for name, part in (parts or {}).items():
            self.add_module(name, part)
        lively(self, 4.0)
        self.middle = middle

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.one(self.a(x))
        return self.two(self.b(self.middle(self, h, x) if self.middle is not None else h))


def simple(name: str, change: Callable[..., Any], make: Callable[[], dict[str, nn.Module]] = dict) -> None:
    """A case that does something between two layers of SpikingJelly's neurons."""
    CASES[name] = "spikingjelly", lambda folder: attempt(Body(change, make()), folder)


simple("multiplication_between_layers", lambda net, h, x: h * net.a(x))
simple("sine_of_activations", lambda net, h, x: torch.sin(h))
simple("rectifier", lambda net, h, x: torch.relu(net.a(h)))
simple("softmax_between_layers", lambda net, h, x: torch.softmax(h, -1))
simple("constant_added", lambda net, h, x: h + 0.25)
simple("data_dependent_branch", lambda net, h, x: h if h.tolist() else h + h)
simple("values_in_numpy", lambda net, h, x: torch.from_numpy(h.numpy().copy()))
simple("batch_mixed_with_features", lambda net, h, x: h.t().reshape(h.shape))
simple("part_of_the_channels", lambda net, h, x: torch.cat([h[:, :4], h[:, :4]], 1))
simple("random_noise", lambda net, h, x: h + torch.randn_like(h))
simple("comparison_with_a_number", lambda net, h, x: (net.a(h) > 0.5).float())
simple("matrix_without_a_layer", lambda net, h, x: h @ net.a.weight)
simple("gelu", lambda net, h, x: net.act(h), lambda: {"act": nn.GELU()})
simple("layer_norm", lambda net, h, x: net.norm(h), lambda: {"norm": nn.LayerNorm(WIDTH)})
simple("lstm_gates", lambda net, h, x: net.gates(h)[0], lambda: {"gates": nn.LSTM(WIDTH, WIDTH)})
simple("attention", lambda net, h, x: net.look(h, h, h)[0], lambda: {"look": nn.MultiheadAttention(WIDTH, 2)})
simple("batch_norm_without_statistics", lambda net, h, x: net.norm(net.a(h)),
       lambda: {"norm": nn.BatchNorm1d(WIDTH, track_running_stats=False)})  # fmt: skip
simple("hidden_autograd_function", lambda net, h, x: Hidden.apply(h))
simple("a_stateful_layer_used_twice", lambda net, h, x: net.one(net.a(h)))


class Hidden(torch.autograd.Function):
    """A function that cannot be looked into."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.exp()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return g


@case("spikingjelly")
def train_mode(folder: Path) -> object:
    return attempt(Body(lambda net, h, x: net.drop(h), {"drop": nn.Dropout()}).train(), folder)


@case("spikingjelly")
def batch_norm_in_train_mode(folder: Path) -> object:
    return attempt(Body(lambda net, h, x: net.norm(net.a(h)), {"norm": nn.BatchNorm1d(WIDTH)}).train(), folder)


def layered(*layers: nn.Module) -> nn.Module:
    return lively(nn.Sequential(*layers), 4.0)


def sole(kind: str, *size: Any) -> Case:
    """A layer of SpikingJelly by name."""

    def build(folder: Path) -> object:
        from spikingjelly.activation_based import layer, neuron

        home = neuron if hasattr(neuron, kind) else layer
        return attempt(layered(nn.Linear(WIDTH, WIDTH), getattr(home, kind)(*size), neuron.IFNode()), folder)

    return build


CASES["ternary_spikes"] = "spikingjelly", sole("TernaryIFNode")
CASES["analog_outputs_liaf"] = "spikingjelly", sole("LIAFNode", torch.nn.functional.relu, True)
CASES["stochastic_parallel_neuron"] = "spikingjelly", sole("PSN", T)
CASES["gates_in_the_neuron"] = "spikingjelly", sole("GatedLIFNode", T)
CASES["quadratic_membrane"] = "spikingjelly", sole("QIFNode")


@case("spikingjelly")
def membrane_edited_between_steps(folder: Path) -> object:
    def edit(net: Any, h: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        net.one.v.mul_(0.25)
        return h

    return attempt(Body(edit), folder)


@case("spikingjelly")
def max_pooling(folder: Path) -> object:
    from spikingjelly.activation_based import neuron

    model = layered(nn.Conv2d(1, 2, 3), nn.MaxPool2d(2), neuron.IFNode(), nn.Flatten(), nn.Linear(8, 3))
    return attempt(model, folder, sample=spikes(N, T, 1, 6, 6))


@case("spikingjelly")
def windows_cut_off_by_ceil_mode(folder: Path) -> object:
    from spikingjelly.activation_based import neuron

    model = layered(nn.Conv2d(1, 2, 2), neuron.IFNode(), nn.AvgPool2d(2, ceil_mode=True), nn.Flatten())
    return attempt(model, folder, sample=spikes(N, T, 1, 6, 6))


@case("spikingjelly")
def adaptive_pooling_of_unequal_windows(folder: Path) -> object:
    from spikingjelly.activation_based import neuron

    model = layered(nn.Conv2d(1, 2, 2), neuron.IFNode(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
    return attempt(model, folder, sample=spikes(N, T, 1, 6, 6))


@case("spikingjelly")
def padding_with_reflections(folder: Path) -> object:
    from spikingjelly.activation_based import neuron

    model = layered(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), neuron.IFNode())
    return attempt(model, folder, sample=spikes(N, T, 1, 6, 6))


@case("spikingjelly")
def batch_norm_of_each_step(folder: Path) -> object:
    from spikingjelly.activation_based import layer, neuron

    norm = layer.BatchNormThroughTime1d(T, WIDTH, step_mode="m")
    for k, one in enumerate(norm.bn_list):
        nn.init.constant_(one.weight, 1 + k)
    model = nn.Sequential(layer.Linear(WIDTH, WIDTH, step_mode="m"), norm, neuron.IFNode(step_mode="m"))
    return attempt(model.eval(), folder)


@case("spikingjelly")
def step_modes_mixed(folder: Path) -> object:
    from spikingjelly.activation_based import layer, neuron

    first = layer.Conv1d(1, 2, 3, step_mode="s"), neuron.IFNode(step_mode="m")
    return attempt(layered(*first), folder, sample=spikes(N, T, 1, 6))


@case("spikingjelly")
def half_precision(folder: Path) -> object:
    return attempt(Body().to(torch.bfloat16), folder)


@case("spikingjelly")
def complex_weights(folder: Path) -> object:
    return attempt(Body().to(torch.complex64), folder)


@case("spikingjelly")
def quantized_layer(folder: Path) -> object:
    model = Body()
    model.a = torch.ao.nn.quantized.dynamic.Linear(WIDTH, WIDTH)
    return attempt(model, folder)


@case("spikingjelly")
def weights_that_are_not_numbers(folder: Path) -> object:
    model = Body()
    with torch.no_grad():
        model.b.weight[0, 0] = math.nan
    return attempt(model, folder)


@case("spikingjelly")
def wrong_sample_shape(folder: Path) -> object:
    return attempt(Body(), folder, sample=spikes(N, T, WIDTH + 1))


@case("spikingjelly")
def values_taken_for_spikes(folder: Path) -> object:
    return attempt(Body(), folder, sample=torch.rand(N, T, WIDTH), coding="spikes")


class Growing(nn.Module):
    """A window over time that grows: what a layer is given depends on the step."""

    def __init__(self) -> None:
        from spikingjelly.activation_based import neuron

        super().__init__()
        self.a, self.one = nn.Linear(WIDTH, 4), neuron.LIFNode()
        lively(self, 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.one(self.a(x[: t + 1].sum(0))) for t in range(len(x))])


@case("spikingjelly")
def window_that_grows_over_time(folder: Path) -> object:
    return attempt(Growing(), folder)


class Alternating(Growing):
    """Another layer at every second step."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(WIDTH, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.one((self.a, self.other)[t % 2](frame)) for t, frame in enumerate(x)])


@case("spikingjelly")
def wiring_that_changes_over_time(folder: Path) -> object:
    return attempt(Alternating(), folder)


@case("spikingjelly")
def a_readout_that_disagrees(folder: Path) -> object:
    class Last(Growing):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([self.one(self.a(frame)) for frame in x]).mean(0)

    return attempt(Last(), folder)


def leaky(**options: Any) -> Case:
    """A Leaky of snnTorch with options."""

    def build(folder: Path) -> object:
        import snntorch

        kind = getattr(snntorch, options.get("kind", "Leaky"))
        more = {"beta": 0.9, "init_hidden": True, **{k: v for k, v in options.items() if k != "kind"}}
        return attempt(layered(nn.Linear(WIDTH, 4), kind(**more)), folder)

    return build


CASES["synaptic_reset_with_delay"] = "snntorch", leaky(kind="Synaptic", alpha=0.5, reset_mechanism="zero")
CASES["graded_spikes"] = "snntorch", leaky(graded_spikes_factor=2.0)
CASES["winner_takes_all"] = "snntorch", leaky(inhibition=True)
CASES["state_rounded_in_the_framework"] = "snntorch", leaky(state_quant=torch.round)
CASES["subtraction_without_memory"] = "snntorch", leaky(beta=0.0)
CASES["two_exponentials"] = "snntorch", leaky(kind="Alpha", alpha=0.9, beta=0.8)


@case("snntorch")
def gates_of_an_lstm(folder: Path) -> object:
    import snntorch

    return attempt(nn.Sequential(snntorch.SLSTM(WIDTH, 4, init_hidden=True)), folder)


class Stream(nn.Module):
    """A residual stream of membranes, not of spikes: each block adds to it and reads it."""

    def __init__(self, sine: bool = False) -> None:
        import snntorch

        super().__init__()
        self.a, self.b, self.c = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 4)
        self.one = snntorch.Leaky(beta=0.9, reset_mechanism="none")
        self.two = snntorch.Leaky(beta=0.9, reset_mechanism="none")
        self.sine = sine
        lively(self, 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one, two, outputs = self.one.init_leaky(), self.two.init_leaky(), []
        for frame in x:
            _, one = self.one(self.a(frame), one)
            stream = torch.sin(one) if self.sine else one
            fired, two = self.two(self.b(stream), two)
            outputs.append(self.c(fired))
        return torch.stack(outputs)


@case("snntorch")
def analog_residual_stream(folder: Path) -> object:
    attempt(Stream(), folder)
    return compile_graph(load_model(folder / "model.pt").graph(), load_target("loihi2"))


@case("snntorch")
def sine_of_a_membrane(folder: Path) -> object:
    return attempt(Stream(sine=True), folder)


class PublishedGroups(nn.Module):
    """One-step training on groups as published (Yao et al., arXiv:2401.10843), two groups and one block.

    A real-valued residual stream is cut into windows, each sampled as Bernoulli spikes; an LSTM drives neurons without
    reset whose membranes go through 2 sin(pi/4 m cos(pi/4 n)) from group to group; an MLP with GELU follows.
    """

    def __init__(self) -> None:
        import snntorch

        super().__init__()
        self.embed, self.gates, self.mix = nn.Linear(WIDTH, WIDTH), nn.LSTM(4, 4), nn.Linear(WIDTH, WIDTH)
        self.wide, self.act, self.narrow = nn.Linear(WIDTH, 3 * WIDTH), nn.GELU(), nn.Linear(3 * WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 4)
        self.cells = nn.ModuleList(
            snntorch.Leaky(beta=0.4, threshold=0.5, reset_mechanism="none") for _ in range(WIDTH // 4)
        )
        lively(self, 4.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        carried, outputs = [torch.zeros(x.shape[1], 4) for _ in self.cells], []
        for frame in x:
            stream, fired = self.embed(frame), []
            for q, neurons in enumerate(self.cells):
                window = stream[:, 4 * q : 4 * q + 4]
                drawn = (window > torch.rand_like(window)).float()
                state = 2 * torch.sin(math.pi / 4 * carried[q] * torch.cos(math.pi / 4 * carried[q - 1]))
                spikes, carried[q] = neurons(self.gates(drawn[None])[0][0], state)
                fired.append(spikes)
            stream = stream + self.mix(torch.cat(fired, 1))
            stream = stream + self.narrow(self.act(self.wide(stream)))
            outputs.append(self.head(stream))
        return torch.stack(outputs)


@case("snntorch")
def groups_as_published(folder: Path) -> object:
    return attempt(PublishedGroups(), folder)


def cell(kind: str, **options: Any) -> Case:
    """A cell of norse between two layers."""

    def build(folder: Path) -> object:
        import norse.torch as norse

        more = {k: v(norse) if callable(v) else v for k, v in options.items()}
        return attempt(lively(norse.SequentialState(nn.Linear(WIDTH, 4), getattr(norse, kind)(**more)), 4.0), folder)

    return build


CASES["refractory_period"] = "norse", cell("LIFRefracCell")
CASES["adaptive_threshold"] = "norse", cell("LSNNCell")
CASES["exponential_membrane"] = "norse", cell("LIFExCell")
CASES["step_longer_than_the_time_constant"] = (
    "norse",
    cell("LIFBoxCell", p=lambda norse: norse.LIFBoxParameters(tau_mem_inv=torch.tensor(2000.0))),
)
CASES["reset_of_ones_own"] = (
    "norse",
    cell("LIFBoxCell", p=lambda norse: norse.LIFBoxParameters(reset_method=lambda spikes, v, *more: v)),
)


@case("norse")
def state_dropped_between_steps(folder: Path) -> object:
    import norse.torch as norse

    class Forgetful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.one = nn.Linear(WIDTH, 4), norse.LIFBoxCell()
            lively(self, 4.0)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.stack([self.one(self.a(frame), None)[0] for frame in x])

    return attempt(Forgetful(), folder)


SAID = ["snntorch", "coding=spikes", "steps=4", "readout=sum"]


def imported(graph: nir.NIRGraph, folder: Path, *more: str, target: str = "") -> object:
    """Write, read and import a .nir file; compile it where a target is given."""
    path = folder / "net.nir"
    path.write_bytes(write(graph))
    read = read_nir(path, "net.nir")
    found = from_nir(read.graph, read.meaning(parse_assumptions([*SAID, *more])))
    return compile_graph(found, load_target(target)) if target else found


def small(**changes: Any) -> nir.NIRGraph:
    return chain(port(4), affine(3, 4), lif(**{"tau": 1e-3, "r": 10.0, **changes}))


@case("nir")
def beta_above_one(folder: Path) -> object:
    return imported(small(tau=-1e-3), folder)


@case("nir")
def a_layer_lost_by_the_exporter(folder: Path) -> object:
    nodes = {
        "input": port(4),
        "fc1": affine(3, 4),
        "input_lif": port(3),
        "lif": lif(tau=1e-3, r=10.0),
        "output": out(3),
    }
    return imported(net(nodes, [("input", "fc1"), ("input_lif", "lif"), ("lif", "output")]), folder)


@case("nir")
def a_sum_lost_by_the_exporter(folder: Path) -> object:
    nodes = {"input": port(4), "fc": affine(3, 4), "lif": lif(tau=1e-3, r=10.0), "output": out(4)}
    return imported(net(nodes, [("input", "fc"), ("fc", "lif"), ("lif", "output")]), folder)


@case("nir")
def several_spikes_in_one_step(folder: Path) -> object:
    return imported(small(), folder, "spikes=multi")


@case("nir")
def delays_that_differ_within_a_connection(folder: Path) -> object:
    nodes = {
        "input": port(3),
        "wait": nir.Delay(np.array([1e-4, 2e-4, 3e-4])),
        "lif": lif(tau=1e-3, r=10.0),
        "output": out(3),
    }
    return imported(net(nodes, [("input", "wait"), ("wait", "lif"), ("lif", "output")]), folder)


@case("nir")
def a_cycle_without_a_neuron(folder: Path) -> object:
    square = affine(4, 4, bias=False)
    nodes = {"input": port(4), "a": square, "b": affine(4, 4, 1, bias=False), "output": out(4)}
    return imported(net(nodes, [("input", "a"), ("a", "b"), ("b", "a"), ("a", "output")]), folder)


@case("nir")
def reset_that_the_chip_lacks(folder: Path) -> object:
    return imported(small(), folder, target="loihi1")


@case("nir")
def membrane_floor_that_the_chip_lacks(folder: Path) -> object:
    return imported(small(), folder, "reset=zero", "timing=immediate", "v_min=-1", target="loihi1")
