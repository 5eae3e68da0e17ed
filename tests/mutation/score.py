"""What became of the mutants, by folder, and which are alive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.mutation.mutants import Mutant
from tests.mutation.trial import Result

DEAD = ("killed", "timeout")


def print_score(chosen: Iterable[Mutant], results: Mapping[str, Result], equivalents: Mapping[str, str]) -> None:
    """A line per folder, then survivors; equivalent mutants count on neither side."""
    found: dict[str, Counter[str]] = {}
    alive: list[Mutant] = []
    for mutant in (m for m in chosen if m.name in results):
        status = results[mutant.name].status
        kind = "dead" if status in DEAD else "equivalent" if mutant.name in equivalents else "alive"
        for folder in (Path(mutant.path).parent.as_posix(), "all"):
            found.setdefault(folder, Counter())[kind] += 1
        if kind == "alive":
            alive.append(mutant)
    for folder, counts in sorted(found.items(), key=lambda pair: (pair[0] == "all", pair[0])):
        meant = counts["dead"] + counts["alive"]
        share = 100 * counts["dead"] / meant if meant else 100.0
        print(
            f"{folder:24}{counts.total():5} drawn{counts['equivalent']:5} equivalent{counts['dead']:5} dead"
            f"{counts['alive']:5} alive{share:7.1f} %"
        )
    for mutant in sorted(alive, key=lambda m: (m.path, m.line)):
        print(f"{mutant.path}:{mutant.line}\n    {mutant.name}")
