"""The engine for GPUs: layers as matrix products over all steps and samples in PyTorch, neurons fused over time.

The same code runs with device "cpu", in plain PyTorch; there the `cpu` engine is faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seamount.backends.cuda.products import Product
from seamount.backends.cuda.selftest import exact_products
from seamount.backends.cuda.torch_neurons import TorchNeurons
from seamount.backends.schedule import groups, is_cyclic
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import (
    EventCounts,
    Progress,
    Trace,
    check_request,
    combine,
    join_counts,
    readout_shape,
)
from seamount.compiler.program.fan_out import fan_out
from seamount.compiler.program.program import Program, Projection
from seamount.compiler.program.verify import check

BATCH_ELEMENTS = 2**26
"""Neurons x steps x samples of a batch; a neuron and step takes about 16 bytes on the device."""


@dataclass(frozen=True)
class CudaEngine:
    """Runs a program in PyTorch on a device; batch_size: samples at a time, None chooses by the program's size."""

    device: str = "cuda"
    batch_size: int | None = None
    fused: bool = True
    name: str = "cuda"

    def run(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """Trace of the messages. Raises InputError for the request or a missing device."""
        if not program.sends_one:
            return VectorizedSimulator().run(program, messages, record, progress)
        check(program)
        samples, steps = check_request(program, messages, record)
        network = _Network(program, steps, found_device(self.device), self.fused)
        size = self.batch_size or max(1, BATCH_ELEMENTS // (sum(p.size for p in program.populations) * steps))
        parts, keep = [], _Kept(program, samples, steps, record)
        with torch.inference_mode(), full_precision():
            for first in range(0, samples, size):
                batch = {name: x[first : first + size] for name, x in messages.items()}
                run = network.run(batch)
                keep.add(run, first)
                parts.append(network.counts(run))
                if progress is not None:
                    progress(min(first + size, samples), samples)
        return keep.trace(join_counts(parts))


def found_device(name: str) -> torch.device:
    """The device. Raises InputError when PyTorch has none of that name."""
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        found = "PyTorch finds no CUDA device"
        raise InputError(Problem(f"backend '{name}'", found, "use --backend cpu, or install PyTorch for CUDA"))
    return device


@cache
def can_fuse(device: torch.device) -> bool:
    """Whether the neurons' kernel can be compiled there: PyTorch's builds for Windows and for CPUs lack Triton."""
    if device.type != "cuda":
        return False
    if find_spec("triton") is None:
        text = "triton is not installed: neurons run step by step in PyTorch, alike but slower; pip install triton"
        warnings.warn(text, stacklevel=2)
        return False
    return True


class full_precision:
    """Keeps PyTorch from rounding float32 products to TF32 or bfloat16 while it lasts."""

    def __enter__(self) -> None:
        self.before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        self.precision = torch.get_float32_matmul_precision()
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")

    def __exit__(self, *error: object) -> None:
        torch.set_float32_matmul_precision(self.precision)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = self.before


Run = dict[tuple[str, str], Tensor]
"""(population or port, register "s", "u" or "v") -> (T, B, n) of one batch."""


class _Network:
    """A program on a device."""

    def __init__(self, program: Program, steps: int, device: torch.device, fused: bool) -> None:
        self.program, self.steps, self.device = program, steps, device
        with full_precision():
            kernels = exact_products(device)
        self.products = {q.name: Product(program, q, device, kernels) for q in program.projections}
        self.neurons = {p.name: TorchNeurons.of(p, device) for p in program.populations}
        self.fan_out = {q.name: torch.from_numpy(fan_out(program, q)).to(device) for q in program.projections}
        self.fused = fused and can_fuse(device)

    def run(self, messages: Mapping[str, NDArray[np.integer]]) -> Run:
        run: Run = {}
        for port in self.program.inputs:
            x = messages[port.name]
            dtype = np.int32 if port.graded else np.bool_
            flat: NDArray[Any] = np.ascontiguousarray(np.moveaxis(x.reshape(*x.shape[:2], -1), 1, 0).astype(dtype))
            run[port.name, "s"] = torch.from_numpy(flat).to(self.device)
        for group in groups(self.program):
            (self.stepwise if is_cyclic(self.program, group) else self.at_once)(group, run)
        return run

    def at_once(self, group: tuple[str, ...], run: Run) -> None:
        """A population on no cycle, over all steps."""
        (name,) = group
        batch = next(iter(run.values())).shape[1]
        n = self.program.population(name).size
        arriving = torch.zeros((self.steps, batch, n), dtype=torch.int32, device=self.device)
        for q in self.program.into(name):
            s = run[q.source, "s"][: max(0, self.steps - q.lag)]
            if len(s):
                arriving[q.lag :] += self.through(q, s)
        s, u, v = self.over_time(name, arriving)
        run[name, "s"], run[name, "u"], run[name, "v"] = s, u, v

    def over_time(self, name: str, arriving: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if self.fused:
            from seamount.backends.cuda.triton_neurons import run_fused

            return run_fused(self.neurons[name], arriving)
        return self.neurons[name].run(arriving)

    def through(self, q: Projection, s: Tensor) -> Tensor:
        """(T, B, n_source) messages to 64 * a; a sample shown unchanged is multiplied once."""
        same = q.source in {i.name for i in self.program.inputs} and bool((s == s[:1]).all())
        shown = s[:1] if same else s
        return self.products[q.name](shown.reshape(-1, s.shape[2])).reshape(len(shown), s.shape[1], -1)

    def stepwise(self, group: tuple[str, ...], run: Run) -> None:
        """Populations on a common cycle, step by step."""
        batch = next(iter(run.values())).shape[1]
        state = {name: self.neurons[name].start(batch) for name in group}
        for name in group:
            shape = (self.steps, batch, self.program.population(name).size)
            run[name, "s"] = torch.zeros(shape, dtype=torch.bool, device=self.device)
            for register in "uv":
                run[name, register] = torch.zeros(shape, dtype=torch.int32, device=self.device)
        for t in range(self.steps):
            for name in group:
                arriving = torch.zeros_like(state[name][0])
                for q in self.program.into(name):
                    if t >= q.lag:
                        arriving += self.products[q.name](run[q.source, "s"][t - q.lag])
                s, u, v = self.neurons[name].step(*state[name], arriving)
                state[name] = u, v
                run[name, "s"][t], run[name, "u"][t], run[name, "v"][t] = s, u, v

    def counts(self, run: Run) -> EventCounts:
        program, steps = self.program, self.steps
        active = {name: (run[name, "s"] != 0).sum(dim=1) for name in program.shapes}
        synops = {}
        for q in program.projections:
            events = (active[q.source] * self.fan_out[q.name]).sum(dim=1).cpu().numpy()
            events[max(0, steps - q.lag) :] = 0  # later messages reach nobody
            synops[q.name] = events
        samples = next(iter(run.values())).shape[1]
        return EventCounts(
            samples=samples,
            steps=steps,
            spikes={name: x.sum(dim=1).cpu().numpy() for name, x in active.items()},
            synops=synops,
            sent={name: x.sum(dim=0).cpu().numpy() for name, x in active.items()},
            updates={p.name: p.size * steps * samples for p in program.populations},
        )


class _Kept:
    """Readouts and recordings of all batches."""

    def __init__(self, program: Program, samples: int, steps: int, record: frozenset[str]) -> None:
        self.program = program
        self.readout = {r.name: np.empty(readout_shape(program, r, samples, steps), np.int64) for r in program.readouts}
        self.recorded: dict[str, dict[str, NDArray[Any]]] = {
            what: {
                p.name: np.empty((samples, steps, *p.shape), np.int8 if what == "spikes" else np.int32)
                for p in program.populations
            }
            for what in sorted(record)
        }

    def add(self, run: Run, first: int) -> None:
        """Put a batch in place, `first` being its first sample."""
        for r in self.program.readouts:
            series = self.series(run, r.population, r.register).astype(np.int64)
            self.readout[r.name][first : first + len(series)] = combine(r, series)
        for what, kept in self.recorded.items():
            for name, out in kept.items():
                series = self.series(run, name, "s" if what == "spikes" else what)
                out[first : first + len(series)] = series

    def series(self, run: Run, name: str, register: str) -> NDArray[Any]:
        values = run[name, register].transpose(0, 1).cpu().numpy()
        return values.reshape(*values.shape[:2], *self.program.shapes[name])

    def trace(self, counts: EventCounts) -> Trace:
        return Trace(counts, self.readout, **self.recorded)
