"""What tracing a torch module yields: a flat graph of layer calls, one entry per layer, whatever the time loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from seamount.compiler.ir.ops import Rule, Shape

Time = Literal["step", "loop", "batch_first", "merged", "inside"]
"""How the module is driven.

step         model(x_t, state) -> (y_t, state), called once per step
loop         model(x) with x (T, N, *shape): the module loops over time itself
batch_first  the same with x (N, T, *shape)
merged       the same with x (N * T, *shape), the steps of a sample in a row (sinabs' Squeeze layers)
inside       model(x) with x (N, *shape), shown again at each step of a loop inside the module
"""

Lead = Literal["N", "TN", "NT", "M", "W", "1N"]
"""Leading axes of a tensor: batch; time and batch in either order; merged to one axis, time (M) or batch (W) first;
an axis of length 1, to be repeated over time, and batch."""

Kind = Literal["input", "layer", "neuron", "membrane", "add", "scale", "reshape", "embed", "and", "not"]

ZERO = -1
"""Node number of a tensor of zeros that stands for the spikes before the first step."""

REFUSED = -2
"""Node number of a value that was refused already; nothing more is said about what follows from it."""

STALE = -3
"""Node number of a tensor that was overwritten through another tensor with the same memory."""


STALE_USE = (
    "a tensor is used that was overwritten in place through another one (a view of it)",
    "write y = y + z instead of y += z, or copy the tensor first with clone()",
)
"""What is found and the remedy, for a stale tensor."""


@dataclass(frozen=True, order=True)
class Ref:
    """The output of node `node` at this step, or `lag` steps ago."""

    node: int
    lag: int = 0


@dataclass(eq=False)
class TracedNode:
    """A layer call. Shapes have neither batch nor time axis.

    refs are the inputs; their sum arrives, except at "layer" and "neuron", which have one. A "membrane" has those of
    its neurons, and the neurons' spikes of the step before where it needs them. `factor` belongs to "scale". `module`
    belongs to "layer", "neuron" and "membrane". An "embed" puts its input at channel `offset` of a tensor of zeros;
    a concatenation is the sum of one for each part. An "and" sends 1 where the sum of its inputs exceeds `factor`; a
    "not" is 1 minus spikes, and is part of no network: it is taken up by the "and" behind it.
    """

    kind: Kind
    name: str
    refs: tuple[Ref, ...]
    in_shape: Shape
    shape: Shape
    module: Any = None
    factor: float = 1.0
    offset: int = 0
    lead: Lead = "N"
    """Leading axes the layer saw."""
    fires: bool = False
    """Whether a "neuron" sends spikes of 0 and 1, not its membrane."""
    functional: bool = False
    """Whether the module was made for a call of a function, so that the network never calls it."""


@dataclass(frozen=True)
class Returned:
    """One output of the module. rule: set when the module itself combines it over time. lead: its leading axes."""

    ref: Ref
    rule: Rule | None = None
    lead: Lead = "N"


@dataclass(eq=False)
class Traced:
    """A flat graph, its outputs by name, and how the module was driven."""

    nodes: list[TracedNode]
    outputs: Mapping[str, Returned]
    time: Time
    unused: tuple[str, ...] = field(default=())
    """Layers that were called but do not reach the output; they are left out."""

    def reachable(self) -> list[int]:
        """Numbers of the nodes the outputs depend on, ascending."""
        seen: set[int] = set()
        waiting = [out.ref.node for out in self.outputs.values()]
        while waiting:
            n = waiting.pop()
            if n not in seen and n >= 0:
                seen.add(n)
                waiting += [r.node for r in self.nodes[n].refs]
        return sorted(seen)

    def neurons(self) -> list[TracedNode]:
        """Neuron layers the outputs depend on."""
        return [self.nodes[n] for n in self.reachable() if self.nodes[n].kind == "neuron"]


ANY = -1
"""Step of a value that is the same at every step."""


ALL = -2
"""Step of a tensor that holds all steps."""
