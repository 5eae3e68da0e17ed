"""Recurrent layers of snnTorch: neurons that hear each other's spikes of the step before, then leaky integrators.

braille: 12 taxels of a fingertip, rising and falling, as event counts; the letter is read at the last step.
ecg: two leads of an electrocardiogram as spikes; the part of the heart beat is read at every step.
"""

from __future__ import annotations

from typing import Any

import snntorch as snn
import torch
from snntorch import surrogate

nn = torch.nn


class Recurrent(nn.Module):
    """One step: x (B, inputs) and the state to scores (B, classes) and the next state.

    v <- beta v + W x + R s + b;  s = v > 1;  v <- 0 where s, with a beta per neuron, learned, and R without bias.
    Scores are membranes v <- beta v + W s + b that never fire.
    """

    def __init__(self, inputs: int, hidden: int, classes: int, beta: float, readout_beta: float) -> None:
        super().__init__()
        fires = surrogate.fast_sigmoid(slope=10)
        self.feed = nn.Linear(inputs, hidden)
        betas = torch.linspace(beta, 1 - (1 - beta) / 20, hidden)
        self.hidden = snn.RLeaky(
            beta=betas,
            linear_features=hidden,
            learn_beta=True,
            reset_mechanism="zero",
            reset_delay=False,
            spike_grad=fires,
        )
        self.hidden.recurrent = nn.Linear(hidden, hidden, bias=False)
        nn.init.orthogonal_(self.hidden.recurrent.weight, 0.5)
        self.classify = nn.Linear(hidden, classes)
        self.readout = snn.Leaky(beta=readout_beta, reset_mechanism="none", spike_grad=fires)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        if state is None:
            state = (*self.hidden.init_rleaky(), self.readout.init_leaky())
        s, v = self.hidden(self.feed(x), state[0], state[1])
        _, scores = self.readout(self.classify(s), state[2])
        return scores, (s, v, scores)


def braille() -> torch.nn.Module:
    """The untrained network for 27 letters; input (B, 24) per step, output (B, 27)."""
    return Recurrent(24, 128, 27, beta=0.85, readout_beta=0.97)


def braille_seven() -> torch.nn.Module:
    """The untrained network for 7 letters; input (B, 24) per step, output (B, 7)."""
    return Recurrent(24, 64, 7, beta=0.7, readout_beta=0.95)


def ecg() -> torch.nn.Module:
    """The untrained network; input (B, 4) per step, output (B, 6)."""
    return Recurrent(4, 96, 6, beta=0.7, readout_beta=0.8)
