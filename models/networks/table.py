"""Every network by name: those that recipes train, and those that ship trained (models/weights)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from seamount.compiler.errors import InputError, Problem
from seamount.models.networks.cards import CARDS, NetworkCard
from seamount.models.reference.card import Card
from seamount.models.reference.registry import CARDS as TRAINED

AnyCard: TypeAlias = NetworkCard | Card

NETWORKS: Mapping[str, AnyCard] = {**CARDS, **TRAINED}
"""Name -> card, the networks for recipes first."""
FOR_RECIPES, SHIPPED = tuple(CARDS.values()), tuple(TRAINED.values())


def network(name: str) -> AnyCard:
    """The card of a network. Raises InputError for an unknown name, listing the known ones."""
    if name not in NETWORKS:
        raise InputError(Problem(f"network '{name}'", "does not exist", f"use one of {', '.join(NETWORKS)}"))
    return NETWORKS[name]
