"""What a .nir file does not say: the discrete meaning of its neurons, and how the network is driven and read.

Every value may be unknown (None) and has a source: the model file, a preset, a flag. `from_nir` asks for exactly
those it needs; nothing is guessed. Facts: the conventions table of docs/model-file.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from seamount.compiler.errors import InputError, Problem


class Conventions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Discrete conventions; None means unknown.

    dt          step in the unit of the file's time constants (seconds; sinabs: 1)
    integrate   "euler": beta = 1 - dt/tau ; "exact": beta = exp(-dt/tau); gains are 1 - beta for both
    reset       "zero": v = v_reset ; "subtract": v = v - threshold ; "none": a spike leaves v as it is
    timing      "immediate": in the step of the spike ; "next": inside the next update (snntorch's reset_delay) ;
                "guarded": immediate, and a membrane that is above the threshold after it fires from twice the threshold
                on in the next step (snntorch's subtraction with reset_delay=False)
    compare     "gt": v > threshold fires ; "ge": v >= threshold
    spikes      "single" or "multi" (as many spikes per step as the threshold fits into the membrane)
    max_spikes  most spikes per step of "multi"
    start       initial membrane: "zero", "leak" (v_leak; v_reset where there is no leak) or "reset" (v_reset)
    v_min       lower clamp of the membrane of firing neurons; -inf for none
    coding      input messages: "spikes" (0 or 1) or "graded" (real values in [low, high])
    low, high   range of graded input
    encoding    "constant": a sample (*shape) is shown unchanged at each step ; "sequence": (T, *shape)
    steps       steps per sample
    readout     rule over steps at the output: "sum", "mean", "max" or "last", or "each" for an answer per step
    """

    dt: float | None = None
    integrate: Literal["euler", "exact"] | None = None
    reset: Literal["zero", "subtract", "none"] | None = None
    timing: Literal["immediate", "next", "guarded"] | None = None
    compare: Literal["gt", "ge"] | None = None
    spikes: Literal["single", "multi"] | None = None
    max_spikes: int | None = None
    start: Literal["zero", "leak", "reset"] | None = None
    v_min: float | None = None
    coding: Literal["spikes", "graded"] | None = None
    low: float | None = None
    high: float | None = None
    encoding: Literal["constant", "sequence"] | None = None
    steps: int | None = None
    readout: Literal["sum", "mean", "max", "last", "each"] | None = None

    def known(self) -> dict[str, Any]:
        """The fields that are set."""
        return {k: v for k, v in msgspec.structs.asdict(self).items() if v is not None}

    def over(self, other: Conventions) -> Conventions:
        """These values where set, else those of `other`."""
        return msgspec.structs.replace(other, **self.known())


class Meaning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conventions of a whole file: defaults, exceptions per NIR node, and where each default came from.

    preset: the framework whose neurons the file is said to hold; its gains must then be those of that framework.
    """

    default: Conventions = Conventions()
    nodes: Mapping[str, Conventions] = {}
    sources: Mapping[str, str] = {}
    preset: str | None = None

    def of(self, node: str) -> Conventions:
        """The conventions of one NIR node."""
        special = self.nodes.get(node)
        return special.over(self.default) if special is not None else self.default

    def assuming(self, more: Conventions, source: str) -> Meaning:
        """The same with `more` taking precedence everywhere, and its source noted."""
        nodes = {k: more.over(v) for k, v in self.nodes.items()}
        sources = {**self.sources, **dict.fromkeys(more.known(), source)}
        return Meaning(default=more.over(self.default), nodes=nodes, sources=sources, preset=self.preset)


_COMMON = Conventions(reset="zero", timing="immediate", spikes="single", v_min=float("-inf"))
PRESETS: dict[str, Conventions] = {
    "norse": Conventions(dt=1e-3, integrate="euler", compare="gt", start="leak").over(_COMMON),
    "snntorch": Conventions(
        dt=1e-4, integrate="euler", compare="gt", start="zero", reset="subtract", timing="next"
    ).over(_COMMON),
    "spikingjelly": Conventions(dt=1e-4, integrate="euler", compare="ge", start="reset").over(_COMMON),
    "sinabs": Conventions(dt=1.0, integrate="exact", compare="ge", start="zero", reset="subtract", spikes="multi").over(
        _COMMON
    ),
}
"""Defaults of the frameworks' own neurons: norse 1.1.0, snntorch 1.0.0, spikingjelly 2.0.0, sinabs 3.1.3."""


def parse_assumptions(words: Iterable[str]) -> Meaning:
    """`--assume` options to a Meaning: preset names and key=value pairs, later ones win.

    Raises InputError with every unknown key, unknown preset and bad value.
    """
    meaning, problems = Meaning(), []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            if key in PRESETS:
                meaning = msgspec.structs.replace(meaning.assuming(PRESETS[key], f"preset {key}"), preset=key)
            else:
                problems.append(_bad(word, "is not a preset", f"one of {', '.join(PRESETS)}, or key=value"))
            continue
        try:
            more = msgspec.convert({key: text}, Conventions, strict=False)
        except msgspec.ValidationError as error:
            keys = ", ".join(Conventions.__struct_fields__)
            problems.append(_bad(word, str(error).replace("Object contains ", ""), f"keys: {keys}"))
            continue
        meaning = meaning.assuming(more, f"--assume {word}")
    if problems:
        raise InputError(problems)
    return meaning


def _bad(word: str, found: str, remedy: str) -> Problem:
    return Problem(f"--assume {word}", found, remedy)
