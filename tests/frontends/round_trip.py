"""Lively weights, random spikes, and a model saved, loaded and checked; for the tests of every framework."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from seamount.frontends import ModelFile, SelfCheck, load_model, save


def lively(model: nn.Module, gain: float, seed: int = 0, drift: float = 0.3) -> nn.Module:
    """Random weights with a slightly positive mean (`drift` standard deviations), so that neurons fire."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "recurrent" in name and p.ndim > 1:
                p.copy_(0.5 * gain * torch.randn(p.shape, generator=generator) / p[0].numel() ** 0.5)
            elif p.ndim > 1:
                fan_in = p[0].numel()
                p.copy_(gain * (torch.randn(p.shape, generator=generator) + drift) / fan_in**0.5)
            elif p.ndim == 1:
                p.copy_(0.2 * torch.randn(p.shape, generator=generator))
    return model.eval()


def spikes(*shape: int, rate: float = 0.4, seed: int = 1) -> torch.Tensor:
    """Random 0 and 1."""
    return (torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < rate).float()


def round_trip(model: nn.Module, tmp_path: Any, low: float = 0.01, high: float = 0.95, **options: Any) -> ModelFile:
    """Save, load, check again; every firing layer must be lively."""
    options = {"readout": "sum", **options}
    at_save: SelfCheck = save(model, tmp_path / "model.pt", **options)
    file = load_model(tmp_path / "model.pt")
    assert at_save.ok and at_save.differing == 0
    assert at_save.ties <= 1e-3 * max(at_save.compared, 1)
    for name, series in file.golden.spikes.items():
        assert low < series.mean() < high, f"layer {name} fires at a rate of {series.mean():.3f}"
    return file
