"""Random NIR networks by number: loops, delays, branches, nested graphs, several ports, every type of node.

Half of them hold dyadic numbers alone, so that every sum is exact and membranes stand on thresholds often; the
integer ones of `whole` mean the same in Loihi's registers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import nir
import numpy as np

DT = 2.0**-10
KINDS = ("LIF", "CubaLIF", "IF", "Threshold")
READOUTS = ("LI", "CubaLI", "I")


@dataclass(eq=False)
class Network:
    """graph, meaning as in a model file, data: input -> (N, T, *shape)."""

    graph: nir.NIRGraph
    meaning: dict[str, Any]
    data: dict[str, Any]


def network(number: int) -> Network:
    """Any network; exact in float64 when the number is even."""
    return _Draft(np.random.default_rng([13, number]), exact=number % 2 == 0).network()


def whole(number: int) -> Network:
    """A network whose meaning integers hold: weights of one size and both signs, no leak, thresholds between."""
    return _Draft(np.random.default_rng([26, number]), exact=True, integer=True).network()


@dataclass(eq=False)
class _Draft:
    rng: np.random.Generator
    exact: bool
    integer: bool = False
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    weighted: bool = False
    special: dict[str, dict[str, Any]] = field(default_factory=dict)

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def network(self) -> Network:
        self.default = self.conventions()
        graded = self.chance(0.3) and not self.integer
        self.default |= {"coding": "graded", "low": -2.0, "high": 2.0} if graded else {"coding": "spikes"}
        steps, samples = int(self.rng.integers(1, 8)), int(self.rng.integers(1, 3))
        self.default |= {"steps": steps, "readout": self.pick(("sum", "mean", "max", "last"))}
        for i in range(2 if self.chance(0.3) else 1):
            self.add(f"x{i}", nir.Input({"input": np.array(self.shape())}), None)
        for i in range(int(self.rng.integers(1, 5))):
            self.layer(f"n{i}")
        for i in range(int(self.rng.integers(1, 3))):
            self.output(f"y{i}")
        for name in list(self.nodes)[::-1]:
            if not self.reaches_an_output(name):
                self.add(f"y_{name}", nir.Output({"output": np.array(self.shapes[name])}), name)
        if any("loop" in n for n in self.nodes):  # a reset to zero in the next step would drop recurrent input
            for c in (self.default, *self.special.values()):
                if c.get("reset") == "zero":
                    c["timing"] = "immediate"
        return Network(self.wrapped(), {"default": self.default, "nodes": self.special}, self.data(samples, steps))

    def data(self, samples: int, steps: int) -> dict[str, Any]:
        found = {}
        for name in [n for n in self.nodes if n[0] == "x"]:
            shape = (samples, steps, *self.shapes[name])
            if self.default["coding"] == "spikes":
                found[name] = (self.rng.random(shape) < 0.5).astype(np.float64)
            elif self.exact:
                found[name] = self.rng.integers(-8, 9, shape) / 4
            else:
                found[name] = self.rng.uniform(-2, 2, shape)
        return found

    # structure

    def reaches_an_output(self, name: str) -> bool:
        seen, waiting = set(), [name]
        while waiting:
            here = waiting.pop()
            if here[0] == "y":
                return True
            if here not in seen:
                seen.add(here)
                waiting += [b for a, b in self.edges if a == here]
        return False

    def shape(self) -> tuple[int, ...]:
        rank = self.pick((1, 1, 2, 3, 3))
        # axes of 1 at the ends of an input may be dropped on import, which is no matter of meaning
        return tuple(int(n) for n in (self.rng.integers(2, 6, rank) if rank > 1 else self.rng.integers(2, 8, 1)))

    def add(self, name: str, node: Any, *sources: Any, shape: Any = None) -> str:
        self.nodes[name] = node
        sources = tuple(s for s in sources if s is not None)
        self.edges += [(s, name) for s in dict.fromkeys(sources)]
        kind = type(node).__name__
        if kind == "Input":
            self.shapes[name] = tuple(int(n) for n in node.input_type["input"])
        else:
            self.shapes[name] = shape if shape is not None else self.shapes[sources[0]]
        return name

    def sources(self) -> list[str]:
        return [n for n in self.nodes if type(self.nodes[n]).__name__ in (*KINDS, "Input")]

    def delayed(self, name: str, source: str) -> str:
        """The source, perhaps behind a Delay."""
        if not self.chance(0.2):
            return source
        return self.add(f"{name}d", nir.Delay(np.array(DT * self.rng.integers(0, 4))), source)

    def layer(self, name: str) -> None:
        end = self.chain(self.pick(self.sources()[-3:]), name)
        shape = self.shapes[end]
        others = [n for n in self.sources() if self.shapes[n] == shape and (n, name) not in self.edges and n != end]
        ends = [end]
        if others and self.chance(0.5):
            ends.append(self.delayed(f"{name}o", self.pick(others)))
        elif len(shape) == 1 and self.chance(0.4):
            ends.append(self.dense(self.pick(self.sources()), f"{name}s", shape[0]))
        self.add(name, self.neuron(name, self.pick(KINDS), shape), *ends)
        if self.chance(0.35):
            self.loop(name, name)
        if self.chance(0.25):
            targets = [n for n in self.sources() if n[0] == "n" and n != name and self.shapes[n] == shape]
            if targets:
                self.loop(name, self.pick(targets))

    def chain(self, source: str, stem: str) -> str:
        """One to three nodes without state."""
        self.weighted = False
        for k in range(int(self.rng.integers(1, 4))):
            source = self.linear(self.delayed(f"{stem}{'abc'[k]}", source), f"{stem}{'abc'[k]}")
        return source

    def loop(self, source: str, target: str) -> None:
        """A connection back, sometimes with a Delay and sometimes through a node that leads elsewhere too."""
        name = f"{source}{target}loop"
        shape = self.shapes[source]
        if self.chance(0.3):
            source = self.add(f"{name}d", nir.Delay(np.array(DT * self.rng.integers(1, 4))), source)
        kind = self.pick(("scale", "map"))
        if kind == "map" and len(shape) == 1:
            node = self.affine(shape[0], shape[0])
        elif kind == "map" and len(shape) == 3:
            weight = self.weights((shape[0], shape[0], 3, 3), 9 * shape[0])
            node = nir.Conv2d(shape[1:], weight, 1, 1, 1, 1, self.bias((shape[0],)))
        else:
            node = nir.Scale(self.weights((), 2))
        self.add(name, node, source)
        self.edges.append((name, target))
        if self.chance(0.3) and not hasattr(node, "bias"):
            self.add(f"y{name}", nir.Output({"output": np.array(shape)}), self.delayed(f"{name}e", name))

    def output(self, name: str) -> None:
        neurons = [n for n in self.sources() if n[0] == "n"]
        end = self.pick(neurons[::-1])
        kind = self.pick(("neuron", "linear", "readout"))
        if kind != "neuron":
            end = self.chain(end, f"{name[1:]}l")
        if kind == "readout":
            which = "I" if self.integer else self.pick(READOUTS)
            end = self.add(f"r{name}", self.neuron(f"r{name}", which, self.shapes[end]), end)
        self.add(name, nir.Output({"output": np.array(self.shapes[end])}), end)
        if self.chance(0.3):
            self.special[name] = {"readout": self.pick(("sum", "mean", "max", "last", "each"))}

    def wrapped(self) -> nir.NIRGraph:
        """The graph, perhaps with one node or two in a row in a graph of their own, perhaps twice."""
        nodes, edges = dict(self.nodes), list(self.edges)
        for level in range(self.pick((0, 0, 1, 2))):
            plain = [n for n in nodes if type(nodes[n]).__name__ not in ("Input", "Output", "Delay")]
            first = last = self.pick(plain)
            after = [b for a, b in edges if a == first]
            inner = [first]
            if len(after) == 1 and after[0] in plain and sum(b == after[0] for _, b in edges) == 1:
                last = after[0]
                inner.append(last)
            if (last, first) in edges or first not in self.nodes or last not in self.nodes:
                continue
            name = f"g{level}"
            before = next(a for a, b in edges if b == first)
            parts = {"in": nir.Input({"input": np.array(self.shapes[before])})} | {n: nodes[n] for n in inner}
            parts["out"] = nir.Output({"output": np.array(self.shapes[last])})
            path = ["in", *inner, "out"]
            held = nir.NIRGraph(parts, list(itertools.pairwise(path)), type_check=False)
            edges = [e for e in edges if e != (first, last)]
            edges = [(name if a == last else a, name if b == first else b) for a, b in edges]
            nodes = {k: v for k, v in nodes.items() if k not in inner} | {name: held}
            self.shapes[name] = self.shapes[last]
            for n in inner:
                if n in self.special:
                    self.special[f"{name}.{n}"] = self.special.pop(n)
        order = list(nodes)
        self.rng.shuffle(order)
        self.rng.shuffle(edges)
        return nir.NIRGraph({n: nodes[n] for n in order}, [tuple(e) for e in edges], type_check=False)

    # nodes without state

    def linear(self, source: str, name: str) -> str:
        shape = self.shapes[source]
        rank = len(shape)
        kinds = ["scale", *{1: ["dense"] * 3, 2: ["conv1", "flatten"]}.get(rank, ["conv2", "conv2", "pool", "flatten"])]
        if rank == 2:
            kinds += ["stacked"]
        if self.integer:  # matrices in a row become one, whose entries are of several sizes
            if self.weighted:
                kinds = ["scale"] if rank == 1 else ["scale", "flatten"]
            kinds = [k for k in kinds if k != "pool"]
        which = self.pick(kinds)
        self.weighted |= which not in ("scale", "flatten")
        if which == "dense":
            return self.dense(source, name, int(self.rng.integers(2, 7)))
        if which == "stacked":
            maps, size = shape[0], int(self.rng.integers(2, 5))
            node = nir.Affine(self.weights((maps, size, shape[1]), shape[1]), self.bias((maps, size)))
            return self.add(name, node, source, shape=(maps, size))
        if which == "flatten":
            start = int(self.rng.integers(0, rank - 1))
            end = int(self.rng.integers(start + 1, rank))
            node = nir.Flatten({"input": np.array(shape)}, start, end - rank if self.chance(0.5) else end)
            merged = int(np.prod(shape[start : end + 1]))
            return self.add(name, node, source, shape=(*shape[:start], merged, *shape[end + 1 :]))
        if which == "scale":
            wide = () if self.integer else self.pick(((), shape, (shape[0],) + (1,) * (rank - 1)))
            return self.add(name, nir.Scale(self.weights(wide, 1)), source)
        return self.windows(source, name, which)

    def windows(self, source: str, name: str, which: str) -> str:
        shape = self.shapes[source]
        axes = len(shape) - 1
        kernel = [int(min(self.rng.integers(1, 4), n)) for n in shape[1:]]
        stride, padding = ([int(n) for n in self.rng.integers(*r, axes)] for r in ((1, 3), (0, 2)))
        dilation = [
            int(self.rng.integers(1, 3)) if 2 * (k - 1) < n else 1 for k, n in zip(kernel, shape[1:], strict=True)
        ]
        same = which != "pool" and self.chance(0.2)
        if same:
            stride, dilation = [1] * axes, [1] * axes
        pads = [(0, 0)] * axes
        pads = [((k - 1) // 2, k - 1 - (k - 1) // 2) for k in kernel] if same else [(p, p) for p in padding]
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        if which == "pool":
            reach = kernel
        space = tuple((n + a + b - r) // s + 1 for n, (a, b), r, s in zip(shape[1:], pads, reach, stride, strict=True))
        if which == "pool":
            types = (nir.SumPool2d,) if self.integer else (nir.SumPool2d, nir.AvgPool2d)
            node = self.pick(types)(np.array(kernel), np.array(stride), np.array(padding))
            return self.add(name, node, source, shape=(shape[0], *space))
        groups = self.pick([g for g in (1, shape[0]) if shape[0] % g == 0])
        out = groups * int(self.rng.integers(1, 3))
        weight = self.weights((out, shape[0] // groups, *kernel), shape[0] // groups * int(np.prod(kernel)))
        pad = "same" if same else padding[0] if axes == 1 else tuple(padding)
        each = [(v[0] if axes == 1 else tuple(v)) for v in (stride, dilation)]
        make = nir.Conv1d if axes == 1 else nir.Conv2d
        size = shape[1] if axes == 1 else shape[1:]
        node = make(size, weight, each[0], pad, each[1], groups, self.bias((out,)))
        return self.add(name, node, source, shape=(out, *space))

    def dense(self, source: str, name: str, size: int) -> str:
        shape = self.shapes[source]
        if len(shape) > 1:
            node = nir.Flatten({"input": np.array(shape)}, 0, -1)
            source = self.add(f"{name}f", node, source, shape=(int(np.prod(shape)),))
        return self.add(name, self.affine(size, self.shapes[source][0]), source, shape=(size,))

    def affine(self, out: int, into: int) -> Any:
        weight = self.weights((out, into), into)
        return nir.Affine(weight, self.bias((out,))) if self.chance(0.5) else nir.Linear(weight)

    def weights(self, shape: tuple[int, ...], fan_in: int) -> Any:
        if self.integer:
            return self.rng.choice([-1.0, 1.0, 1.0] if fan_in == 1 else [-1.0, 0.0, 1.0, 1.0], shape)
        if self.exact:
            return self.rng.integers(-4, 7, shape) / 4
        return self.rng.normal(0.3, 1.2 / np.sqrt(fan_in), shape)

    def bias(self, shape: tuple[int, ...]) -> Any:
        if self.integer or self.chance(0.4):
            return np.zeros(shape)
        return self.rng.integers(-2, 3, shape) / 4 if self.exact else self.rng.uniform(-0.3, 0.4, shape)

    # neurons and conventions

    def conventions(self) -> dict[str, Any]:
        if self.integer:
            reset, timing = self.pick(("zero", "subtract")), "immediate"
            integrate = "euler"
        else:
            reset = self.pick(("zero", "zero", "subtract", "subtract", "none"))
            timing = self.pick(("immediate", "immediate", "next"))
            integrate = "euler" if self.exact else self.pick(("euler", "exact"))
        clamp = not self.integer and self.chance(0.2) and timing == "immediate"
        return {
            "dt": DT,
            "integrate": integrate,
            "reset": reset,
            "timing": timing,
            "compare": self.pick(("gt", "ge")),
            "spikes": "single",
            "start": "zero" if self.integer else self.pick(("zero", "leak", "reset")),
            "v_min": -0.75 if clamp else float("-inf"),
        }

    def values(self, shape: tuple[int, ...], low: float, high: float, grain: int = 4) -> Any:
        """Numbers in [low, high], multiples of 1/grain where the network is exact."""
        if self.exact:
            return self.rng.integers(round(low * grain), round(high * grain) + 1, shape) / grain
        return self.rng.uniform(low, high, shape)

    def tau(self, shape: tuple[int, ...]) -> Any:
        if self.exact:
            return DT * 2.0 ** self.rng.integers(0, 3, shape)
        return DT * self.rng.uniform(1, 12, shape)

    def neuron(self, name: str, kind: str, shape: tuple[int, ...]) -> Any:
        if not self.integer and self.chance(0.25):
            own = self.conventions()
            self.special[name] = {k: own[k] for k in ("reset", "timing", "compare", "start", "v_min")}
        c = {**self.default, **self.special.get(name, {})}
        if kind in READOUTS and c["start"] == "reset":
            self.special.setdefault(name, {})["start"] = "leak"
        if c["timing"] == "next" and c["reset"] == "zero" and kind == "CubaLIF":
            kind = "LIF"
        wide = self.pick(((), shape, (shape[0],) + (1,) * (len(shape) - 1)))
        level = self.values(wide, 0.75, 2.0)
        r = self.values(wide, 0.5, 2.0)
        if self.integer:
            level, r = self.rng.integers(0, 3, wide) + 0.3, np.ones(wide)
        zero = np.zeros(wide)
        leak = self.values(wide, -0.5, 0.5) if self.chance(0.4) else zero
        v_reset = self.values(wide, -0.5, 0.5) if self.chance(0.4) and not self.integer else zero
        tau, synapse = self.tau(wide), self.tau(wide)
        if c["timing"] == "next":  # nothing is left to subtract from where beta is 0
            tau = 2 * tau
        fires = {"v_threshold": level, "v_reset": v_reset}
        if kind in ("LIF", "CubaLIF") and self.integer:
            kind = "IF"
        if kind == "Threshold":
            return nir.Threshold(level)
        if kind in ("I", "IF"):
            return nir.I(r / DT) if kind == "I" else nir.IF(r / DT, **fires)
        if kind == "LI":
            return nir.LI(tau, r, leak)
        if kind == "LIF":
            return nir.LIF(tau, r, leak, **fires)
        w_in = self.values(wide, 0.5, 2.0)
        if kind == "CubaLI":
            return nir.CubaLI(synapse, tau, r, leak, w_in=w_in)
        return nir.CubaLIF(synapse, tau, r, leak, **fires, w_in=w_in)
