"""What is timed: one implementation of one network on one batch, prepared once and run many times."""

from __future__ import annotations

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
from seamount.backends.registry import load_backend
from seamount.compiler.artifact import load_artifact
from seamount.compiler.encoding import messages, scores
from seamount.compiler.execution import Backend

PEERS = tuple(KITS)


class Runner(Protocol):
    """run: what is timed; returns the outputs of the network, (B, classes). spikes: of each neuron layer, all samples
    together; computed once, not timed."""

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


class Peer:
    """A float framework, in the order it is fastest in."""

    def __init__(self, case: Case, name: str, x: NDArray[np.float32], steps: int) -> None:
        torch.set_flush_denormal(True)
        self.case, self.steps, self.kit = case, steps, KITS[name]()
        self.model: Any = peer_network(case, self.kit)
        self.still = case.encoding == "constant"
        # A still image has one frame; the first layer sees it once and the network repeats what comes out.
        self.frames = torch.from_numpy(x[None] if self.still else np.ascontiguousarray(np.moveaxis(x, 1, 0)))
        self.order = Order(steps, False)
        self.arrange()

    def orders(self) -> list[Order]:
        """What is tried. A recurrent layer goes step by step in any case."""
        if self.case.name == "recurrent":
            return [Order(self.steps, False)]
        chunks = sorted({self.steps, min(10, self.steps), 1}, reverse=True)
        return [Order(c, last) for last in ((False, True) if self.frames.ndim == 5 else (False,)) for c in chunks]

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

    def tune(self) -> None:
        """Choose the fastest order. The better of two runs counts; what takes a second is run once."""
        found = {}
        for order in self.orders():
            self.order = order
            self.arrange()
            once = _seconds(self.run)
            found[order] = once if once > 1 else min(once, _seconds(self.run))
        self.order = min(found, key=lambda order: found[order])
        self.arrange()

    def run(self) -> NDArray[Any]:
        with torch.inference_mode():
            self.kit.reset(self.model)
            total: Any = 0
            for x, length in zip(self.chunks, self.lengths, strict=True):
                if self.still:
                    self.model.steps = length
                total = total + self.model(x).sum(0)
            answer: NDArray[Any] = (total / self.steps).numpy()
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
        return scores(self.artifact.outputs[0], readout, self.steps).reshape(len(readout), -1)

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
    backend: Any = load_backend(implementation.removeprefix("seamount-"))
    if "threads" in getattr(backend, "__dataclass_fields__", {}):
        backend = replace(backend, threads=threads)
    return Integers(case, backend, x, steps)
