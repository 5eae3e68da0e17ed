"""What a report shows of a long run or a deep network: steps in windows, the first and the last layers.

A report stays a few megabytes whatever it is made of. Totals and shares are always those of everything; what is left
out is counted, and `remarks` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.report.contents import Remark

LAYERS = 48
"""Populations and projections shown, half of them the first and half the last ones."""
LINES = 192
"""Lines of one ledger of energy."""
CORES = 2_048
"""Cores whose loads are shown, the fullest."""
REMARKS = 100
"""Warnings and notes shown, warnings first."""
SAMPLES = 8
"""Recorded samples shown."""
COLUMNS = 200
"""Columns of charts and tables over the steps; fewer where many layers are shown."""
CELLS = 8_000
"""Cells of the chart of activity: layers times columns."""
T = TypeVar("T")


@dataclass(frozen=True)
class Windows:
    """The steps 0 to `steps` - 1 in windows of `length`, of which the last one may be shorter."""

    steps: int
    length: int

    @property
    def ends(self) -> NDArray[np.int64]:
        """The last step of each window."""
        return np.minimum(np.arange(self.length, self.steps + self.length, self.length), self.steps) - 1

    @property
    def count(self) -> int:
        return ceil(self.steps / self.length)

    def sums(self, series: NDArray[Any]) -> NDArray[Any]:
        """(steps, ...) to (count, ...): sums over each window."""
        return np.asarray(np.add.reduceat(series, np.arange(0, self.steps, self.length), axis=0))

    def means(self, series: NDArray[Any]) -> NDArray[np.float64]:
        """(steps,) to (count,): means over each window."""
        return np.asarray(self.sums(series) / np.diff(self.ends, prepend=-1), np.float64)


def windows(steps: int, layers: int) -> Windows:
    """The shortest windows whose columns fit into the charts of so many layers."""
    columns = min(COLUMNS, max(20, CELLS // max(1, min(layers, 2 * LAYERS))))
    return Windows(steps, ceil(steps / columns))


def folded(items: Sequence[T], most: int) -> tuple[T, ...]:
    """The items; only the first and last ones where there are more than `most`."""
    if len(items) <= most:
        return tuple(items)
    last = most // 2
    return (*items[: most - last], *items[len(items) - last :])


def folded_energy(tree: dict[str, Any], layers: set[str]) -> dict[str, Any]:
    """Sums by layer for the layers shown; ledgers were folded when they were made. Totals are untouched."""
    return {**tree, "sets": [_folded_set(one, layers) for one in tree["sets"]]}


def _folded_set(tree: Mapping[str, Any], layers: set[str]) -> dict[str, Any]:
    places = tree["places_pj"]
    if len(places) <= LINES:
        return dict(tree)
    return {**tree, "places_pj": {name: value for name, value in places.items() if name in layers}}


def folded_mapping(tree: dict[str, Any], layers: set[str]) -> dict[str, Any]:
    """The fullest cores, and the traffic of the layers shown."""
    loads, traffic = tree["loads"], tree["projections"]
    if len(loads) > CORES:
        fullest = sorted(loads, key=lambda load: (-load["memory_bytes"], load["core"]))[:CORES]
        loads = sorted(fullest, key=lambda load: load["core"])
    if len(traffic) > LAYERS:
        traffic = {name: t for name, t in traffic.items() if name in layers}
    return {**tree, "loads": loads, "projections": traffic}


def shortened(remarks: Sequence[Remark]) -> tuple[Remark, ...]:
    """The first remarks, and how many more there are."""
    if len(remarks) <= REMARKS:
        return tuple(remarks)
    text = f"{len(remarks) - REMARKS:,} further warnings and notes are left out"
    return (
        *remarks[:REMARKS],
        Remark("note", "report", text, "'seamount inspect ARTIFACT' shows all that were stored"),
    )


def left_out(
    over: Windows, populations: int, projections: int, energy: Mapping[str, Any] | None, recorded: int
) -> Iterator[Remark]:
    """What the report does not show, as notes. populations, projections, recorded: how many there are in all."""
    if over.length > 1:
        text = (
            f"every {ordinal(over.length)} of {over.steps:,} steps is drawn: a column of the charts and tables stands "
            f"for {over.length:,} steps, with their mean activity, and membranes as they are after the last of them"
        )
        yield Remark("note", "steps", text, "the run's folder holds every step")
    for count, noun in ((populations, "inputs and populations"), (projections, "projections")):
        if count > LAYERS:
            text = f"{count - LAYERS:,} of {count:,} {noun} are folded: the first and the last {LAYERS // 2} are shown"
            yield Remark("note", "layers", f"{text}; totals are those of all", "'seamount run --json' lists every one")
    if energy is not None:
        ledgers = [s["lines"] for s in energy["sets"]] + [t["lines"] for s in energy["sets"] for t in s["ann"].values()]
        longest = max(map(len, ledgers), default=0)
        if longest >= LINES:
            text = f"of longer ledgers the first and last {LINES // 2} lines are shown"
            yield Remark("note", "energy", text, "'seamount energy RUN --json FILE' writes every line")
    if recorded > SAMPLES:
        yield Remark("note", "samples", f"the first {SAMPLES} of {recorded:,} recorded samples are shown")


def ordinal(n: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th ..."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"
