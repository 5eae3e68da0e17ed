"""The reference networks: names and cards."""

from __future__ import annotations

from collections.abc import Mapping

from seamount.compiler.errors import InputError, Problem
from seamount.models.card import Card, Recipe

_DIGITS = "Optical Recognition of Handwritten Digits (Alpaydin, Kaynak), UCI repository, CC BY 4.0"
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
