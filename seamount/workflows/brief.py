"""The energy of a run in short: by the costs of its chip, and beside the ANN."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seamount.backends.registry import costs_of, load_costs
from seamount.compiler.artifact import Artifact
from seamount.compiler.energy import text as text
from seamount.compiler.energy.ann import FORMATS
from seamount.compiler.energy.assessment import Assessment, assess, estimate_tree
from seamount.compiler.execution import EventCounts

COMPARED = "45nm-memory"
"""The set in which a spiking network and its ANN are compared unless others are named."""


@dataclass(frozen=True, eq=False)
class Brief:
    """The energy of a run in short: by the costs of its chip, if there are any, and beside the ANN."""

    chip: str
    own: Assessment | None
    compared: Assessment

    def lines(self) -> Iterator[str]:
        """Two lines of text."""
        if self.own is not None:
            dynamic = self.own.run.dynamic
            more = "; 'seamount energy --set loihi1' applies Loihi 1's constants" if dynamic.unknown else ""
            missing = f" ({first_of(dynamic.missing)}{more})" if dynamic.missing else ""
            by = f"{self.chip}, modelled by {self.own.run.costs.name}"
            yield f"energy per inference on {by}: {text.energy(dynamic)}{missing}"
        form = FORMATS[0]
        snn, ann = text.energy(self.compared.run.dynamic), text.energy(self.compared.twins[form].energy)
        beside = text.outcome(self.compared.comparisons[form])
        yield f"in {COMPARED}: SNN {snn}, {form} ANN {ann}: {beside}"

    def tree(self) -> dict[str, Any]:
        """The same for JSON; energies in pJ."""
        form = FORMATS[0]
        own = None if self.own is None else estimate_tree(self.own.run.dynamic)
        return {
            "chip": self.chip,
            "on_chip_pj": own,
            "on_chip_by": None if self.own is None else self.own.run.costs.name,
            "compared_in": COMPARED,
            "snn_pj": estimate_tree(self.compared.run.dynamic),
            f"ann_{form}_pj": estimate_tree(self.compared.twins[form].energy),
            "verdict": self.compared.comparisons[form].verdict,
        }


def brief(artifact: Artifact, counts: EventCounts) -> Brief:
    """The energy of a run in short, without a placement."""
    chip = chip_of(artifact)
    costs = costs_of(chip)
    own = None if costs is None else assess(artifact, counts, costs, chip)
    return Brief(chip, own, assess(artifact, counts, load_costs(COMPARED), chip))


def chip_of(artifact: Artifact) -> str:
    """Name of the chip that an artifact was compiled for."""
    return artifact.manifest.target.chip


def first_of(missing: tuple[str, ...]) -> str:
    """The first thing that is missing, and how many more are."""
    return f"{missing[0]}{f', and {len(missing) - 1} more' if len(missing) > 1 else ''}"
