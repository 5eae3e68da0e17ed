"""The table of passes, alphabetical, and those of plug-ins. Order and options are in compiler/pipelines.py."""

from __future__ import annotations

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.passes.balance_delays import BalanceDelays
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.fold_batchnorm import FoldBatchnorm
from seamount.compiler.passes.fold_linear import FoldLinear
from seamount.compiler.passes.fold_threshold import FoldThreshold
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.compiler.passes.normalise_neurons import NormaliseNeurons
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.plugins import find, names, plugins

PASSES: dict[str, type[Pass]] = {
    p.name: p
    for p in (BalanceDelays, FoldBatchnorm, FoldLinear, FoldThreshold, InferShapes, NormaliseNeurons, Quantize)
}


def pass_names() -> tuple[str, ...]:
    """The names `pass_class` knows."""
    return (*PASSES, *names("seamount.passes", PASSES))


def pass_class(name: str) -> type[Pass]:
    """The pass of that name, shipped or of a plug-in.

    Raises InputError for an unknown name, and for a plug-in that cannot be used.
    """
    plugin = find("seamount.passes", name, PASSES)
    if plugin is None:
        if name not in PASSES:
            raise InputError(Problem(f"pass '{name}'", "does not exist", f"one of {', '.join(pass_names())}"))
        return PASSES[name]
    kind = plugin.load()
    if not (isinstance(kind, type) and issubclass(kind, Pass)):
        raise plugin.refused("is not a subclass of Pass", "see docs/plugins.md")
    if getattr(kind, "name", None) != name:
        found = f"calls itself '{getattr(kind, 'name', '')}'"
        raise plugin.refused(found, "give the entry point and the class one name")
    return kind


def sound_passes() -> tuple[str, ...]:
    """Names of the passes that can be used; `pass_faults` says what is wrong with the others."""
    return tuple(name for name in pass_names() if not _faults(name))


def pass_faults() -> tuple[Problem, ...]:
    """What is wrong with passes of plug-ins, for listings; imports each of them."""
    known = dict.fromkeys(p.name for p in plugins("seamount.passes"))
    return tuple(problem for name in known for problem in _faults(name))


def _faults(name: str) -> tuple[Problem, ...]:
    try:
        pass_class(name)
    except InputError as error:
        return error.problems
    return ()
