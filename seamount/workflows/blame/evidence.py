"""What the distributions of a layer say about why it loses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.ir.ops import IntLIF
from seamount.compiler.ir.weights import values_of
from seamount.compiler.program.program import V_MAX
from seamount.workflows.blame.cause import Cause, Kind
from seamount.workflows.blame.mixture import Mixtures

WATCHED = 50
"""Samples on which membranes are looked at."""
OUTLIER, FEW_UNITS, NOTICEABLE = 8.0, 16, 0.01


class Finding(Enum):
    """What was measured of a layer; its value is a sentence with a place for the number."""

    OUTLIER = "the largest weight is {:.1f} medians"
    VANISHED = "{:.1%} of the weights that are not 0 round to 0"
    DECAY = "the time constant changes by {:.1%}"
    FEW_UNITS = "the threshold is {:.0f} units"
    SATURATES = "{:.2%} of v is at its limit on these samples"
    STEPS = "the range of the input has {:.0f} steps"
    LATE = "messages arrive {:.0f} steps late"


@dataclass(frozen=True)
class Evidence:
    """A finding with its number."""

    finding: Finding
    value: float

    def __str__(self) -> str:
        return self.finding.value.format(self.value)


def evidence(
    mixtures: Mixtures, cause: Cause, membranes: Callable[[], Mapping[str, NDArray[Any]]]
) -> tuple[Evidence, ...]:
    """What is remarkable about a cause's layer. membranes: gives v of every population on the first samples."""
    return tuple(_found(mixtures, cause, membranes))


def _found(mixtures: Mixtures, cause: Cause, membranes: Callable[[], Mapping[str, NDArray[Any]]]) -> Iterator[Evidence]:
    made, name = mixtures.made, cause.layer
    quantized = made.quantized
    if cause.kind is Kind.WEIGHTS:
        trained, codes = np.abs(values_of(mixtures.trained[name])), values_of(quantized[name].op)  # type: ignore[arg-type]
        some_weight = trained > 0
        ratio = float(trained.max() / np.median(trained[some_weight])) if some_weight.any() else 0.0
        if ratio >= OUTLIER:
            yield Evidence(Finding.OUTLIER, ratio)
        if gone := float(np.mean(codes[some_weight] == 0)) if some_weight.any() else 0.0:
            yield Evidence(Finding.VANISHED, gone)
    elif cause.kind is Kind.SCALE:
        op = quantized[name].op
        if isinstance(op, IntLIF) and op.scale < FEW_UNITS:
            yield Evidence(Finding.FEW_UNITS, op.scale)
    elif cause.kind is Kind.DECAYS:
        if (change := _time_constant_change(mixtures, name)) > NOTICEABLE:
            yield Evidence(Finding.DECAY, change)
    elif cause.kind is Kind.SATURATION:
        v = np.asarray(membranes()[name])
        if share := float(np.mean(np.abs(v) >= V_MAX)):
            yield Evidence(Finding.SATURATES, share)
    elif cause.kind is Kind.INPUTS:
        code = next(c for c in made.artifact.inputs if c.port == name)
        yield Evidence(Finding.STEPS, (code.high - code.low) / code.unit)
    elif cause.kind is Kind.TRANSPORT:
        q = next(q for q in mixtures.program.projections if q.name == name)
        yield Evidence(Finding.LATE, q.lag - mixtures.trained_lag(q))


def _time_constant_change(mixtures: Mixtures, name: str) -> float:
    """Largest relative change of 1 - decay, which is 1 / time constant."""
    trained, rounded = mixtures.trained[name], mixtures.rounded_neuron(name)
    changes = [0.0]
    for decay in ("alpha", "beta"):
        before, after = 1 - getattr(trained, decay), 1 - getattr(rounded, decay)
        if np.any(before != after):
            changes.append(float(np.max(np.abs(after - before) / np.maximum(before, 1e-12))))
    return max(changes)
