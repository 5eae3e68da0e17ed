"""What an import collects on its way: problems, questions about conventions, and remarks for the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from seamount.compiler.errors import ImportRefused, Problem, raise_all
from seamount.compiler.ir.notes import Convention, Note
from seamount.compiler.ir.ops import Shape
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.nir.schema import Fields

_PRESET = "; or name the framework that trained the network: --assume norse, snntorch, spikingjelly or sinabs"
QUESTIONS: dict[str, tuple[str, str]] = {
    "dt": (
        "the file does not hold the time step",
        "add --assume dt=STEP in the unit of its time constants"
        " (norse 0.001 times the dt of to_nir, which is 0.001 by default; snntorch 0.0001; spikingjelly the dt of"
        " export_to_nir, 0.0001 by default; sinabs 1)" + _PRESET,
    ),
    "integrate": (
        "the file does not say how a time constant acts in discrete steps",
        "add --assume integrate=euler (1 - dt/tau; norse, snntorch, spikingjelly)"
        " or --assume integrate=exact (exp(-dt/tau); sinabs)" + _PRESET,
    ),
    "reset": (
        "the file does not say whether a spike subtracts the threshold or resets the membrane",
        "add --assume reset=zero or --assume reset=subtract"
        " (defaults: snntorch and sinabs subtract, norse and spikingjelly zero)" + _PRESET,
    ),
    "timing": (
        "the file does not say whether the reset acts in the step of the spike or in the next one",
        "add --assume timing=immediate (norse, spikingjelly, sinabs, snntorch with reset_delay=False)"
        " or --assume timing=next (snntorch's default)" + _PRESET,
    ),
    "compare": (
        "the file does not say whether a membrane exactly at the threshold fires",
        "add --assume compare=gt (does not; norse, snntorch) or --assume compare=ge (fires; spikingjelly, sinabs)"
        + _PRESET,
    ),
    "spikes": (
        "the file does not say whether a neuron may send several spikes in one step",
        "add --assume spikes=single (norse, snntorch, spikingjelly) or --assume spikes=multi (sinabs' default)"
        + _PRESET,
    ),
    "start": (
        "the file does not say where the membrane starts, and v_leak or v_reset is not 0",
        "add --assume start=zero, start=leak (norse) or start=reset (spikingjelly)" + _PRESET,
    ),
    "coding": (
        "the file does not say what the input carries",
        "add --assume coding=spikes (0 or 1), or --assume coding=graded with --assume low=0 and --assume high=1",
    ),
    "low": ("graded input without its smallest value", "add --assume low=VALUE"),
    "high": ("graded input without its largest value", "add --assume high=VALUE"),
    "steps": ("the file does not say how many steps a sample lasts", "add --assume steps=N"),
    "readout": (
        "the file does not say how the output over all steps becomes one answer",
        "add --assume readout=sum, mean, max or last",
    ),
}


GIVEN = "given for the node"
"""Source of a convention that is an exception for single nodes, stored in a model file."""


@dataclass(frozen=True, eq=False)
class Site:
    """A node being imported.

    name, kind: its NIR path and type. shape: of its summed input. conventions: those that apply to it.
    recurrent: it lies on a cycle. after_linear: all its sources are weight layers. ranks: numbers of axes that its
    consumers take, where they say so.
    """

    name: str
    kind: str
    fields: Fields
    shape: Shape = ()
    conventions: Conventions = field(default_factory=Conventions)
    recurrent: bool = False
    after_linear: bool = False
    ranks: frozenset[int] = frozenset()

    @property
    def where(self) -> str:
        return f"node '{self.name}' ({self.kind})"


class Log:
    """Problems, open questions and remarks of one import."""

    def __init__(self, meaning: Meaning) -> None:
        self.problems: list[Problem] = []
        self._meaning = meaning
        self._asked: dict[str, list[str]] = {}
        self._used: dict[str, dict[Any, list[str]]] = {}
        self._notes: list[Note] = []

    @property
    def preset(self) -> str | None:
        """The framework whose neurons the file is said to hold."""
        return self._meaning.preset

    def refuse(self, where: str, found: str, remedy: str, limit: str = "") -> None:
        self.problems.append(Problem(where, found, remedy, limit))

    def note(self, note: Note) -> None:
        self._notes.append(note)

    def value(self, site: Site, key: str) -> Any:
        """The convention `key` for a node, noted as used; None after asking for it."""
        value = getattr(site.conventions, key)
        if value is None:
            self._asked.setdefault(key, []).append(site.where)
        else:
            self._used.setdefault(key, {}).setdefault(value, []).append(site.name)
        return value

    def network(self, key: str, value: Any) -> Any:
        """The same for a convention of the whole network."""
        if value is None:
            self._asked.setdefault(key, []).append("network")
        else:
            self._used.setdefault(key, {}).setdefault(value, [])
        return value

    def questions(self) -> list[Problem]:
        """One for every convention that is needed and unknown."""
        return [
            Problem(_listed(self._asked[key]), found, remedy)
            for key, (found, remedy) in QUESTIONS.items()
            if key in self._asked
        ]

    def assumed(self) -> tuple[Convention, ...]:
        """Every convention that was used, with its source, in the order of use."""
        return tuple(
            Convention(key, _plain(value), tuple(nodes), source, source == GIVEN)
            for key, values in self._used.items()
            for value, nodes in values.items()
            for source in (self._source(key, value),)
        )

    def remarks(self) -> tuple[Note, ...]:
        """Every convention used, then the other remarks."""
        return tuple(dict.fromkeys([*self.assumed(), *self._notes]))

    def notes(self) -> tuple[Note, ...]:
        """What the import did beyond conventions: axes dropped, recurrent connections found, ..."""
        return tuple(dict.fromkeys(self._notes))

    def finish(self) -> tuple[Note, ...]:
        """The remarks. Raises ImportRefused with every problem and question."""
        raise_all(ImportRefused, [*self.problems, *self.questions()])
        return self.remarks()

    def _source(self, key: str, value: Any) -> str:
        if value == getattr(self._meaning.default, key):
            return self._meaning.sources.get(key, "given")
        return GIVEN


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(wheres: list[str]) -> str:
    wheres = list(dict.fromkeys(wheres))
    more = f" and {len(wheres) - 4} more" if len(wheres) > 4 else ""
    return ", ".join(wheres[:4]) + more
