"""Which framework may have written a NIR graph: a hint for messages, never a decision, for no file says it."""

from __future__ import annotations

import nir
import numpy as np

from seamount.frontends.nir.flatten import flatten

_TIMED = {"LIF": "tau", "LI": "tau", "CubaLIF": "tau_mem", "CubaLI": "tau_mem"}


def likely_author(graph: nir.NIRGraph) -> tuple[str, str] | None:
    """(preset, what speaks for it), or None.

    Seen in exports of norse 1.1.0, snntorch 1.0.0, spikingjelly 2.0.0 and sinabs 3.1.3: gains of tau / 1e-4 s are
    snntorch's; names "_0", "_1" and 1 / 1e-4 s as the gain of an IF spikingjelly's; an IF of gain 1 beside a sum pool
    sinabs'; a LIF of gain 1 with a time constant below 1 s norse's. Raises ImportRefused as `flatten`.
    """
    nodes = flatten(graph).nodes
    timed = [(np.asarray(getattr(n, _TIMED[k])), np.asarray(n.r)) for n in nodes.values() if (k := _kind(n)) in _TIMED]
    plain = [np.asarray(n.r) for n in nodes.values() if _kind(n) == "IF"]
    if timed and all(np.allclose(r * 1e-4, tau, rtol=1e-3) for tau, r in timed):
        return "snntorch", "every gain is tau / 0.0001"
    if any(np.allclose(r, 1e4) for r in plain) or any(name.lstrip("_").isdigit() and name[0] == "_" for name in nodes):
        return "spikingjelly", "its gains and names are those of a SpikingJelly export"
    if any(np.all(r == 1) for r in plain) and any(_kind(n) == "SumPool2d" for n in nodes.values()):
        return "sinabs", "integrators of gain 1 stand beside sum pools"
    if timed and all(np.all(r == 1) and np.all(tau < 1) for tau, r in timed):
        return "norse", "every gain is 1, with time constants in seconds"
    return None


def _kind(node: nir.NIRNode) -> str:
    return type(node).__name__
