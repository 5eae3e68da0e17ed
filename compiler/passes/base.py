"""What a pass is, and the pipeline that checks every pass's contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from seamount.compiler.errors import ContractError, InputError, Problem, raise_all
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.properties import WELL_FORMED, Property
from seamount.compiler.passes.option_text import options_text


class Pass(ABC):
    """A pure function from graph to graph, with a name, options (its fields) and a contract.

    requires: properties that must hold before. ensures: properties that hold after. breaks: properties that a
    graph may have had and the result may lack.
    """

    name: ClassVar[str]
    requires: ClassVar[frozenset[Property]] = frozenset()
    ensures: ClassVar[frozenset[Property]] = frozenset()
    breaks: ClassVar[frozenset[Property]] = frozenset()

    @abstractmethod
    def __call__(self, graph: Graph) -> Graph:
        """The rewritten graph; the input is untouched."""

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]

    def __str__(self) -> str:
        """The pass with its options, such as quantize{weight-bits=8}; passes/parse.py reads it."""
        return self.name + options_text(self)


Watcher = Callable[[Pass, Graph], None]
"""Called after each pass with its result."""


@dataclass(frozen=True)
class Pipeline:
    """Passes in order. Construction fails when a required property is not ensured by an earlier pass.

    given: properties that every graph handed to it has.
    """

    passes: tuple[Pass, ...]
    given: frozenset[Property] = frozenset({WELL_FORMED})

    def __post_init__(self) -> None:
        raise_all(ContractError, misplaced(self.passes, self.given)[:1])

    def __str__(self) -> str:
        """The text form, which passes/parse.py reads."""
        return ",".join(map(str, self.passes))

    def first_that_ensures(self, wanted: Property) -> int:
        """Position of the first pass that ensures the property; the number of passes where none does."""
        return next((i for i, p in enumerate(self.passes) if wanted in p.ensures), len(self.passes))

    def cut(self, position: int) -> tuple[Pipeline, Pipeline]:
        """The passes before the position, and those from it on, for the graphs that the first ones make."""
        *_, holding = _holding(self.passes[:position], self.given)
        return Pipeline(self.passes[:position], self.given), Pipeline(self.passes[position:], holding)

    def until(self, name: str) -> Pipeline:
        """The pipeline up to and including the named pass. Raises InputError when it has no such pass."""
        names = [p.name for p in self.passes]
        if name not in names:
            raise InputError(Problem(f"pass '{name}'", "is not in the pipeline", f"one of {', '.join(names)}"))
        return Pipeline(self.passes[: names.index(name) + 1])

    def __call__(self, graph: Graph, watch: Watcher | None = None) -> Graph:
        """Run all passes. Raises ContractError, naming the pass, when a property that should hold does not."""
        _verify("the input graph", graph, self.given)
        for p, before in zip(self.passes, _holding(self.passes, self.given), strict=False):
            graph = p(graph)
            _verify(f"pass {p.name}", graph, (before - p.breaks) | p.ensures)
            if watch is not None:
                watch(p, graph)
        return graph


def misplaced(passes: Sequence[Pass], given: frozenset[Property] = frozenset({WELL_FORMED})) -> list[Problem]:
    """Every pass that requires what no earlier one ensures."""
    problems = []
    for p, before in zip(passes, _holding(passes, given), strict=False):
        if missing := ", ".join(sorted(map(str, p.requires - before))):
            problems.append(Problem(f"pass {p.name}", f"needs {missing}", "put a pass that ensures it earlier"))
    return problems


def _holding(passes: Sequence[Pass], given: frozenset[Property]) -> Iterator[frozenset[Property]]:
    """The properties that hold before each pass, and those that hold after the last."""
    yield given
    for p in passes:
        given = (given - p.breaks) | p.ensures
        yield given


def _verify(where: str, graph: Graph, properties: frozenset[Property]) -> None:
    faults = [f"{p}: {fault}" for p in sorted(properties, key=str) for fault in p.violations(graph)]
    if faults:
        raise ContractError(
            Problem(where, "; ".join(faults), "this is a fault in Seamount: please report it with the model")
        )
