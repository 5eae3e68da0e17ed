"""What a network can lose on its way from float to a chip's integers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """A way in which integers differ from float; its value is the name that tables show."""

    WEIGHTS = "weights rounded"
    SCALE = "threshold of few units"
    DECAYS = "decays rounded"
    INPUTS = "inputs rounded"
    SATURATION = "saturation"
    TRUNCATION = "truncation"
    TRANSPORT = "late arrival"

    @property
    def meaning(self) -> str:
        """What it is, in a sentence."""
        return MEANING[self]


MEANING = {
    Kind.WEIGHTS: "weights take the codes that their bits allow",
    Kind.SCALE: "threshold, bias, start value and reset are whole numbers, and weights share their scale",
    Kind.DECAYS: "decays are multiples of 1/4096",
    Kind.INPUTS: "inputs are payloads of few bits, clipped to their range",
    Kind.SATURATION: "u wraps and v saturates at 24 bits",
    Kind.TRUNCATION: "u and v are rounded toward zero in every step",
    Kind.TRANSPORT: "messages over paths of unequal length arrive later than in training",
}


@dataclass(frozen=True)
class Cause:
    """One kind in one layer: of weights or transport the layer of weights, of inputs the input, else the neurons."""

    layer: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.kind.value} in '{self.layer}'"
