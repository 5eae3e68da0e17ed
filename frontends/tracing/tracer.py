"""The tracer: records layer calls and tensor functions while a torch module runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from seamount.compiler.errors import ImportRefused, Problem
from seamount.frontends.frameworks.framework import Framework
from seamount.frontends.frameworks.layers import RECTIFYING, RESHAPING, VANISHING
from seamount.frontends.traced import ALL, ANY, REFUSED, STALE, STALE_USE, ZERO, Lead, Ref, Time, TracedNode
from seamount.frontends.tracing import functions as trace_ops
from seamount.frontends.tracing import logic
from seamount.frontends.tracing.driving import WrongTime
from seamount.frontends.tracing.recording import Mark, Recording, Value
from seamount.frontends.tracing.wiring import same_but_for_the_past, unlike

_DRIVING: dict[Lead, Time] = {"N": "step", "TN": "loop", "NT": "batch_first", "W": "merged"}
"""How a module is driven so that its neuron layers see these leading axes."""


class Tracer(Recording, TorchFunctionMode):
    """Records layer calls and tensor functions while a module runs. steps, samples: T and N of the sample."""

    def __init__(self, framework: Framework, model: torch.nn.Module, steps: int, samples: int) -> None:
        super().__init__(steps, samples)
        self.framework = framework
        self.names = {id(m): n or type(m).__name__.lower() for n, m in model.named_modules()}
        self.depth = 0
        self.called: set[torch.nn.Module] = set()
        """Layers that ran."""
        self.objected = {m for _, m in framework.leaves(model) if framework.objections(m)}
        """Layers that are refused whatever they are given; nothing is said about what follows from them."""
        self.set_constant([*model.parameters(), *model.buffers()])
        self.dropped: set[str] = set()
        """Layers that leave what they were given as it is, and why."""
        self._strayed: set[int] = set()
        """Neuron layers whose state was refused; once is enough."""
        self._calls: dict[int, int] = {}
        self.membranes_beside: set[str] = set()
        """Membranes that the module returns beside its output, in its framework's convention; they are omitted."""

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
        elif isinstance(output, torch.Tensor) and type(module) in self.framework.scales:
            factor = self.framework.scales[type(module)](module, len(self.features(output, value.lead)))
            trace_ops.multiplied(self, x, value, factor, output)
        elif issubclass(self.framework.kind(module), RECTIFYING):
            kind = self.framework.kind(module).__name__
            if logic.note(self, kind.lower(), (x,), {}, output):
                self.dropped.add(f"{name} ({kind}: spikes are 0 and 1)")
            else:
                cause = "rectifies real values, which has no counterpart on the chip"
                self.refuse(cause, logic.RECTIFIER, f"layer '{name}' ({kind})", output)
        elif issubclass(self.framework.kind(module), RESHAPING):
            trace_ops.reshape(self, (x,), {}, output, name)
        elif isinstance(x, torch.Tensor) and isinstance(output, torch.Tensor):
            if issubclass(self.framework.kind(module), VANISHING):
                self.set(output, value)
            else:
                self.layer(module, name, x, value, output, value.lead)

    def check_numbers(self, module: torch.nn.Module, state: tuple[Any, ...]) -> None:
        """Raise ImportRefused for a number in place of a state, which the layer itself would fail on."""
        numbers = [s for s in tree_leaves(state) if type(s) in (int, float)]
        if numbers:
            found = f"its state is given as the number {numbers[0]:g}"
            remedy = (
                "start from what the layer makes itself (init_leaky() and the like), or from torch.zeros of its shape"
            )
            raise ImportRefused(Problem(f"neuron layer '{self.names[id(module)]}'", found, remedy))

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
        sent, rule = spikes[0] if isinstance(spikes, list) else spikes, self.framework.combined(module)
        single = isinstance(spikes, list) or rule is not None
        shapes = self.features(args[0], value.lead), self.features(sent, "N" if single else value.lead)
        number = self._neuron_node(module, name, Ref(value.node, 0), shapes)
        if isinstance(spikes, list):
            for step, one in enumerate(spikes):
                self.set(one, Value(number, step))
        elif rule is not None:
            self.set(spikes, Value(number, ANY, rule=rule))
        else:
            self.set(spikes, Value(number, ALL if loops else call, value.lead))
        if isinstance(output, tuple):
            self._on_states(module, call, number, output, value.lead)

    def beside(self, first: Any, rest: Any, handed_on: bool) -> None:
        """What the module returns beside its output: states and membranes of neurons, or outputs that would be lost.

        handed_on: the module takes it back at its next step, so that it is a state, whatever it holds.
        """
        while isinstance(first, (tuple, list)) and first:
            first = first[0]
        output = self.value(first)
        lost = 0
        for leaf in tree_leaves(_spread(rest)):
            value = self.value(leaf)
            if value is None or value.node < 0 or output is None or value.node == output.node:
                continue
            node = self.nodes[value.node]
            if node.kind == "membrane":
                self.membranes_beside.add(f"{node.name} (returned beside the output)")
            elif not handed_on and not self.marked(leaf):
                lost += 1
        if lost:
            self.refuse(
                f"the module returns {lost + 1} tensors, of which only the first would be kept",
                'name your outputs: return a dict of tensors, {"a": ..., "b": ...}', "output",
            )  # fmt: skip

    def _on_states(self, module: torch.nn.Module, call: int, neuron: int, output: tuple[Any, ...], lead: Lead) -> None:
        """What a neuron layer returns: its states are marked, its membrane is a value of its own if it can be read."""
        leaves = tree_leaves(output)
        for place, leaf in enumerate(leaves, -len(leaves)):
            if isinstance(leaf, torch.Tensor):
                self._marks[leaf] = Mark(id(module), call, place, leaf._version)
        if self.framework.membrane(module) is not None:
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
            lead, fires = self.framework.lead(module), self.framework.fires(module)
            self.nodes.append(TracedNode("neuron", name, (ref,), *shapes, module, lead=lead, fires=fires))
            return known
        before = self.nodes[known].refs[0]
        if before != ref:
            if not same_but_for_the_past(self.nodes, before, ref):
                found, remedy = unlike(self.nodes, before, ref)
                self.refuse(found, remedy, f"neuron layer '{name}'")
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


def _spread(x: Any) -> Any:
    """Dataclasses as dicts, at any depth: their tensors are leaves too."""
    if is_dataclass(x) and not isinstance(x, type):
        return [_spread(getattr(x, f.name)) for f in fields(x)]
    if isinstance(x, dict):
        return [_spread(v) for v in x.values()]
    return [_spread(v) for v in x] if isinstance(x, (tuple, list)) else x
