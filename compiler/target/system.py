"""Several chips as data: how many, how many cores each offers, and how they are arranged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from seamount.compiler.errors import CompileError, Problem
from seamount.compiler.target.target import Quantity, Target


@dataclass(frozen=True, eq=False)
class System:
    """Chips of one kind on a board or in a rack; backends/targets/README.md says what the numbers mean.

    chip: name of the target whose chip it is. quantities: "system.name" -> Quantity.
    """

    name: str
    title: str
    chip: str
    date: str
    quantities: Mapping[str, Quantity]
    sources: Mapping[str, str]
    notes: tuple[str, ...] = field(default=())

    def limit(self, path: str) -> int:
        """A whole number that placing needs. Raises CompileError where it is unknown."""
        value = self.quantities[path].value
        if not isinstance(value, int):
            found = f"'{path}' is needed here and unknown: {self.quantities[path].source}"
            remedy = "pass a system file with the number and its source"
            raise CompileError(Problem(f"system '{self.name}'", found, remedy))
        return value

    def cite(self, path: str) -> str:
        """The number as the `limit` line of an error shows it."""
        return f"{self.name} {path} = {self.quantities[path]}"


def one_chip(target: Target) -> System:
    """The system that is a single chip of the target."""
    own = target.quantities["chip.cores"]
    single = Quantity(1, "1", own.source, "one chip")
    numbers = {
        "system.chips": single,
        "system.cores_per_chip": own,
        "system.columns": single,
        "system.rows": single,
        "system.neurons": target.quantities["chip.neurons"],
        "system.synapses": target.quantities["chip.synapses"],
        "system.power": Quantity(None, "W", "not published"),
    }
    return System(f"one {target.chip}", f"one chip: {target.title}", target.chip, target.date, numbers, target.sources)
