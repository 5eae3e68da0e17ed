"""Accuracy of every form of a network, with intervals, and which classes are taken for which."""

from __future__ import annotations

from math import sqrt

import numpy as np

from seamount.compiler.codes import BY_VALUE, Task
from seamount.compiler.kept_run import KeptRung, Run
from seamount.compiler.measures import classes_of
from seamount.compiler.report.contents import Agreement, Confusion, Rung

Z95 = 1.959964
"""Two-sided 95 % quantile of the normal distribution."""
MANY_CLASSES = 40
"""Above this many classes no confusion matrix is made."""

FRAMEWORK, INTEGERS = "framework, as recorded", "integer program"
MEANINGS = {
    FRAMEWORK: "accuracy that the training framework gave on its own test data, stored in the model file",
    "golden trace": "the framework's own spikes on the samples in the model file, against the imported network",
    "imported graph": "the network as read from the file, computed in floating point",
    "after folding": "the same after normalization layers and thresholds were folded into weights",
    "rounded, in float": "weights, thresholds and decays rounded to the chip's codes, arithmetic still in float",
    INTEGERS: "Loihi's integer arithmetic, in every step as the chip's documentation and Lava have it",
    "reference simulator": "a second, slow implementation of the same integers, compared entry by entry",
    "Lava": "Intel's Lava, its fixed-point processes, compared entry by entry",
}


def wilson(right: float, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, J. Am. Stat. Assoc. 22, 209, 1927)."""
    z2 = Z95 * Z95
    middle = (right + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * sqrt(right * (1 - right) / of + z2 / (4 * of * of))
    return max(0.0, middle - half), min(1.0, middle + half)


def rungs(run: Run) -> tuple[Rung, ...]:
    """What `seamount check` found; after `seamount run`, the stored accuracy and that of the integers."""
    if run.rungs:
        return tuple(_rung(run, r) for r in run.rungs)
    stored = run.artifact.manifest.model.float_accuracy
    first = [] if stored is None else [Rung(FRAMEWORK, MEANINGS[FRAMEWORK], 0, stored, None, None, None, None, None)]
    n = run.counts.samples
    firing = {p.name for p in run.artifact.program.populations if p.fires}
    spikes = sum(total for name, total in run.counts.spike_totals.items() if name in firing) / n
    synops = sum(run.counts.synop_totals.values()) / n
    low, high = interval(run, run.accuracy, n)
    more = dict(run.measures.known())
    more.pop("accuracy", None)
    return (
        *first,
        Rung(INTEGERS, MEANINGS[INTEGERS], n, run.accuracy, low, high, None, spikes, synops, measures=more or None),
    )


def interval(run: Run, share: float | None, samples: int) -> tuple[float | None, float | None]:
    """95 % interval of an accuracy; none where it is unknown, or of pixels, which are not independent."""
    if share is None or not samples or run.artifact.outputs[0].task is Task.PIXELS:
        return None, None
    return wilson(share, samples)


def _rung(run: Run, r: KeptRung) -> Rung:
    meaning = MEANINGS.get(r.form, "")
    low, high = interval(run, r.accuracy, r.samples)
    return Rung(
        r.name, meaning, r.samples, r.accuracy, low, high, r.agreement,
        r.spikes_per_sample, r.synops_per_sample, r.exact, r.measures or None, r.likeness or None,
    )  # fmt: skip


def agreement(run: Run) -> tuple[Agreement, ...]:
    return tuple(Agreement(x.layer, x.float_spikes, x.integer_spikes, x.correlation, x.same) for x in run.layers)


def class_names(run: Run) -> tuple[str, ...]:
    """Names of the classes, or their numbers; of the outputs where they are no classes."""
    code = run.artifact.outputs[0]
    shape = run.readout[code.readout].shape[code.lead :]
    count = int(np.prod(shape)) if code.task in BY_VALUE else classes_of(code, shape)
    named = run.artifact.manifest.model.classes
    return named if len(named) == count else tuple(map(str, range(count)))


def confusion(run: Run) -> Confusion | None:
    """How often each label was given each answer; None for very many classes, without labels, and for real values."""
    names = class_names(run)
    if len(names) > MANY_CLASSES or run.labels is None or run.artifact.outputs[0].task in BY_VALUE:
        return None
    counts = np.zeros((len(names), len(names)), np.int64)
    known = run.labels >= 0  # with an answer per step, steps may have no label
    np.add.at(counts, (run.labels[known], run.predictions[known]), 1)
    return Confusion(names, tuple(tuple(int(n) for n in row) for row in counts))
