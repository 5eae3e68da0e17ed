"""The piece of NIR graph that one traced layer becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import nir

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


def single(name: str, node: nir.NIRNode) -> Part:
    """One node."""
    return Part({name: node}, name, name)


def chain(*named: tuple[str, nir.NIRNode]) -> Part:
    """Nodes in a row."""
    names = [name for name, _ in named]
    return Part(dict(named), names[0], names[-1], tuple(pairwise(names)))
