"""Digits row by row: a recurrent layer of 64 LIF neurons with synaptic memory and FC10, a module written by hand.

Step t sees row t of the image, 8 pixels; the outputs are summed over the 8 steps. The recurrent synapses carry the
spikes of the step before; no neuron drives itself.
"""

from __future__ import annotations

from typing import Any

import torch
from norse.torch import LIFRecurrentCell
from norse.torch.functional.lif import LIFParameters

from seamount.models.reference.cells import DT_S

nn = torch.nn

HIDDEN = 64


class DigitsRecurrent(nn.Module):
    """One step: x (B, 8) and the state of the recurrent layer to scores (B, 10) and the next state.

    i <- i / 4 + W x + R s;  v <- v / 4 + 3 i / 4;  s = v > 0.5;  v <- 0 where s. norse hands i on after its decay.
    """

    def __init__(self) -> None:
        super().__init__()
        parameters = LIFParameters(
            tau_syn_inv=torch.tensor(0.75 / DT_S),
            tau_mem_inv=torch.tensor(0.75 / DT_S),
            v_th=torch.tensor(0.5),
            method="tanh",
            alpha=torch.tensor(3.0),
        )
        self.hidden = LIFRecurrentCell(8, HIDDEN, p=parameters, dt=DT_S)
        with torch.no_grad():
            self.hidden.input_weights.mul_(3.0)  # norse's start leaves a row of pixels below threshold
        self.classify = nn.Linear(HIDDEN, 10)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        s, state = self.hidden(x, state)
        return self.classify(s), state


def build() -> torch.nn.Module:
    """The untrained network; input (B, 8) per step, output (B, 10)."""
    return DigitsRecurrent()
