"""The tracer: records layer calls and tensor functions while a torch module runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from seamount.compiler.errors import Problem
from seamount.compiler.ir.ops import Rule
from seamount.frontends.frameworks.framework import Framework
from seamount.frontends.frameworks.layers import RESHAPING, VANISHING
from seamount.frontends.traced import ALL, ANY, REFUSED, STALE, STALE_USE, ZERO, Kind, Lead, Ref, Time, TracedNode
from seamount.frontends.tracing import functions as trace_ops
from seamount.frontends.tracing.driving import WrongTime
from seamount.frontends.tracing.user_line import user_line
from seamount.frontends.tracing.wiring import same_but_for_the_past

_DRIVING: dict[Lead, Time] = {"N": "step", "TN": "loop", "NT": "batch_first", "W": "merged"}
"""How a module is driven so that its neuron layers see these leading axes."""


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
class _Mark:
    """A tensor of a neuron's state: which layer, after which call, at which place among the layer's outputs (counted
    from the last), and torch's count of writes to it."""

    module: int
    call: int
    place: int
    version: int


class Tracer(TorchFunctionMode):
    """Records layer calls and tensor functions while a module runs. steps, samples: T and N of the sample."""

    def __init__(self, framework: Framework, model: torch.nn.Module, steps: int, samples: int) -> None:
        super().__init__()
        self.framework, self.steps, self.samples = framework, steps, samples
        self.names = {id(m): n or type(m).__name__.lower() for n, m in model.named_modules()}
        self.nodes: list[TracedNode] = []
        self.problems: list[Problem] = []
        self.depth = 0
        self.called: set[torch.nn.Module] = set()
        """Layers that ran."""
        self.objected = {m for _, m in framework.leaves(model) if framework.objections(m)}
        """Layers that are refused whatever they are given; nothing is said about what follows from them."""
        self.zeros: set[int] = set()
        """Identities of the arguments of the present function that were zeros before it ran."""
        self.now = 0
        self._values: Any = WeakIdKeyDictionary()
        self._marks: Any = WeakIdKeyDictionary()
        self._constants: Any = WeakIdKeyDictionary()
        self._filled: Any = WeakIdKeyDictionary()
        for tensor in (*model.parameters(), *model.buffers()):
            self._constants[tensor] = True
        self._index: dict[Any, int] = {}
        self._strayed: set[int] = set()
        """Neuron layers whose state was refused; once is enough."""
        self._calls: dict[int, int] = {}

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
    ) -> int:
        """The number of the node with these inputs; the same call at another step gives the same number."""
        which = name if kind == "input" else id(module) if module is not None else 0
        key = (kind, which, refs, shape, factor, offset)
        if key not in self._index:
            self._index[key] = len(self.nodes)
            self.nodes.append(TracedNode(kind, name, refs, in_shape, shape, module, factor, offset, lead))
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

    # Leaf layers

    def on_layer(self, module: torch.nn.Module, x: object, output: object) -> None:
        """A stateless layer was called."""
        name, value = self.names[id(module)], self.value(x)
        if module in self.objected:
            self.refuse_quietly(output)
            return
        if value is not None and value.node == STALE:
            self.refuse(*STALE_USE, f"layer '{name}'", output)
            return
        if value is None:
            if isinstance(x, torch.Tensor) and self.is_constant(x) and not x.any():
                value = Value(ZERO, ANY)
            else:
                return
        if value.node == REFUSED:
            self.set(output, value)
        elif value.rule or value.partial:
            self.refuse(
                "a layer follows the combination over time",
                "end the saved module at the spikes or membranes of each step and choose the readout rule in save()",
                f"layer '{name}'", output,
            )  # fmt: skip
        elif issubclass(self.framework.kind(module), RESHAPING):
            trace_ops.reshape(self, (x,), {}, output, name)
        elif isinstance(x, torch.Tensor) and isinstance(output, torch.Tensor):
            if not issubclass(self.framework.kind(module), VANISHING):
                shapes = self.features(x, value.lead), self.features(output, value.lead)
                ref = self._ref(value)
                number = self.node("layer", name, (ref,), *shapes, module, lead=value.lead)
                value = replace(value, node=number, step=value.step + ref.lag if value.step >= 0 else value.step)
            self.set(output, value)

    def _ref(self, value: Value) -> Ref:
        """A reference as seen from the present step: a layer may be given what the step before put out."""
        if value.step < 0 or value.step != self.now - 1:
            self.now = max(value.step, 0)
            return Ref(value.node)
        return Ref(value.node, 1)

    def on_neuron(self, module: torch.nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """A neuron layer was called with (x, state)."""
        name, where = self.names[id(module)], f"neuron layer '{self.names[id(module)]}'"
        spikes = output[0] if isinstance(output, tuple) else output
        value = self.value(args[0]) if args else None
        call = self._calls.get(id(module), 0)
        self._calls[id(module)] = call + 1
        if module in self.objected:
            self.refuse_quietly(output)
            return
        if value is not None and value.node == STALE:
            self.refuse(*STALE_USE, where, output)
            return
        if value is None or value.node == REFUSED or value.rule or value.partial:
            if value is None or value.node != REFUSED:
                self.refuse(
                    "its input does not come from the network's input step by step",
                    "feed it from the input of save(), one step at a time", where,
                )  # fmt: skip
            self.refuse_quietly(output)
            return
        lead = self.framework.lead(module)
        loops = lead != "N"
        if value.lead != lead:
            raise WrongTime(_DRIVING[lead], where)
        if value.step not in (ANY, ALL, call) or (loops and call):
            raise WrongTime("inside", where, self._reused(where))
        self._check_state(module, call, args[1:], where)
        refs = Ref(value.node, 0)
        shapes = self.features(args[0], value.lead), self.features(spikes, value.lead)
        number = self._neuron_node(module, name, refs, shapes)
        self.set(spikes, Value(number, ALL if loops else call, value.lead))
        if isinstance(output, tuple):
            self._on_states(module, call, number, output, value.lead)

    def _on_states(self, module: torch.nn.Module, call: int, neuron: int, output: tuple[Any, ...], lead: Lead) -> None:
        """What a neuron layer returns: its states are marked, its membrane is a value of its own if it can be read."""
        leaves = tree_leaves(output)
        for place, leaf in enumerate(leaves, -len(leaves)):
            if isinstance(leaf, torch.Tensor):
                self._marks[leaf] = _Mark(id(module), call, place, leaf._version)
        if type(module) in self.framework.membranes:
            shape = self.nodes[neuron].shape
            name = f"{self.nodes[neuron].name}.mem"
            number = self.node("membrane", name, (Ref(neuron),), shape, shape, module, lead=lead)
            self.set(leaves[-1], Value(number, call, lead))

    @staticmethod
    def _reused(where: str) -> Problem:
        return Problem(where, "it is called more than once within one step", "give each place its own neuron layer")

    def _neuron_node(
        self, module: torch.nn.Module, name: str, ref: Ref, shapes: tuple[tuple[int, ...], tuple[int, ...]]
    ) -> int:
        known = self._index.get(("neuron", id(module)))
        if known is None:
            self._index["neuron", id(module)] = known = len(self.nodes)
            self.nodes.append(TracedNode("neuron", name, (ref,), *shapes, module, lead=self.framework.lead(module)))
            return known
        before = self.nodes[known].refs[0]
        if before != ref:
            if not same_but_for_the_past(self.nodes, before, ref):
                self.refuse(
                    "its input is wired differently at different steps",
                    "wire every step alike; at the first step take zeros for what comes from the step before",
                    f"neuron layer '{name}'",
                )  # fmt: skip
            self.nodes[known].refs = (ref,)
        return known

    def _check_state(self, module: torch.nn.Module, call: int, state: tuple[Any, ...], where: str) -> None:
        places = enumerate(tree_leaves(state), -len(tree_leaves(state)))
        given = {place: s for place, s in places if isinstance(s, torch.Tensor)}
        leaves, keeps = list(given.values()), self.framework.keeps_state
        if call == 0:
            if not (keeps and all(self.is_constant(s) and not s.any() for s in leaves)) and leaves:
                self.refuse(
                    "it starts from a state given by the module",
                    "start from None; if the module keeps states in attributes, return them: (y, state)", where,
                )  # fmt: skip
            return
        marks = [self._marks.get(s) for s in leaves]
        expected = [(id(module), call - 1, place) for place in given]
        if id(module) in self._strayed or (not leaves and keeps):
            return
        told = len(self.problems)
        if not leaves:
            self.refuse(
                f"its state is not passed on at step {call}",
                "return the state and hand it to the next call", where,
            )  # fmt: skip
        elif [(m.module, m.call, m.place) if m is not None else None for m in marks] != expected:
            self.refuse(
                f"the state it gets at step {call} is not the one it returned at step {call - 1}",
                "hand each neuron layer its own, unchanged state", where,
            )  # fmt: skip
        elif any(s._version != m.version for s, m in zip(leaves, marks, strict=True) if m is not None):
            self.refuse("its state is written to between steps", "leave the state unchanged", where)
        if len(self.problems) > told:
            self._strayed.add(id(module))

    # The function mode

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the function, then note what its result holds."""
        kwargs = kwargs or {}
        if self.depth:
            return func(*args, **kwargs)
        return trace_ops.record(self, func, args, kwargs)

    def copy_mark(self, x: torch.Tensor, copy: torch.Tensor) -> None:
        """Note that `copy` holds the same state as x."""
        self._marks[copy] = replace(self._marks[x], version=copy._version)

    def marked(self, x: object) -> bool:
        """Whether x is a tensor of a neuron's state."""
        return isinstance(x, torch.Tensor) and x in self._marks
