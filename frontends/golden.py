"""The golden trace: what the framework itself computes on a few real inputs, recorded by hooks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.interpreter import reduce_steps
from seamount.compiler.ir.ops import Rule
from seamount.frontends.driving import drive
from seamount.frontends.framework import Framework
from seamount.frontends.model_file import Golden
from seamount.frontends.to_nir import NirModel
from seamount.frontends.traced import Traced

Floats = NDArray[np.float32]


@dataclass(eq=False)
class _Recorder:
    """Outputs of neuron layers, call by call: the spikes (place 0), or the membrane (place -1)."""

    framework: Framework
    kept: dict[str, list[torch.Tensor]] = field(default_factory=dict)

    def hook(self, name: str, place: int = 0) -> Any:
        def keep(module: torch.nn.Module, args: Any, output: Any) -> None:
            spikes = output[place] if isinstance(output, tuple) else output
            self.kept.setdefault(name, []).append(spikes.detach().cpu().clone())

        return keep

    def series(self, name: str, loops: bool) -> Floats:
        """(N, T, *shape)."""
        calls = self.kept[name]
        whole = calls[0].transpose(0, 1) if loops else torch.stack(calls, dim=1)
        return np.ascontiguousarray(whole.numpy(), dtype=np.float32)


def record_golden(
    framework: Framework,
    model: torch.nn.Module,
    traced: Traced,
    written: NirModel,
    x: torch.Tensor,
    steps: int,
    constant: bool,
    readout: Rule,
    labels: NDArray[np.int64] | None = None,
) -> Golden:
    """Run the module on the whole sample and keep every neuron layer's output and the readout.

    x: (N, *shape) when `constant`, else (N, T, *shape). Raises ImportRefused for spikes other than 0 and 1.
    """
    recorder = _Recorder(framework)
    handles = []
    for name, module in written.neurons.items():
        handles.append(cast(torch.nn.Module, module).register_forward_hook(recorder.hook(name)))
    for name, module in written.membranes.items():
        handles.append(cast(torch.nn.Module, module).register_forward_hook(recorder.hook(name, -1)))
    framework.reset(model)
    try:
        with torch.no_grad():
            outputs = drive(model, x, steps, constant, traced.time)
    finally:
        framework.reset(model)
        for handle in handles:
            handle.remove()
    layers = {
        name: recorder.series(name, framework.loops(cast(torch.nn.Module, module)))
        for name, module in {**written.neurons, **written.membranes}.items()
    }
    series = _series(traced, written, outputs, layers)
    firing = {n: s for n, s in layers.items() if hasattr(written.graph.nodes[n], "v_threshold")}
    return Golden(
        inputs=np.ascontiguousarray(x.detach().cpu().numpy(), dtype=np.float32),
        spikes=_binary(firing),
        series=series,
        outputs=np.ascontiguousarray(reduce_steps(readout, series), np.float32),
        labels=labels,
    )


def _series(traced: Traced, written: NirModel, outputs: list[torch.Tensor], layers: Mapping[str, Floats]) -> Floats:
    """The output at each step, (N, T, *out)."""
    if traced.rule is not None:
        if written.output_neuron is None:
            found = "the module combines an output over time that is not a neuron layer's, so its steps are unknown"
            remedy = "return the outputs of all steps, torch.stack(outputs)"
            raise ImportRefused(Problem("output", found, remedy))
        series = layers[written.output_neuron]
        given = outputs[0].detach().cpu().numpy()
        if not np.allclose(reduce_steps(traced.rule, series), given, rtol=1e-4, atol=1e-5):
            found = f"what the module returns is not the {traced.rule} over steps of '{written.output_neuron}'"
            raise ImportRefused(Problem("output", found, "return the outputs of all steps, torch.stack(outputs)"))
        return series
    if traced.time == "step":
        whole = torch.stack([y.detach().cpu() for y in outputs], dim=1)
    else:
        whole = outputs[0].detach().cpu()
        whole = whole if traced.lead == "NT" else whole.transpose(0, 1)
    return np.ascontiguousarray(whole.numpy(), dtype=np.float32)


def _binary(firing: Mapping[str, Floats]) -> dict[str, NDArray[np.uint8]]:
    problems = []
    for name, series in firing.items():
        if not np.isin(series, (0.0, 1.0)).all():
            found = f"sends values other than 0 and 1, such as {series[~np.isin(series, (0.0, 1.0))][0]:g}"
            problems.append(Problem(f"neuron layer '{name}'", found, "use spikes of 0 and 1"))
    raise_all(ImportRefused, problems)
    return {name: series.astype(np.uint8) for name, series in firing.items()}
