"""What tracing a torch module yields: a flat graph of layer calls, one entry per layer, whatever the time loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from seamount.compiler.ir.ops import Rule, Shape

Time = Literal["step", "loop", "batch_first", "inside"]
"""How the module is driven.

step         model(x_t, state) -> (y_t, state), called once per step
loop         model(x) with x (T, N, *shape): the module loops over time itself
batch_first  the same with x (N, T, *shape)
inside       model(x) with x (N, *shape), shown again at each step of a loop inside the module
"""

Lead = Literal["N", "TN", "NT", "M", "W", "1N"]
"""Leading axes of a tensor: batch; time and batch in either order; merged to one axis, time (M) or batch (W) first;
an axis of length 1, to be repeated over time, and batch."""

Kind = Literal["input", "layer", "neuron", "membrane", "add", "scale", "reshape"]

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
    belongs to "layer", "neuron" and "membrane".
    """

    kind: Kind
    name: str
    refs: tuple[Ref, ...]
    in_shape: Shape
    shape: Shape
    module: Any = None
    factor: float = 1.0
    lead: Lead = "N"
    """Leading axes the layer saw."""


@dataclass(eq=False)
class Traced:
    """A flat graph; `nodes[0]` is the input. `rule` is set when the module itself combines its output over time."""

    nodes: list[TracedNode]
    output: Ref
    time: Time
    rule: Rule | None = None
    lead: Lead = "N"
    """Leading axes of what the module returns."""
    unused: tuple[str, ...] = field(default=())
    """Layers that were called but do not reach the output; they are left out."""

    def reachable(self) -> list[int]:
        """Numbers of the nodes the output depends on, ascending."""
        seen: set[int] = set()
        waiting = [self.output.node]
        while waiting:
            n = waiting.pop()
            if n not in seen and n >= 0:
                seen.add(n)
                waiting += [r.node for r in self.nodes[n].refs]
        return sorted(seen)

    def neurons(self) -> list[TracedNode]:
        """Neuron layers the output depends on."""
        return [self.nodes[n] for n in self.reachable() if self.nodes[n].kind == "neuron"]
