"""The reference networks: names and cards."""

from __future__ import annotations

from collections.abc import Mapping

from seamount.compiler.errors import InputError, Problem
from seamount.models.card import Card, Recipe

_DIGITS = "Optical Recognition of Handwritten Digits (Alpaydin, Kaynak), UCI repository, CC BY 4.0"
_FASHION = "Fashion-MNIST (Xiao, Rasul, Vollgraf, arXiv:1708.07747), MIT, (c) 2017 Zalando SE"
_BRAILLE = "Braille letters (Mueller-Cleve et al. 2022, doi:10.3389/fnins.2022.951164), CC BY 4.0"
_OWN = "written and trained for Seamount"

_CARDS = (
    Card(
        name="digits-dense",
        module="seamount.models.networks.digits_dense",
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
        module="seamount.models.networks.digits_conv",
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
        module="seamount.models.networks.digits_recurrent",
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
        module="seamount.models.networks.digits_residual",
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
        module="seamount.models.networks.fashion_conv",
        data="fashion-mnist",
        shape=(1, 28, 28),
        steps=4,
        encoding="constant",
        readout="mean",
        layers="16C5 (stride 2)-BN-LIF-32C3-BN-LIF-AP2-64C3-BN-LIF-FC10",
        origin=_OWN,
        data_licence=_FASHION,
        parameters=55034,
        accuracy=0.9219,
        recipe=Recipe(epochs=16, batch=128, rate=8e-3, flip=True, shift_px=1),
        golden=2,
    ),
    Card(
        name="nmnist-conv",
        module="seamount.models.networks.nmnist_conv",
        data="nmnist",
        shape=(2, 34, 34),
        steps=8,
        encoding="sequence",
        readout="mean",
        layers="16C5 (stride 2)-BN-LIF-32C3 (stride 2)-BN-LIF-64C3 (stride 2)-BN-LIF-FC10, reset by subtraction",
        origin=_OWN,
        data_licence="N-MNIST (Orchard et al. 2015, doi:10.3389/fnins.2015.00437), CC BY-SA 4.0",
        parameters=40074,
        accuracy=77 / 80,
        recipe=Recipe(epochs=80, batch=32, rate=5e-3, shift_px=2),
        framework="spikingjelly",
        high=13.0,
    ),
    Card(
        name="braille-recurrent",
        module="seamount.models.networks.recurrent:braille",
        data="braille",
        shape=(24,),
        steps=52,
        encoding="sequence",
        readout="last",
        layers="recurrent LIF 128-FC27-LI, a beta per neuron",
        origin=_OWN,
        data_licence=_BRAILLE,
        parameters=23195,
        accuracy=589 / 864,
        recipe=Recipe(epochs=30, batch=64, rate=5e-3, per_step=0.0),
        framework="snntorch",
        high=11.0,
    ),
    Card(
        name="braille-7-recurrent",
        module="seamount.models.networks.recurrent:braille_seven",
        data="braille-7",
        shape=(24,),
        steps=26,
        encoding="sequence",
        readout="last",
        layers="recurrent LIF 64-FC7-LI, a beta per neuron",
        origin=_OWN,
        data_licence=_BRAILLE,
        parameters=6215,
        accuracy=186 / 224,
        recipe=Recipe(epochs=60, batch=32, rate=5e-3, per_step=0.0),
        framework="snntorch",
        high=11.0,
    ),
)

CARDS: Mapping[str, Card] = {c.name: c for c in _CARDS}
"""Every reference network by name."""


def card(name: str) -> Card:
    """The card of a reference network. Raises InputError for an unknown name, listing the known ones."""
    if name not in CARDS:
        raise InputError(Problem(f"model '{name}'", "is not a reference network", f"use one of {', '.join(CARDS)}"))
    return CARDS[name]
