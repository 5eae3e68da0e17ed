"""What fine-tuning in integers leaves with a network: the grids it was tuned on, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from msgspec import Struct, field

from seamount.compiler.ir.ops import SignMode


class WeightGrid(Struct, frozen=True, forbid_unknown_fields=True):
    """Grid of a projection's codes: weight = code * 2**exponent / scale of the layer that it drives."""

    bits: int
    sign_mode: SignMode
    exponent: int


class Grids(Struct, frozen=True, forbid_unknown_fields=True):
    """What makes quantize give the very integers again. scales: neuron layer -> units of its input per threshold (of a
    readout: per unit). weights: layer of weights -> grid. units: graded input -> value of a payload of 1."""

    scales: Mapping[str, float]
    weights: Mapping[str, WeightGrid]
    units: Mapping[str, float] = field(default_factory=dict)


class Goal(Enum):
    """What tuning minimised."""

    LABELS = "labels"
    """The loss against the labels of the samples."""
    DISTILLATION = "distillation"
    """The distance from what the float network answers."""


class Score(Enum):
    """What epochs were compared by, on the samples held out for validation."""

    ACCURACY = "accuracy"
    LOSS = "loss"


class Tuning(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a network was tuned, and to what.

    weight_bits, layer_bits, ternary: as asked for. learned: what learned (weights, scales, biases, decays). data: name
    of the samples; samples: trained on; validation: held out of them. epochs: of training; best: the one that was kept,
    0 for the network as it was. before, after: the score of the integers, untuned and tuned, on the samples held out;
    of a loss its negative, so that more is better.
    """

    grids: Grids
    weight_bits: int
    layer_bits: Mapping[str, int] = field(default_factory=dict)
    ternary: bool = False
    learned: tuple[str, ...] = ()
    goal: Goal = Goal.LABELS
    data: str = ""
    samples: int = 0
    validation: int = 0
    epochs: int = 0
    best: int = 0
    seed: int = 0
    score: Score = Score.ACCURACY
    before: float = 0.0
    after: float = 0.0


__all__ = ["Goal", "Grids", "Score", "Tuning", "WeightGrid"]
