"""The neuron that all networks here are trained with, in SpikingJelly, and the form in which it is written down.

    v <- a v + I;   s = 1 where v >= threshold;   v <- 0 (reset "zero") or v - threshold ("subtract")

One word for what the literature writes as tau, beta or lambda: the membrane decay a. The current has no memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from spikingjelly.activation_based import neuron, surrogate


@dataclass(frozen=True)
class Neuron:
    """Parameters of a LIF neuron; calling it makes a fresh layer for one step at a time.

    decay         a, share of the membrane that stays in each step
    learned       one decay per layer, sigmoid of a trained number that starts at `decay`
    width         of the rectangular surrogate: ds/dv = 1 / width where |v - threshold| < width / 2
    detach_reset  no gradient through the reset
    """

    decay: float = 0.5
    threshold: float = 0.5
    reset: Literal["zero", "subtract"] = "zero"
    learned: bool = False
    width: float = 1.0
    detach_reset: bool = True

    def __call__(self) -> Any:
        shared = {
            "decay_input": False,
            "v_threshold": self.threshold,
            "v_reset": 0.0 if self.reset == "zero" else None,
            "surrogate_function": surrogate.Rect(alpha=1 / self.width),
            "detach_reset": self.detach_reset,
        }
        tau = 1 / (1 - self.decay)
        if self.learned:
            return neuron.ParametricLIFNode(init_tau=tau, **shared)
        return neuron.LIFNode(tau=tau, **shared)
