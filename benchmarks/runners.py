"""What is timed: one implementation of one network on one batch, prepared once and run many times."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.cases import Case
from benchmarks.networks import fold_batchnorm
from benchmarks.neurons import KITS, Kit
from seamount.backends.cuda.run import CudaEngine
from seamount.backends.registry import load_backend
from seamount.compiler.artifact import load_artifact
from seamount.compiler.codes import messages, scores
from seamount.compiler.execution import Backend

PEERS = tuple(KITS)
OURS = "seamount-cpu"
KERNELS = (OURS, "seamount-vectorized", "seamount-torch")
"""What runs the integers: events in machine code, numpy, matrix products of PyTorch."""
LONG_S = 1.0
"""A run that takes longer is not repeated to choose an order."""


class Runner(Protocol):
    """run: what is timed; returns the outputs of the network, (B, classes), or (B, T, classes) where it answers at each
    step. spikes: of each neuron layer, all samples together; computed once, not timed."""

    def run(self) -> NDArray[Any]: ...

    def spikes(self) -> Mapping[str, int]: ...


@dataclass(frozen=True)
class Order:
    """How a framework goes through a sample: so many steps of all layers at a time, images with channels last or not.

    All steps at a time is layer by layer; few keep what passes between layers in the cache.
    """

    steps: int
    channels_last: bool

    def __str__(self) -> str:
        return f"{self.steps} steps at a time{', channels last' if self.channels_last else ''}"


class _TooSlow(Exception):
    """A run in an order that is given up."""


class Peer:
    """A float framework, in the order it is fastest in."""

    def __init__(self, case: Case, name: str, x: NDArray[np.float32], steps: int) -> None:
        torch.set_flush_denormal(True)
        self.case, self.steps, self.kit = case, steps, KITS[name]()
        self.model: Any = peer_network(case, self.kit)
        self.still = case.encoding == "constant"
        # A still image has one frame; the first layer sees it once and the network repeats what comes out.
        self.frames = torch.from_numpy(x[None] if self.still else np.ascontiguousarray(np.moveaxis(x, 1, 0)))
        self.order, self.limit_s = Order(steps, False), math.inf
        self.arrange()

    def orders(self) -> list[Order]:
        """What is tried, all steps at a time first. A recurrent layer goes step by step in any case."""
        if self.case.name == "recurrent":
            return [Order(self.steps, False)]
        chunks = sorted({self.steps, min(10, self.steps), 1}, reverse=True)
        return [Order(c, last) for c in chunks for last in ((False, True) if self.frames.ndim == 5 else (False,))]

    def arrange(self) -> None:
        """Inputs and weights as the order wants them."""
        layout = torch.channels_last if self.order.channels_last else torch.contiguous_format
        if self.frames.ndim == 5:
            self.model = self.model.to(memory_format=layout)
        x = self.frames
        if self.order.channels_last:
            x = x.flatten(0, 1).contiguous(memory_format=layout).view(x.shape)
        starts = range(0, self.steps, self.order.steps)
        self.chunks = [x if self.still else x[i : i + self.order.steps] for i in starts]
        self.lengths = [min(self.order.steps, self.steps - i) for i in starts]

    def tune(self) -> float:
        """Choose the fastest order and return its seconds.

        The better of two runs counts. Where a run is long, one counts, an order is given up after twice the best time,
        and fewer steps at a time are tried only with the better layout.
        """
        best, least = self.order, math.inf
        for order in self.orders():
            if least > LONG_S and order.steps < self.steps and order.channels_last != best.channels_last:
                continue
            self.order, self.limit_s = order, 2 * least if least > LONG_S else math.inf
            self.arrange()
            try:
                once = _seconds(self.run)
            except _TooSlow:
                continue
            once = once if once > LONG_S else min(once, _seconds(self.run))
            best, least = (order, once) if once < least else (best, least)
        self.order, self.limit_s = best, math.inf
        self.arrange()
        return least

    def run(self) -> NDArray[Any]:
        with torch.inference_mode():
            self.kit.reset(self.model)
            begin, found = time.perf_counter(), []
            for x, length in zip(self.chunks, self.lengths, strict=True):
                if self.still:
                    self.model.steps = length
                y = self.model(x)
                if time.perf_counter() - begin > self.limit_s:
                    raise _TooSlow
                found.append(y if self.case.readout == "each" else y.sum(0, keepdim=True))
            whole = torch.cat(found)
            answer: NDArray[Any] = (
                whole.transpose(0, 1) if self.case.readout == "each" else whole.sum(0) / self.steps
            ).numpy()
            return answer

    def spikes(self) -> dict[str, int]:
        counts: dict[str, int] = {}

        def count(name: str) -> Any:
            def hook(module: Any, given: Any, result: Any) -> None:
                s = result[0] if isinstance(result, tuple) else result
                counts[name] = counts.get(name, 0) + int(s.sum(dtype=torch.float64))

            return hook

        handles = [m.register_forward_hook(count(name)) for name, m in neuron_layers(self.model).items()]
        self.run()
        for handle in handles:
            handle.remove()
        return counts


def neuron_layers(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The neuron layers by the names that all frameworks share."""
    named = ((name, *name.rpartition(".")[::2], module) for name, module in model.named_modules())
    return {name: m for name, parent, last, m in named if re.fullmatch(r"lif\d|cell", last) and "lif" not in parent}


def _seconds(run: Callable[[], Any]) -> float:
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def peer_network(case: Case, kit: Kit) -> Any:
    """The trained network with the neurons of a framework."""
    model: Any = fold_batchnorm(case.network(kit))
    missing = model.load_state_dict(torch.load(case.weights, weights_only=True)["weights"], strict=False)
    unknown = [k for k in missing.missing_keys if ".inner." in k or k.startswith("back")]
    if unknown or missing.unexpected_keys:
        raise RuntimeError(f"{case.weights} does not fit the network: {unknown} {missing.unexpected_keys}")
    return model.eval()


class Integers:
    """A backend of Seamount on the compiled network."""

    def __init__(self, case: Case, backend: Backend, x: NDArray[np.float32], steps: int) -> None:
        self.artifact, self.backend, self.steps = load_artifact(case.artifact), backend, steps
        code = self.artifact.inputs[0]
        self.messages = {code.port: messages(code, x, steps)}
        self.counts: Any = None

    def run(self) -> NDArray[Any]:
        trace = self.backend.run(self.artifact.program, self.messages)
        self.counts = trace.counts
        (readout,) = trace.readout.values()
        code = self.artifact.outputs[0]
        lead = readout.shape[: 2 if code.rule == "each" else 1]
        return scores(code, readout, self.steps).reshape(*lead, -1)

    def spikes(self) -> dict[str, int]:
        if self.counts is None:
            self.run()
        fires = [p.name for p in self.artifact.program.populations if p.fires]
        return {name: int(np.sum(self.counts.spikes[name])) for name in fires}

    def synops(self) -> int:
        """Synaptic operations of a run, counted."""
        if self.counts is None:
            self.run()
        return sum(int(np.sum(v)) for v in self.counts.synops.values())


def make(implementation: str, case: Case, x: NDArray[np.float32], steps: int, threads: int) -> Runner:
    """A framework by its name, or seamount-BACKEND."""
    if implementation in PEERS:
        return Peer(case, implementation, x, steps)
    return Integers(case, engine(implementation.removeprefix("seamount-"), threads), x, steps)


def engine(name: str, threads: int) -> Backend:
    """A backend with so many threads, where they can be chosen; "torch" is the GPU engine's code on the processor."""
    backend: Any = CudaEngine(device="cpu") if name == "torch" else load_backend(name)
    if "threads" in getattr(backend, "__dataclass_fields__", {}):
        backend = replace(backend, threads=threads)
    chosen: Backend = backend
    return chosen
