"""What a reference network's card holds: the network, its data, how it is read and how it was trained.

Importing this module needs no training framework; `Card.build` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seamount.compiler.errors import InputError, Problem

if TYPE_CHECKING:
    import torch

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
"""Folder of the trained model files."""


@dataclass(frozen=True)
class OneCycle:
    """How a network is trained: AdamW under a one-cycle schedule (Smith and Topin, arXiv:1708.07120).

    epochs    passes over the training split
    batch     samples per update
    rate      largest learning rate of the cycle; `decay` is AdamW's weight decay
    per_step  share of the loss that asks every single step for the class, the rest asks the readout. With 1 it
              is temporal efficient training (Deng et al., arXiv:2202.11946); it keeps short runs accurate.
    flip      mirror half of the images left to right; shift_px: move images by up to so many pixels
    window    of long sequences, so many steps from a random one on, instead of all
    seed      of initial weights, order and augmentation; threads: CPU threads
    """

    epochs: int
    batch: int
    rate: float
    decay: float = 1e-2
    per_step: float = 0.5
    flip: bool = False
    shift_px: int = 0
    window: int | None = None
    seed: int = 1
    threads: int = 1


@dataclass(frozen=True)
class Card:
    """A reference network.

    module     where `build()` is, or module:function; data: a name that `seamount.models.data.datasets.load` knows
    shape      of the input in one step; steps: T; encoding, readout: as in seamount.frontends.conventions
    layers     the network in short form: 8C3 is a convolution with 8 channels and a 3 x 3 kernel, BN batch
               norm, AP2 average pooling over 2 x 2, FC10 a linear layer with 10 outputs
    framework  whose neurons it has; the training loop runs each in its own way
    parameters trained numbers; accuracy: share of the whole test split, float, measured after the last epoch
    high       largest input that it is saved for, the lowest is 0; larger ones are clipped
    golden     test samples whose trace the model file keeps
    task       a class per sample or step, or a class per pixel
    """

    name: str
    module: str
    data: str
    shape: tuple[int, ...]
    steps: int
    encoding: Literal["constant", "sequence"]
    readout: Literal["sum", "mean", "last", "each"]
    layers: str
    origin: str
    data_licence: str
    parameters: int
    accuracy: float
    cycle: OneCycle
    framework: Literal["norse", "snntorch", "spikingjelly"] = "norse"
    high: float = 1.0
    golden: int = 3
    task: Literal["classes", "pixels"] = "classes"

    @property
    def weights(self) -> Path:
        """The trained model file."""
        return WEIGHTS / f"{self.name}.pt"

    def build(self) -> torch.nn.Module:
        """The network with fresh weights; seed torch first. Raises InputError without its framework."""
        try:
            module, _, function = self.module.partition(":")
            network: torch.nn.Module = getattr(import_module(module), function or "build")()
        except ModuleNotFoundError as error:
            raise InputError(
                Problem(
                    f"model '{self.name}'",
                    f"needs the Python package '{error.name}', which is not installed",
                    f"pip install 'seamount[{self.framework}]'",
                )
            ) from None
        return network
