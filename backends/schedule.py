"""In which order populations can be run over all steps at once, and which must go step by step together."""

from __future__ import annotations

import numpy as np

from seamount.compiler.program.program import Program


def groups(program: Program) -> tuple[tuple[str, ...], ...]:
    """Populations in strongly connected groups, every group after all that feed it.

    A group of one without a projection to itself can be run over all steps before the next group starts. Inside a
    group the program's update order is kept, which lag-0 projections need.
    """
    names = [p.name for p in program.populations]
    place = {name: i for i, name in enumerate(names)}
    reach = np.eye(len(names), dtype=np.bool_)
    for q in program.projections:
        if q.source in place:
            reach[place[q.source], place[q.target]] = True
    for k in range(len(names)):  # Warshall: paths that may pass through population k
        reach |= reach[:, k, None] & reach[None, k]
    both = reach & reach.T
    # Along a projection to another group the number of ancestors (oneself among them) grows: it orders the groups.
    ancestors = reach.sum(axis=0)
    found = {tuple(np.flatnonzero(row).tolist()) for row in both}
    ordered = sorted(found, key=lambda group: (int(min(ancestors[list(group)])), group))
    return tuple(tuple(names[i] for i in group) for group in ordered)


def is_cyclic(program: Program, group: tuple[str, ...]) -> bool:
    """Whether a group must be run step by step."""
    return len(group) > 1 or any(q.source == q.target == group[0] for q in program.projections)
