"""Names of the reference networks, and a card for each: what it is, how it is read, how it was trained.

Importing this module needs no training framework; `Card.build` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seamount.compiler.errors import InputError, Problem

if TYPE_CHECKING:
    import torch

WEIGHTS = Path(__file__).resolve().parent / "weights"
"""Folder of the trained model files."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: AdamW under a one-cycle schedule (Smith and Topin, arXiv:1708.07120).

    epochs    passes over the training split
    batch     samples per update
    rate      largest learning rate of the cycle; `decay` is AdamW's weight decay
    per_step  share of the loss that asks every single step for the class, the rest asks the readout. With 1 it
              is temporal efficient training (Deng et al., arXiv:2202.11946); it keeps short runs accurate.
    flip      mirror half of the images left to right; shift_px: move images by up to so many pixels
    seed      of initial weights, order and augmentation; threads: CPU threads
    """

    epochs: int
    batch: int
    rate: float
    decay: float = 1e-2
    per_step: float = 0.5
    flip: bool = False
    shift_px: int = 0
    seed: int = 1
    threads: int = 1


@dataclass(frozen=True)
class Card:
    """A reference network.

    module     where `build()` is; data: a name that `seamount.models.datasets.load` knows
    shape      of the input in one step; steps: T; encoding, readout: as in seamount.frontends.conventions
    layers     the network in short form: 8C3 is a convolution with 8 channels and a 3 x 3 kernel, BN batch
               norm, AP2 average pooling over 2 x 2, FC10 a linear layer with 10 outputs
    parameters trained numbers; accuracy: share of the whole test split, float, measured after the last epoch
    golden     test samples whose trace the model file keeps
    """

    name: str
    module: str
    data: str
    shape: tuple[int, ...]
    steps: int
    encoding: Literal["constant", "sequence"]
    readout: Literal["sum", "mean", "last"]
    layers: str
    origin: str
    data_licence: str
    parameters: int
    accuracy: float
    recipe: Recipe
    golden: int = 3

    @property
    def weights(self) -> Path:
        """The trained model file."""
        return WEIGHTS / f"{self.name}.pt"

    def build(self) -> torch.nn.Module:
        """The network with fresh weights; seed torch first. Raises InputError without norse or torch."""
        try:
            network: torch.nn.Module = import_module(self.module).build()
        except ModuleNotFoundError as error:
            raise InputError(
                Problem(
                    f"model '{self.name}'",
                    f"needs the Python package '{error.name}', which is not installed",
                    "pip install 'seamount[norse]'",
                )
            ) from None
        return network


_DIGITS = "Optical Recognition of Handwritten Digits (Alpaydin, Kaynak), UCI repository, CC BY 4.0"
_OWN = "written and trained for Seamount"

_CARDS = (
    Card(
        name="digits-dense",
        module="seamount.models.digits_dense",
        data="digits",
        shape=(1, 8, 8),
        steps=6,
        encoding="constant",
        readout="last",
        layers="FC128-BN-LIF-FC10-LI",
        origin=_OWN,
        data_licence=_DIGITS,
        parameters=9738,
        accuracy=349 / 360,
        recipe=Recipe(epochs=120, batch=32, rate=5e-3, per_step=0.2, shift_px=1),
    ),
    Card(
        name="digits-conv",
        module="seamount.models.digits_conv",
        data="digits",
        shape=(1, 8, 8),
        steps=4,
        encoding="constant",
        readout="mean",
        layers="8C3-BN-LIF-AP2-16C3-BN-LIF-FC10",
        origin=_OWN,
        data_licence=_DIGITS,
        parameters=3842,
        accuracy=352 / 360,
        recipe=Recipe(epochs=40, batch=32, rate=1e-2, shift_px=1),
    ),
    Card(
        name="digits-recurrent",
        module="seamount.models.digits_recurrent",
        data="digits-rows",
        shape=(8,),
        steps=8,
        encoding="sequence",
        readout="sum",
        layers="recurrent LIF 64-FC10, one image row per step",
        origin=_OWN,
        data_licence=_DIGITS,
        parameters=5258,
        accuracy=342 / 360,
        recipe=Recipe(epochs=100, batch=32, rate=5e-3, per_step=0.0),
    ),
    Card(
        name="digits-residual",
        module="seamount.models.digits_residual",
        data="digits",
        shape=(1, 8, 8),
        steps=4,
        encoding="constant",
        readout="mean",
        layers="8C3-BN-LIF-(8C3-BN + identity)-LIF-AP2-FC10",
        origin=_OWN,
        data_licence=_DIGITS,
        parameters=1970,
        accuracy=350 / 360,
        recipe=Recipe(epochs=40, batch=32, rate=1e-2, shift_px=1),
    ),
    Card(
        name="fashion-mnist-conv",
        module="seamount.models.fashion_conv",
        data="fashion-mnist",
        shape=(1, 28, 28),
        steps=4,
        encoding="constant",
        readout="mean",
        layers="16C5 (stride 2)-BN-LIF-32C3-BN-LIF-AP2-64C3-BN-LIF-FC10",
        origin=_OWN,
        data_licence="Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv:1708.07747), MIT, (c) 2017 Zalando SE",
        parameters=55034,
        accuracy=0.9219,
        recipe=Recipe(epochs=16, batch=128, rate=8e-3, flip=True, shift_px=1),
        golden=2,
    ),
)

CARDS: Mapping[str, Card] = {c.name: c for c in _CARDS}
"""Every reference network by name."""


def card(name: str) -> Card:
    """The card of a reference network. Raises InputError for an unknown name, listing the known ones."""
    if name not in CARDS:
        raise InputError(Problem(f"model '{name}'", "is not a reference network", f"use one of {', '.join(CARDS)}"))
    return CARDS[name]
