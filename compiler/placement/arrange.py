"""Arrange nodes on places of a mesh so that weighted distances are short.

A quadratic assignment: minimize sum w(a, b) * d(place a, place b). Start: the nodes in their order along strips of
several widths that run to and fro, the best of them. Then pairs are swapped, many disjoint ones at a time, as long as
the sum falls; one matrix product gives the gains of all pairs (Burkard et al., Assignment Problems, SIAM 2009, 8.2).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.placement.blocks import Ints

Floats = NDArray[np.float64]


def distances(x: Ints, y: Ints) -> Floats:
    """Tiles between every two places."""
    return np.asarray(np.abs(x[:, None] - x) + np.abs(y[:, None] - y), np.float64)


def strips(x: Ints, y: Ints) -> Iterator[Ints]:
    """Orders of the places: to and fro in strips of 1, 2, 4, ... columns, and of rows."""
    for first, second in ((x, y), (y, x)):
        width = 1
        while True:
            strip = first // width
            along = np.where(strip % 2 == 0, second, -second)
            across = np.where(along % 2 == 0, first, -first)
            yield np.lexsort((np.arange(x.size), across, along, strip)).astype(np.int64)
            if width > first.max(initial=0):
                break
            width *= 2


def arrange(
    flow: Floats,
    x: Ints,
    y: Ints,
    rounds: int,
    outside: Floats | None = None,
    start: Ints | None = None,
    tries: int = 1,
) -> Ints:
    """Place of each node, the cheapest found.

    flow: (n, n) symmetric weights, zero diagonal. x, y: the places, at least n. rounds: of swaps, at most. outside:
    (n, places) cost of each node at each place, beside the flow. start: places to try to begin with, beside strips.
    tries: how many of the best starts are followed to their end.
    """
    n, m = flow.shape[0], x.size
    full = np.zeros((m, m))
    full[:n, :n] = flow
    linear = np.zeros((m, m))
    if outside is not None:
        linear[:n] = outside
    between = distances(x, y)
    starts = list(strips(x, y))
    if start is not None:
        starts.append(np.concatenate([start, np.setdiff1d(np.arange(m), start)]))
    costs = [cost(full, between, linear, start) for start in starts]
    ends = [swap(full, between, linear, starts[k], rounds) for k in np.argsort(costs, kind="stable")[:tries]]
    return min(ends, key=lambda end: cost(full, between, linear, end))[:n]


def cost(flow: Floats, between: Floats, linear: Floats, place: Ints) -> float:
    """The sum that is minimized, each pair once."""
    fixed = linear[np.arange(place.size), place].sum()
    return float((flow * between[np.ix_(place, place)]).sum() / 2 + fixed)


def swap(flow: Floats, between: Floats, linear: Floats, place: Ints, rounds: int) -> Ints:
    """Swap pairs of nodes until no swap helps, or the rounds are over."""
    now = cost(flow, between, linear, place)
    for _ in range(rounds):
        pairs = _gaining(gains(flow, between, linear, place))
        if not pairs:
            break
        tried = _swapped(place, pairs)
        after = cost(flow, between, linear, tried)
        if after >= now and len(pairs) > 1:
            tried = _swapped(place, pairs[:1])
            after = cost(flow, between, linear, tried)
        if after >= now:
            break
        place, now = tried, after
    return place


def gains(flow: Floats, between: Floats, linear: Floats, place: Ints) -> Floats:
    """Change of the sum for a swap of every two nodes."""
    now = between[np.ix_(place, place)]
    reach = flow @ now
    own = np.diag(reach)
    fixed = linear[:, place]
    stay = np.diag(fixed)
    return np.asarray(
        reach + reach.T - own[:, None] - own + 2 * flow * now + fixed + fixed.T - stay[:, None] - stay, np.float64
    )


def _gaining(change: Floats) -> list[tuple[int, int]]:
    """Disjoint pairs that gain, the best first."""
    rows, columns = np.nonzero(np.triu(change < -0.5, 1))
    order = np.argsort(change[rows, columns], kind="stable")[: 8 * len(change)]
    taken = np.zeros(len(change), np.bool_)
    pairs = []
    for a, b in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if not taken[a] and not taken[b]:
            taken[a] = taken[b] = True
            pairs.append((a, b))
    return pairs


def _swapped(place: Ints, pairs: list[tuple[int, int]]) -> Ints:
    after = place.copy()
    a, b = np.array(pairs).T
    after[a], after[b] = place[b], place[a]
    return after
