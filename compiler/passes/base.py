"""What a pass is, and the pipeline that checks every pass's contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import ClassVar

from seamount.compiler.errors import ContractError, InputError, Problem
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.properties import WELL_FORMED, Property


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
        """The pass with the options that are plain values, such as quantize{weight_bits=8}."""
        options: list[str] = [f.name for f in fields(self) if f.repr] if is_dataclass(self) else []
        values = {name: getattr(self, name) for name in options}
        shown = [f"{k}={v}" for k, v in values.items() if isinstance(v, (bool, int, float, str))]
        return self.name + (f"{{{', '.join(shown)}}}" if shown else "")


Watcher = Callable[[Pass, Graph], None]
"""Called after each pass with its result."""


@dataclass(frozen=True)
class Pipeline:
    """Passes in order. Construction fails when a required property is not ensured by an earlier pass."""

    passes: tuple[Pass, ...]

    def __post_init__(self) -> None:
        for p, before in self._with_properties():
            missing = p.requires - before
            if missing:
                names = ", ".join(sorted(map(str, missing)))
                raise ContractError(Problem(f"pass {p.name}", f"needs {names}", "put a pass that ensures it earlier"))

    def _with_properties(self) -> Iterator[tuple[Pass, frozenset[Property]]]:
        holding: frozenset[Property] = frozenset({WELL_FORMED})
        for p in self.passes:
            yield p, holding
            holding = (holding - p.breaks) | p.ensures

    def until(self, name: str) -> Pipeline:
        """The pipeline up to and including the named pass. Raises InputError when it has no such pass."""
        names = [p.name for p in self.passes]
        if name not in names:
            raise InputError(Problem(f"pass '{name}'", "is not in the pipeline", f"one of {', '.join(names)}"))
        return Pipeline(self.passes[: names.index(name) + 1])

    def __call__(self, graph: Graph, watch: Watcher | None = None) -> Graph:
        """Run all passes. Raises ContractError, naming the pass, when a property that should hold does not."""
        _verify("the input graph", graph, frozenset({WELL_FORMED}))
        for p, before in self._with_properties():
            graph = p(graph)
            _verify(f"pass {p.name}", graph, (before - p.breaks) | p.ensures)
            if watch is not None:
                watch(p, graph)
        return graph


def _verify(where: str, graph: Graph, properties: frozenset[Property]) -> None:
    faults = [f"{p}: {fault}" for p in sorted(properties, key=str) for fault in p.violations(graph)]
    if faults:
        raise ContractError(
            Problem(where, "; ".join(faults), "this is a fault in Seamount: please report it with the model")
        )
