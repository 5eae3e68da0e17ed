"""Networks that recipes train, by name: how each of the cards is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from torch import nn

from seamount.compiler.errors import InputError, Problem
from seamount.models.networks.cards import CARDS
from seamount.models.networks.grouped import Carry, GroupNetwork, Plan
from seamount.models.networks.neurons import Neuron
from seamount.models.networks.residual import resnet
from seamount.models.networks.stages import Activation, Task, chain

Maker = Callable[[Task, Any], nn.Module]
"""(task, activation) -> network."""


def _chain(layers: str) -> Maker:
    return lambda task, activation: chain(layers, task, activation)


def _residual(**how: Any) -> Maker:
    return partial(_make_residual, how)


def _make_residual(how: Mapping[str, Any], task: Task, activation: Activation) -> nn.Module:
    return resnet(task, activation, **how)


def _grouped(pool: tuple[bool, ...], carry: Carry = "spikes") -> Maker:
    return partial(_make_grouped, Plan(pool=pool, carry=carry))


def _make_grouped(plan: Plan, task: Task, neuron: Neuron) -> nn.Module:
    if len(task.shape) != 3 or task.shape[0] % 4 or task.shape[1] % 2 or task.shape[2] % 2:
        raise ValueError("it takes (4 C, rows, columns), the quadrants as channels, of even rows and columns")
    return GroupNetwork(task, neuron, plan)


_NARROW: Mapping[str, Any] = {"channels": (16, 32, 64), "blocks": (1, 1, 1), "stem_stride": 2}
_MAKERS: Mapping[str, Maker] = {
    **{name: _chain(card.layers) for name, card in CARDS.items() if card.chain},
    "resnet-narrow": _residual(**_NARROW),
    "sew-narrow": _residual(**_NARROW, form="spikes"),
    "resnet18": _residual(),
    "sew-resnet18": _residual(form="spikes"),
    "grouped": _grouped((False, True, False)),
    "grouped-early": _grouped((True, False, False)),
    "grouped-early-apart": _grouped((True, False, False), "none"),
    "grouped-small": _grouped((True, True, False)),
    "grouped-small-apart": _grouped((True, True, False), "none"),
}
_SHORT_FORM = re.compile(r"\d|FC|R\d")


def maker(name: str) -> Maker:
    """How to build the network of that name or short form; a short form is checked when it is built.

    Raises InputError for a name that is neither; the maker, when the network cannot take the task's samples.
    """
    if name not in _MAKERS and not _SHORT_FORM.match(name):
        remedy = f"use one of {', '.join(CARDS)}, or a form like 16C3-AP2-32C3"
        raise InputError(Problem(f"network '{name}'", "does not exist", remedy))
    return partial(_fitted, name, _MAKERS.get(name) or _chain(name))


def _fitted(name: str, make: Maker, task: Task, activation: Any) -> nn.Module:
    try:
        return make(task, activation)
    except (RuntimeError, ValueError, IndexError) as error:  # what PyTorch raises where sizes do not meet
        found = f"does not fit samples of shape {task.shape}: {str(error).splitlines()[0]}"
        remedy = "choose by `seamount networks`, or write a form like 16C3-AP2-32C3"
        raise InputError(Problem(f"network '{name}'", found, remedy)) from None
