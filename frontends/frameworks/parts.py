"""The piece of NIR graph that one traced layer becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import nir
import numpy as np
import torch

from seamount.compiler.errors import ImportRefused, Problem
from seamount.compiler.ir.ops import Array
from seamount.frontends.conventions import Conventions


@dataclass(frozen=True, eq=False)
class Part:
    """NIR nodes and the edges between them; input arrives at `entry`, output leaves from `exit`.

    conventions: exceptions for single nodes. feedback: the node that takes the spikes of the step before, for
    membranes that need them.
    """

    nodes: Mapping[str, nir.NIRNode]
    entry: str
    exit: str
    edges: tuple[tuple[str, str], ...] = ()
    conventions: Mapping[str, Conventions] = field(default_factory=dict)
    feedback: str | None = None


def array(x: object) -> Array:
    """A tensor or number as a float64 array."""
    value = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x
    return np.array(value, dtype=np.float64)


def refusal(name: str, found: str, remedy: str) -> ImportRefused:
    """Why a layer is not carried over."""
    return ImportRefused(Problem(f"layer '{name}'", found, remedy))


def single(name: str, node: nir.NIRNode) -> Part:
    """One node."""
    return Part({name: node}, name, name)


def chain(*named: tuple[str, nir.NIRNode]) -> Part:
    """Nodes in a row."""
    names = [name for name, _ in named]
    return Part(dict(named), names[0], names[-1], tuple(pairwise(names)))
