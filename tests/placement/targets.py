"""Chips with limits of a test's choosing, made from the shipped descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType

from seamount.backends.registry import load_target
from seamount.compiler.target.system import System
from seamount.compiler.target.target import Quantity, Target, Value


@cache
def _shipped(name: str) -> Target:
    return load_target(name)


def chip(name: str = "loihi1", **limits: Value | None) -> Target:
    """The target with other numbers: `core_neurons=8` sets core.neurons; None makes a number unknown."""
    target = _shipped(name)
    changed = {path.replace("_", ".", 1): value for path, value in limits.items()}
    assert changed.keys() <= target.quantities.keys(), changed.keys() - target.quantities.keys()
    quantities = {
        path: replace(q, value=changed[path]) if path in changed else q for path, q in target.quantities.items()
    }
    return replace(target, quantities=MappingProxyType(quantities))


def system(columns: int, rows: int, cores: int, kind: str = "loihi1") -> System:
    """A grid of chips with so many cores each."""
    numbers: Mapping[str, int | None] = {
        "chips": columns * rows, "cores_per_chip": cores, "columns": columns, "rows": rows,
        "neurons": None, "synapses": None, "power": None,
    }  # fmt: skip
    quantities = {f"system.{k}": Quantity(v, "1", "test") for k, v in numbers.items()}
    return System("grid", "a grid of chips", kind, "2026-11-24", quantities, {"test": "made up"})


PERMISSIVE: Mapping[str, Value] = {
    "features_reset_subtract": True,
    "features_lower_clamp": True,
    "features_initial_v": True,
    "messages_graded_payload_bits": 32,
    "registers_decay_bits": 13,
    "registers_bias_exponent": (-8, 7),
    "synapse_weight_exponent": (-8, 7),
}
"""What every program of tests/program_strategies.py needs, beside numbers that cores limit."""
