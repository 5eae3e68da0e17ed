"""What blame finds, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seamount.results.blocks import Block, Shown, table
from seamount.workflows.blame.cause import Cause, Kind
from seamount.workflows.blame.evidence import Evidence
from seamount.workflows.blame.paired import Difference


@dataclass(frozen=True)
class Share:
    """What one cause costs alone, with all else in float, and what mending it alone gains, with all else in integers.

    Both in points (of real values: in the root of the mean squared error).
    """

    cause: Cause
    cost: Difference
    gain: Difference
    evidence: tuple[Evidence, ...] = ()

    @property
    def weight(self) -> float:
        """What causes are ordered by: the mean of both."""
        return (self.cost.mean + self.gain.mean) / 2

    @property
    def interacts(self) -> bool:
        """Whether cost and gain disagree by more than their intervals: the loss depends on other causes."""
        return abs(self.cost.mean - self.gain.mean) > self.cost.half_width + self.gain.half_width

    def as_json(self) -> dict[str, Any]:
        """As files hold it."""
        return {
            "layer": self.cause.layer,
            "kind": self.cause.kind.name.lower(),
            "cost": self.cost.as_json(),
            "gain": self.gain.as_json(),
            "interacts": self.interacts,
            "evidence": [{"finding": e.finding.name.lower(), "value": e.value} for e in self.evidence],
        }


@dataclass(frozen=True)
class Remedy:
    """Another compilation that was tried on the same samples. memory: bits of weights more than now; synops: per sample
    more than now."""

    calibrated: bool
    bits: Mapping[str, int]
    balanced: bool
    gain: Difference
    memory: int
    synops: float

    def __str__(self) -> str:
        done = [f"--bits {layer}={n}" for layer, n in self.bits.items()]
        done += ["--calibrate"] if self.calibrated else []
        done += ["balanced delays"] if self.balanced else []
        return " ".join(done)


@dataclass(frozen=True, eq=False, repr=False)
class Blame(Shown):
    """Where the accuracy between float and integers goes.

    loss: of all. stages: kind -> what it adds when all layers take it, one kind after the other; they sum to the loss.
    shares: every layer and kind, the worst first. remedies: what was tried, the best first. differing: answers of the
    float interpreter that wide integers did not give, of `compared`. sure: whether all intervals are as tight as was
    asked. stopped: whether an interrupt ended it early. labelled: False where float's own answers were the labels.
    """

    model: str
    unit: str
    labelled: bool
    float_score: float
    integer_score: float
    loss: Difference
    stages: Mapping[Kind, Difference]
    shares: tuple[Share, ...]
    remedies: tuple[Remedy, ...]
    differing: int
    compared: int
    folded_differing: int
    sure: bool
    stopped: bool

    @property
    def first(self) -> Share | None:
        """The cause that weighs most; None where nothing is lost for certain."""
        worst = self.shares[0] if self.shares else None
        return worst if worst is not None and (worst.cost.certain or worst.gain.certain) else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "unit": self.unit,
            "labelled": self.labelled,
            "float": self.float_score,
            "integers": self.integer_score,
            "loss": self.loss.as_json(),
            "stages": {k.name.lower(): d.as_json() for k, d in self.stages.items()},
            "shares": [s.as_json() for s in self.shares],
            "remedies": [
                {**vars(r), "bits": dict(r.bits), "gain": r.gain.as_json()} for r in self.remedies
            ],
            "wide_differing": self.differing,
            "folded_differing": self.folded_differing,
            "compared": self.compared,
            "sure": self.sure,
            "stopped": self.stopped,
        }  # fmt: skip

    def blocks(self) -> Iterator[Block]:
        against = "labels" if self.labelled else "float's own answers, as there are no labels"
        yield (
            f"{self.model}: float {self.float_score:.4g}, integers {self.integer_score:.4g} {self.unit} "
            f"against {against}; lost {_words(self.loss)} on {self.loss.samples} samples"
        )
        rows: list[tuple[object, ...]] = [(k.value, _words(d)) for k, d in self.stages.items()]
        rows.append(("backend (integers of the chip against the last stage)", "0, equal by construction"))
        yield table("lost by stage, all layers at once", ("stage", self.unit), rows)
        shown = [
            (
                s.cause.layer, s.cause.kind.value, _words(s.cost), _words(s.gain),
                "interaction" if s.interacts else "", "; ".join(map(str, s.evidence)),
            )
            for s in self.shares
        ]  # fmt: skip
        columns = ("layer", "kind", "costs alone", "mending gains", "", "why")
        yield table(f"blame, in {self.unit}", columns, shown, left=2)
        if self.first is None:
            yield "no cause is certain: nothing is lost that these samples could show"
        if self.remedies:
            tried = [(str(r), _words(r.gain), f"{r.memory:+,}", f"{r.synops:+,.0f}") for r in self.remedies]
            yield table("remedies tried", ("remedy", "gains", "bits of weights", "SynOps per sample"), tried)
        yield (
            f"wide integers in place of float: {self.differing} of {self.compared} answers differ from the "
            f"interpreter's; folding changed {self.folded_differing}"
        )
        if self.stopped:
            yield "interrupted: the numbers are those of the samples that were run"
        elif not self.sure:
            yield "the samples ran out before all intervals were as tight as asked: give more"


def _words(d: Difference) -> str:
    return f"{d.mean:+.2f} ± {d.half_width:.2f}" if max(abs(d.mean), d.half_width) >= 0.01 else f"{d.mean:+.2g}"
