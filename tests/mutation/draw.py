"""Mutants drawn at random from the integer core, the same for the same seed and sources."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
CORE = (
    "compiler/program", "compiler/passes", "backends/simulator", "compiler/ranges", "compiler/quantization",
    "compiler/placement", "compiler/energy",
)  # fmt: skip
EQUIVALENT = Path(__file__).parent / "equivalent.json"


def sources() -> list[str]:
    """Files of the core, relative to the root."""
    return [p.relative_to(ROOT).as_posix() for folder in CORE for p in sorted((ROOT / folder).glob("*.py"))]


def drawn(number: int, seed: int) -> list[Mutant]:
    """So many mutants, drawn without repetition from all of the core."""
    everything = [m for path in sources() for m in mutants(path, (ROOT / path).read_text(encoding="utf-8"))]
    return random.Random(seed).sample(everything, min(number, len(everything)))


def equivalents() -> dict[str, str]:
    """Name of a mutant that changes nothing a user can see -> why."""
    return dict(json.loads(EQUIVALENT.read_text(encoding="utf-8")))
