"""Small norse networks for the frontend tests, with activity that is neither silent nor saturated."""

from __future__ import annotations

from typing import Any

import norse.torch as snn
import torch
from torch import nn

from tests.frontends.round_trip import lively, round_trip, spikes

__all__ = ["InsideLoop", "Recurrent", "Residual", "TimeFirst", "TimeLoop", "cell", "lively", "round_trip", "spikes"]


def cell(kind: str, size: int, **parameters: Any) -> nn.Module:
    """A neuron layer by class name; parameters as tensors in norse's own tuple."""
    tuples = {
        "LIFBoxCell": snn.LIFBoxParameters, "LIFCell": snn.LIFParameters, "LIF": snn.LIFParameters,
        "LIFRecurrentCell": snn.LIFParameters, "LIFRecurrent": snn.LIFParameters, "IAFCell": snn.IAFParameters,
        "IAF": snn.IAFParameters, "LIBoxCell": snn.LIBoxParameters, "LICell": snn.LIParameters, "LI": snn.LIParameters,
        "LILinearCell": snn.LIParameters,
    }  # fmt: skip
    more = {k: v for k, v in parameters.items() if k in ("dt", "autapses")}
    rest = {k: v if callable(v) else torch.as_tensor(v) for k, v in parameters.items() if k not in more}
    p = tuples[kind](**rest)
    sizes = (size, size) if "Recurrent" in kind or "Linear" in kind else ()
    return getattr(snn, kind)(*sizes, p=p, **more)


class Residual(nn.Module):
    """Two hidden layers and a skip around the second, in any spelling of the sum; returns (membrane, state)."""

    def __init__(self, spelling: str = "a + b", seed: int = 0) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 16), nn.Linear(16, 16), nn.Linear(16, 5)
        self.one, self.two, self.out = snn.LIFBoxCell(), snn.LIFBoxCell(), snn.LIBoxCell()
        self.spelling = spelling
        lively(self, 4.0, seed)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        one, two, out = state if state is not None else (None, None, None)
        s, one = self.one(self.a(x), one)
        h = self.b(s)
        if self.spelling == "a + b":
            h = h + s
        elif self.spelling == "torch.add":
            h = torch.add(h, s)
        elif self.spelling == "a += b":
            h += s
        elif self.spelling == "a.add(b)":
            h = h.add(s)
        elif self.spelling == "alpha":
            h = torch.add(h, s, alpha=2)
        elif self.spelling == "a - b":
            h = h - 0.5 * s
        elif self.spelling == "sum([a, b])":
            h = sum([h, s])
        z, two = self.two(h, two)
        v, out = self.out(self.c(z), out)
        return v, (one, two, out)


class TimeLoop(nn.Module):
    """The same stepwise network, looped over (T, N, *shape) in forward."""

    def __init__(self, inner: nn.Module, style: str = "stack") -> None:
        super().__init__()
        self.inner, self.style = inner, style

    def forward(self, x: torch.Tensor) -> Any:
        state, outputs, total = None, [], 0
        if self.style == "accumulate":
            total = torch.zeros(x.shape[1], 5)
        if self.style.startswith("fill"):
            filled = (
                torch.empty(x.shape[0], x.shape[1], 5)
                if self.style == "fill"
                else x.new_zeros(x.shape[1], x.shape[0], 5)
            )
        batch_first = self.style.startswith("batch")
        for frame in x if self.style == "iterate" else range(x.shape[1 if batch_first else 0]):
            if not isinstance(frame, torch.Tensor):
                frame = x[:, frame] if batch_first else x[frame]
            y, state = self.inner(frame, state)
            if self.style == "fill":
                filled[len(outputs)] = y
            elif self.style == "fill batch":
                filled[:, len(outputs)] = y
            outputs.append(y)
            if self.style == "accumulate":
                total += y
            else:
                total = total + y
        if self.style.startswith("fill"):
            return filled
        if self.style in ("sum", "accumulate"):
            return total
        if self.style == "mean":
            return total / len(outputs)
        if self.style == "last":
            return outputs[-1], state
        if self.style == "max":
            return torch.stack(outputs).max(0).values
        if self.style == "batch_first":
            return torch.stack(outputs, dim=1)
        return torch.stack(outputs)


class TimeFirst(nn.Module):
    """A batch-first module made time-first by a transpose."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> Any:
        return self.inner(x.transpose(0, 1))


class InsideLoop(nn.Module):
    """A constant frame shown at each of `steps` steps by a loop inside forward."""

    def __init__(self, inner: nn.Module, steps: int) -> None:
        super().__init__()
        self.inner, self.steps = inner, steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, outputs = None, []
        for _ in range(self.steps):
            y, state = self.inner(x, state)
            outputs.append(y)
        return torch.stack(outputs)


class Recurrent(nn.Module):
    """Recurrence by hand: the spikes of the step before through a layer; zeros or nothing at the first step."""

    def __init__(self, start: str = "none", bias: bool = False) -> None:
        super().__init__()
        self.a, self.r, self.c = nn.Linear(12, 16), nn.Linear(16, 16, bias=bias), nn.Linear(16, 5)
        self.one, self.out = snn.LIFBoxCell(), snn.LIBoxCell()
        self.start = start
        lively(self, 4.0)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        one, out, before = state if state is not None else (None, None, None)
        if before is None and self.start == "zeros":
            before = torch.zeros(x.shape[0], 16)
        h = self.a(x)
        if before is not None:
            h = h + self.r(before)
        s, one = self.one(h, one)
        v, out = self.out(self.c(s), out)
        return v, (one, out, s)
