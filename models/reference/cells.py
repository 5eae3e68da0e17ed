"""norse neurons of the reference networks, given by what they do in one step instead of by time constants."""

from __future__ import annotations

import torch
from norse.torch import LIBoxCell, LIFBoxCell
from norse.torch.functional.leaky_integrator_box import LIBoxParameters
from norse.torch.functional.lif_box import LIFBoxParameters

DT_S = 1e-3
"""norse's default step in seconds; only DT_S / tau matters."""


def lif(beta: float = 0.5, threshold: float = 0.5) -> torch.nn.Module:
    """v <- beta v + (1 - beta) x; s = v > threshold; v <- 0 where s. No synaptic memory.

    Surrogate gradient 1 - tanh(3 (v - threshold))**2, narrow enough for a membrane that mostly stays
    within +-1.
    """
    parameters = LIFBoxParameters(
        tau_mem_inv=torch.tensor((1.0 - beta) / DT_S),
        v_th=torch.tensor(threshold),
        method="tanh",
        alpha=torch.tensor(3.0),
    )
    cell: torch.nn.Module = LIFBoxCell(parameters, dt=DT_S)
    return cell


def leaky_readout(beta: float) -> torch.nn.Module:
    """v <- beta v + (1 - beta) x, never fires; its output is v."""
    parameters = LIBoxParameters(tau_mem_inv=torch.tensor((1.0 - beta) / DT_S))
    cell: torch.nn.Module = LIBoxCell(parameters, dt=DT_S)
    return cell
