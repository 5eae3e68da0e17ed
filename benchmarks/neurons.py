"""One leaky integrate-and-fire neuron in three frameworks, each in its fastest form over all steps.

    v <- beta v + x;  s = v > threshold;  v <- 0 where s

A layer takes (T, B, *shape) and returns spikes of that shape; a cell takes one step and its state. norse computes
beta v + (1 - beta) x, so its membrane and its threshold are (1 - beta) times as large. SpikingJelly fires at v =
threshold as well; random real weights do not meet it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
nn = torch.nn


@dataclass(frozen=True)
class Kit:
    """A framework's neurons. layer: (beta, threshold) -> module over all steps; cell: the same for one step, called
    as cell(x, state) -> (spikes, state), the first state None. reset: before each run."""

    name: str
    layer: Callable[[float, float], nn.Module]
    cell: Callable[[float, float], nn.Module]
    reset: Callable[[nn.Module], None]


class Looped(nn.Module):
    """A cell applied step by step; the way in which norse and snnTorch run a layer over time. The state stays for the
    next steps until `start`."""

    def __init__(self, cell: nn.Module) -> None:
        super().__init__()
        self.cell = cell
        self.start()

    def start(self) -> None:
        """The next step is the first of a sample."""
        self.state: Any = None

    def forward(self, x: Tensor) -> Tensor:
        spikes = []
        for frame in x:
            s, self.state = self.cell(frame, self.state)
            spikes.append(s)
        return torch.stack(spikes) if len(spikes) > 1 else spikes[0][None]


def norse() -> Kit:
    """LIFBoxCell."""
    from norse.torch import LIFBoxCell
    from norse.torch.functional.lif_box import LIFBoxParameters

    dt_s = 1e-3

    def cell(beta: float, threshold: float) -> nn.Module:
        leak, fires_at = torch.tensor((1 - beta) / dt_s), torch.tensor((1 - beta) * threshold)
        made: nn.Module = LIFBoxCell(LIFBoxParameters(tau_mem_inv=leak, v_th=fires_at), dt=dt_s)
        return made

    return Kit("norse", lambda beta, threshold: Looped(cell(beta, threshold)), cell, _start)


class _Leaky(nn.Module):
    """snnTorch's Leaky with the calling order of a cell; its first state is made by init_leaky."""

    def __init__(self, beta: float, threshold: float) -> None:
        super().__init__()
        import snntorch

        self.neuron = snntorch.Leaky(beta=beta, threshold=threshold, reset_mechanism="zero", reset_delay=False)

    def forward(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        s, v = self.neuron(x, self.neuron.init_leaky() if state is None else state)
        return s, v


def snntorch() -> Kit:
    """Leaky, reset to zero in the step of the spike."""
    return Kit("snntorch", lambda beta, threshold: Looped(_Leaky(beta, threshold)), _Leaky, _start)


class _SingleStep(nn.Module):
    """SpikingJelly's neuron for one step; it keeps its state itself."""

    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return self.neuron(x), state


class _FastSigmoid(torch.autograd.Function):
    """Forward a step, backward 1 / (1 + 10 |x|)^2: Zenke and Ganguli, arXiv:1705.11146, with snnTorch's usual slope."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope = 1 + 10 * x.abs()
        found: Tensor = gradient / (slope * slope)
        return found


class _Narrow(nn.Module):
    """The surrogate of cells: a wide one lets gradients through hundreds of recurrent steps grow without end."""

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = _FastSigmoid.apply(x)  # type: ignore[no-untyped-call]
        return made


def spikingjelly() -> Kit:
    """LIFNode, multi step."""
    from spikingjelly.activation_based import functional, neuron, surrogate

    def node(beta: float, threshold: float, mode: str) -> nn.Module:
        made: nn.Module = neuron.LIFNode(
            tau=1 / (1 - beta), decay_input=False, v_threshold=threshold, v_reset=0.0, detach_reset=True,
            surrogate_function=surrogate.ATan() if mode == "m" else _Narrow(), step_mode=mode,
        )  # fmt: skip
        return made

    def reset(model: nn.Module) -> None:
        functional.reset_net(model)

    return Kit(
        "spikingjelly",
        lambda beta, threshold: node(beta, threshold, "m"),
        lambda beta, threshold: _SingleStep(node(beta, threshold, "s")),
        reset,
    )


def _start(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, Looped):
            module.start()


KITS: dict[str, Callable[[], Kit]] = {"norse": norse, "snntorch": snntorch, "spikingjelly": spikingjelly}
"""Framework -> its neurons; called when wanted, since it imports the framework."""
