"""The golden trace: what the framework itself computes on a few real inputs, recorded by hooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from seamount.compiler.codes import MESSAGE_MAX
from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.interpreter import reduce_steps
from seamount.compiler.ir.ops import Rule
from seamount.frontends.frameworks.framework import Framework
from seamount.frontends.frameworks.to_nir import NirModel
from seamount.frontends.model_file.model import Golden, alone
from seamount.frontends.traced import Lead, Ref, Returned, Traced, TracedNode
from seamount.frontends.tracing.driving import Outputs, Samples, drive

Floats = NDArray[np.float32]


@dataclass(eq=False)
class _Recorder:
    """Outputs of layers, call by call: (module, place) -> tensors. Place 0 is what a layer sends, -1 its membrane."""

    framework: Framework
    traced: Traced
    x: Mapping[str, Floats]
    steps: int
    constant: bool
    kept: dict[tuple[int, int], list[torch.Tensor]] = field(default_factory=dict)

    def watch(self, node: TracedNode) -> Any:
        """Hook the module of a node."""
        place = -1 if node.kind == "membrane" else 0
        calls = self.kept.setdefault((id(node.module), place), [])

        def keep(module: torch.nn.Module, args: Any, output: Any) -> None:
            member = place == -1 and isinstance(output, tuple)
            sent = output[-1] if member else self.framework.sent(module, args, output)
            calls.append(sent.detach().cpu().clone())

        return cast(torch.nn.Module, node.module).register_forward_hook(keep)

    def layer(self, node: TracedNode, lead: Lead) -> Floats | None:
        """(N, T, *shape) of a layer; None when its calls do not follow the steps."""
        calls = self.kept[id(node.module), -1 if node.kind == "membrane" else 0]
        if lead == "N" and len(calls) == self.steps:
            return _floats(torch.stack(calls, dim=1))
        if len(calls) != 1:
            return None
        if lead == "N":
            return _floats(calls[0].unsqueeze(1).expand(len(calls[0]), self.steps, *calls[0].shape[1:]))
        return by_sample(calls[0], lead, self.steps)

    def at(self, ref: Ref) -> Floats | None:
        """(N, T, *shape) of a node of the traced graph, from the layers it is made of."""
        series = self._node(self.traced.nodes[ref.node])
        if series is None or not ref.lag:
            return series
        return np.concatenate([np.zeros_like(series[:, : ref.lag]), series[:, : -ref.lag]], axis=1)

    def _node(self, node: TracedNode) -> Floats | None:
        if node.module is not None and not node.functional:
            return self.layer(node, node.lead)
        if node.kind == "input":
            x = self.x[node.name]
            return np.repeat(x[:, None], self.steps, axis=1) if self.constant else x
        parts = [part for part in map(self.at, node.refs) if part is not None]
        if len(parts) < len(node.refs):
            return None
        if node.kind == "and":
            return np.asarray(np.asarray(sum(parts)) > node.factor, np.float32)
        if node.functional:
            return _applied(cast(torch.nn.Module, node.module), parts[0])
        total = np.asarray(sum(parts), np.float32) * np.float32(node.factor)
        if node.kind == "embed":
            wide = np.zeros((*total.shape[:2], *node.shape), np.float32)
            wide[:, :, node.offset : node.offset + total.shape[2]] = total
            return wide
        return total.reshape(*total.shape[:2], *node.shape)


def _applied(module: torch.nn.Module, x: Floats) -> Floats:
    """What a stateless layer makes of (N, T, *shape)."""
    place = next(iter([*module.parameters(), *module.buffers()]), torch.zeros(0))
    with torch.no_grad():
        y = module(torch.from_numpy(x.reshape(-1, *x.shape[2:])).to(place))
    return _floats(y.reshape(*x.shape[:2], *y.shape[1:]))


def by_sample(x: torch.Tensor, lead: Lead, steps: int) -> Floats:
    """A tensor of all steps as (N, T, *shape)."""
    if lead == "M":
        x = x.reshape(steps, -1, *x.shape[1:])
    elif lead == "W":
        x = x.reshape(-1, steps, *x.shape[1:])
    return _floats(x.transpose(0, 1) if lead in ("TN", "M") else x)


def _floats(x: torch.Tensor) -> Floats:
    return np.ascontiguousarray(x.detach().cpu().numpy(), dtype=np.float32)


def record_golden(
    framework: Framework,
    model: torch.nn.Module,
    traced: Traced,
    written: NirModel,
    x: Samples,
    steps: int,
    constant: bool,
    rules: Mapping[str, Rule],
    labels: NDArray[np.int64] | None = None,
) -> Golden:
    """Run the module on the whole sample and keep every neuron layer's output and the readouts.

    x: (N, *shape) when `constant`, else (N, T, *shape). rules: of the module's outputs. Raises ImportRefused for
    spikes other than 0 and 1, and for an output whose steps cannot be told.
    """
    inputs = {name: _floats(one) for name, one in x.items()}
    recorder = _Recorder(framework, traced, inputs, steps, constant)
    handles: list[Any] = []
    framework.reset(model)
    try:
        with framework.prepared(model, len(next(iter(inputs.values()))), steps), torch.no_grad():
            handles += [recorder.watch(node) for node in _watched(traced)]
            outputs = drive(model, x, steps, constant, traced.time)
    finally:
        framework.reset(model)
        for handle in handles:
            handle.remove()
    series = {name: _series(traced, recorder, name, out, outputs) for name, out in traced.outputs.items()}
    by_rule = {name: np.ascontiguousarray(reduce_steps(rule, series[name]), np.float32) for name, rule in rules.items()}
    return Golden(alone(inputs), _binary(recorder, written), alone(series), alone(by_rule), labels)


def _watched(traced: Traced) -> list[TracedNode]:
    """Neuron layers, and the layers that make the outputs which the module combines over time; others would only take
    memory. A layer of weights at several places counts each time, so that its calls cannot be mistaken for steps."""
    waiting = [out.ref.node for out in traced.outputs.values() if out.rule is not None]
    wanted: set[int] = set()
    while waiting:
        node = traced.nodes[number := waiting.pop()]
        if node.module is None or node.functional:
            waiting += [ref.node for ref in node.refs]
        else:
            wanted |= {n for n in traced.reachable() if traced.nodes[n].module is node.module}
            wanted.add(number)
    return [traced.nodes[n] for n in traced.reachable() if n in wanted or traced.nodes[n].kind == "neuron"]


def _series(traced: Traced, recorder: _Recorder, name: str, out: Returned, outputs: list[Outputs]) -> Floats:
    """One output at each step, (N, T, *out)."""
    if out.rule is None and traced.time == "step":
        return _floats(torch.stack([y[name] for y in outputs], dim=1))
    if out.rule is None:
        return by_sample(outputs[0][name], out.lead, recorder.steps)
    series = recorder.at(out.ref)
    remedy = "return the outputs of all steps, torch.stack(outputs)"
    if series is None:
        found = "the module combines an output over time whose steps are unknown: a layer before it runs more than once"
        raise ImportRefused(Problem("output", found, remedy))
    given = outputs[0][name].detach().cpu().numpy()
    if not np.allclose(reduce_steps(out.rule, series), given, rtol=1e-4, atol=1e-5):
        found = f"what the module returns is not the {out.rule} over steps of '{traced.nodes[out.ref.node].name}'"
        raise ImportRefused(Problem("output", found, remedy))
    return series


def _binary(recorder: _Recorder, written: NirModel) -> dict[str, NDArray[np.uint8]]:
    """Spikes of the firing neuron layers. Raises ImportRefused for values other than 0 and 1."""
    nodes = {id(n.module): n for n in recorder.traced.neurons()}
    firing = {k: nodes[id(m)] for k, m in written.neurons.items() if hasattr(written.graph.nodes[k], "v_threshold")}
    spikes, problems = {}, []
    for name, node in firing.items():
        series = recorder.layer(node, node.lead)
        assert series is not None
        several = recorder.framework.several(cast(torch.nn.Module, node.module))
        odd = series[(series != np.rint(series)) | (series < 0) | (series > (MESSAGE_MAX if several else 1))]
        if odd.size:
            fit = f"0 to {MESSAGE_MAX}" if several else "0 and 1"
            found = f"sends values other than {fit}, such as {odd[0]:g}"
            problems.append(Problem(f"neuron layer '{name}'", found, f"use spikes of {fit}"))
        spikes[name] = series.astype(np.uint8)
    raise_all(ImportRefused, problems)
    return spikes
