"""What a traced run has recorded: nodes, what each tensor holds, and what was refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch.utils._pytree import tree_flatten, tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from seamount.compiler.errors import Problem
from seamount.compiler.ir.ops import Rule
from seamount.frontends.traced import ALL, ANY, REFUSED, STALE, Kind, Lead, Ref, TracedNode
from seamount.frontends.tracing.user_line import user_line


@dataclass(frozen=True)
class Value:
    """What a tensor holds: the output of a node at a step.

    partial > 0: the sum of steps 0..partial-1. rule: combined over all steps.
    """

    node: int
    step: int
    lead: Lead = "N"
    partial: int = 0
    rule: Rule | None = None


@dataclass(frozen=True)
class Mark:
    """A tensor of a neuron's state: which layer, after which call, at which place among the layer's outputs (counted
    from the last), and torch's count of writes to it."""

    module: int
    call: int
    place: int
    version: int


class Recording:
    """Nodes and values of a run. steps, samples: T and N of the sample."""

    def __init__(self, steps: int, samples: int) -> None:
        super().__init__()
        self.steps, self.samples = steps, samples
        self.nodes: list[TracedNode] = []
        self.problems: list[Problem] = []
        self.zeros: set[int] = set()
        """Identities of the arguments of the present function that were zeros before it ran."""
        self.now = 0
        self._values: Any = WeakIdKeyDictionary()
        self._marks: Any = WeakIdKeyDictionary()
        self._constants: Any = WeakIdKeyDictionary()
        self._filled: Any = WeakIdKeyDictionary()
        self._index: dict[Any, int] = {}
        self._made: dict[str, list[tuple[Any, torch.nn.Module]]] = {}

    # Values

    def value(self, x: object) -> Value | None:
        """What is known of a tensor."""
        return self._values.get(x) if isinstance(x, torch.Tensor) else None

    def set(self, x: object, value: Value) -> None:
        """Note what a tensor holds."""
        if isinstance(x, torch.Tensor):
            self._values[x] = value
            self._constants.pop(x, None)

    def is_constant(self, x: object) -> bool:
        """Whether a tensor or number was made without any activation: a parameter, torch.zeros, ..."""
        return x in self._constants if isinstance(x, torch.Tensor) else isinstance(x, (int, float))

    def set_constant(self, result: object) -> None:
        """Note that tensors were made from constants alone."""
        for x in tree_leaves(result):
            if isinstance(x, torch.Tensor):
                self._constants[x] = True

    def filling(self, x: object) -> list[tuple[int, int]] | None:
        """What was written into a constant tensor so far, (node, axis) per step; None for other tensors."""
        if x in self._filled:
            return cast(list[tuple[int, int]], self._filled[x])
        if not self.is_constant(x) or self.value(x) is not None:
            return None
        del self._constants[x]
        return cast(list[tuple[int, int]], self._filled.setdefault(x, []))

    def overwritten(self, x: torch.Tensor) -> None:
        """x is written to in place: every other tensor in the same memory changes with it."""
        memory = x.untyped_storage().data_ptr()
        for other, value in list(self._values.items()):
            if other is not x and value.node >= 0 and other.untyped_storage().data_ptr() == memory:
                self._values[other] = Value(STALE, ANY)

    def feed(self, name: str, x: torch.Tensor, step: int, lead: Lead) -> None:
        """Note that `x` is the input `name` at `step`."""
        shape = tuple(x.shape[len(lead) :])
        number = self.node("input", name, (), shape, shape)
        self.set(x, Value(number, step, lead))
        self.now = max(0, step)

    def refuse(self, found: str, remedy: str, where: str = "", result: object = None) -> None:
        """Add a problem (once), and mark what depends on it."""
        problem = Problem(where or user_line(), found, remedy)
        if problem not in self.problems:
            self.problems.append(problem)
        self.refuse_quietly(result)

    def loop_problem(self, count: int) -> Problem:
        """The module's own loop has another length than the sample."""
        found = f"the loop runs {count} steps, steps={self.steps} was given"
        return Problem("model", found, f"give {count} steps, or let the loop run over the steps of its input")

    def refuse_quietly(self, result: object) -> None:
        """Mark tensors as depending on something refused."""
        for x in tree_leaves(result):
            self.set(x, Value(REFUSED, ANY))

    def features(self, x: torch.Tensor, lead: Lead) -> tuple[int, ...]:
        """Shape without the leading axes."""
        return tuple(x.shape[len(lead) :])

    # Nodes

    def node(
        self,
        kind: Kind,
        name: str,
        refs: tuple[Ref, ...],
        in_shape: tuple[int, ...],
        shape: tuple[int, ...],
        module: Any = None,
        factor: float = 1.0,
        offset: int = 0,
        lead: Lead = "N",
        functional: bool = False,
    ) -> int:
        """The number of the node with these inputs; the same call at another step gives the same number."""
        which = name if kind == "input" else id(module) if module is not None else 0
        key = (kind, which, refs, shape, factor, offset)
        if key not in self._index:
            self._index[key] = len(self.nodes)
            self.nodes.append(
                TracedNode(kind, name, refs, in_shape, shape, module, factor, offset, lead, kind == "and", functional)
            )
        return self._index[key]

    def is_input(self, value: Value) -> bool:
        """Whether the value is an input as it was given."""
        return value.node >= 0 and self.nodes[value.node].kind == "input"

    def align(self, values: list[Value]) -> tuple[tuple[Ref, ...], int] | None:
        """References to values as seen from the latest of their steps, and that step; None (refused) if too old."""
        known = [v.step for v in values if v.step != ANY]
        if not known:
            return tuple(Ref(v.node) for v in values), ANY
        if ALL in known:
            if any(s != ALL for s in known):
                self.refuse("a tensor of one step meets a tensor of all steps", "combine them within the time loop")
                return None
            return tuple(Ref(v.node) for v in values), ALL
        now = max(known)
        self.now = now
        lags = [0 if v.step == ANY else now - v.step for v in values]
        if max(lags) > 1:
            self.refuse(
                f"a value that is {max(lags)} steps old is used", "use values of this step or of the one before it"
            )
            return None
        return tuple(Ref(v.node, lag) for v, lag in zip(values, lags, strict=True)), now

    def made(self, name: str, options: Any, make: Callable[[], torch.nn.Module]) -> torch.nn.Module:
        """The layer of a function's call; the same for the same options, whose tensors are compared by content."""
        known = self._made.setdefault(name, [])
        for before, module in known:
            if _same(before, options):
                return module
        known.append((options, make()))
        return known[-1][1]

    def ref(self, value: Value) -> Ref:
        """A reference as seen from the present step: a layer may be given what the step before put out."""
        if value.step < 0 or value.step != self.now - 1:
            self.now = max(value.step, 0)
            return Ref(value.node)
        return Ref(value.node, 1)

    def layer(
        self,
        module: torch.nn.Module,
        name: str,
        x: torch.Tensor,
        value: Value,
        output: torch.Tensor,
        lead: Lead,
        functional: bool = False,
    ) -> None:
        """Note that `output` is what a stateless layer makes of x, which holds `value`. lead: the axes that it sees."""
        shapes, ref = (self.features(x, value.lead), self.features(output, value.lead)), self.ref(value)
        number = self.node("layer", name, (ref,), *shapes, module, lead=lead, functional=functional)
        step = value.step + ref.lag if value.step >= 0 else value.step
        self.set(output, replace(value, node=number, step=step))

    # States

    def copy_mark(self, x: torch.Tensor, copy: torch.Tensor) -> None:
        """Note that `copy` holds the same state as x."""
        self._marks[copy] = replace(self._marks[x], version=copy._version)

    def marked(self, x: object) -> bool:
        """Whether x is a tensor of a neuron's state."""
        return isinstance(x, torch.Tensor) and x in self._marks


def _same(a: Any, b: Any) -> bool:
    (left, left_spec), (right, right_spec) = tree_flatten(a), tree_flatten(b)
    return left_spec == right_spec and all(map(_equal, left, right))


def _equal(x: Any, y: Any) -> bool:
    if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
        return x is y or (x.shape == y.shape and x.dtype == y.dtype and torch.equal(x, y))
    return type(x) is type(y) and bool(x == y)
