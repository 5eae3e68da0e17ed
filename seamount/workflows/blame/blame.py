"""Blame: the accuracy that integers lose, by stage, and by layer and kind, with the remedies that were tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend
from seamount.compiler.codes import BY_VALUE, Samples, count, some
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import Trace
from seamount.compiler.pipelines import Options, canonical
from seamount.progress import Progress, Tick, watched
from seamount.workflows.blame.cause import Cause, Kind
from seamount.workflows.blame.evidence import WATCHED, evidence
from seamount.workflows.blame.found import Blame, Remedy, Share
from seamount.workflows.blame.mixture import Mixtures
from seamount.workflows.blame.paired import Difference, Scores, paired, scores_of
from seamount.workflows.compile import Compilation, compilation
from seamount.workflows.data import Data, labelled, of_one_length
from seamount.workflows.labels import Labels, read_labels
from seamount.workflows.load import model_of
from seamount.workflows.outputs import check_stock_firing, only_output
from seamount.workflows.rungs import interpreted

ENGINE = "cpu"
FIRST = 512
"""Samples of the first round; each later one runs as many as all before it."""
COMPARED = 100
"""Samples on which the float interpreter is asked whether wide integers stand in for it."""
STAGES = (Kind.WEIGHTS, Kind.SCALE, Kind.DECAYS, Kind.INPUTS, Kind.SATURATION, Kind.TRUNCATION, Kind.TRANSPORT)
WORST = 3
"""Layers whose bits are tried to be mended."""


def blame(
    source: Any,
    data: Data,
    *,
    target: str = "loihi-sim",
    weight_bits: int = 8,
    bits: Mapping[str, int] | None = None,
    calibrate: Data | None = None,
    steps: int | None = None,
    balance_delays: bool = True,
    within: float = 0.5,
    remedies: bool = True,
    assume: Sequence[str] = (),
    progress: Progress = None,
    **tracing: Any,
) -> Blame:
    """Attribute the accuracy lost between float and integers to stages, and to layers and kinds within them.

    source     a model: path, `seamount.Model`, or live module with the arguments of `seamount.save`
    data       samples, with labels where there are any; without them float's own answers are the labels
    within     sampling stops when every 95 % interval is at most so many points to either side; of real values, so
               many percent of the float network's error. Looking after every round makes intervals slightly too tight.
    remedies   whether to try calibration, more bits in the worst layers and balanced delays on the same samples

    Other arguments as for `seamount.compile`. Each layer "in float" runs in integers so fine that they stand in for it
    (compiler/program/wide.py); on the first samples that is checked against the float interpreter. Ctrl-C ends with
    what is known. Raises InputError and CompileError as `compile` and `Artifact.run` do.

    Example:
        found = seamount.blame("model.pt", (x_test, y_test), weight_bits=4)
        found.first.cause.layer, found.first.cause.kind
    """
    if not within > 0:
        raise InputError(Problem("within", f"is {within:g}", "give a number above 0, in points"))
    model = model_of(source, assume=assume, steps=steps, **tracing)
    model.check_trained("no accuracy is lost to them", "give the network that it was made from")
    options = Options(weight_bits, dict(bits or {}), steps, balance_delays=balance_delays)
    made = compilation(model, target, options, calibrate=calibrate, vectors=False, progress=False)
    check_stock_firing(made.artifact.program, "blame")
    lasting = steps or model.graph.steps
    given = labelled(data, lasting)
    x = of_one_length(given, lasting, steps is not None)
    y = read_labels(made.artifact, given.y)
    table_of = _Table(made, x, y, lasting, within)
    with watched(progress, "blame") as tick:
        table_of.run(tick)
    tried: list[Remedy] = []
    shares = table_of.shares()
    if remedies and not table_of.stopped:
        try:
            tried = _remedies(table_of, shares, options, target, x)
        except KeyboardInterrupt:
            table_of.stopped = True
    return table_of.result(model.about.name, shares, tuple(tried))


Form = frozenset[Cause]


@dataclass(eq=False)
class _Table:
    """Scores of every form on the samples so far."""

    made: Compilation
    x: Samples
    y: Labels | None
    steps: int
    within: float
    scores: dict[Form, list[Scores]] = field(default_factory=dict)
    done: int = 0
    stopped: bool = False
    sure: bool = False
    synops: dict[int, float] = field(default_factory=dict)
    """Synaptic operations per sample of the chip's program, by the number of samples it ran."""

    def __post_init__(self) -> None:
        self.mixtures = Mixtures(self.made, self.x, self.steps)
        self.output = only_output(self.made.artifact.outputs)
        self.engine = load_backend(ENGINE)
        self.by_value = self.output.task in BY_VALUE
        self.all: Form = frozenset(self.mixtures.causes)

    @cached_property
    def ladder(self) -> dict[Kind, Form]:
        """Kind -> the form with it and all kinds before it."""
        return {
            k: frozenset(c for c in self.all if STAGES.index(c.kind) <= i)
            for i, k in enumerate(STAGES)
            if any(c.kind is k for c in self.all)
        }

    @cached_property
    def forms(self) -> list[Form]:
        """Every form that is needed, float and integers first."""
        cells = [form for c in self.mixtures.causes for form in (frozenset({c}), self.all - {c})]
        return list(dict.fromkeys([frozenset(), self.all, *self.ladder.values(), *cells]))

    def run(self, tick: Tick) -> None:
        """Rounds of samples until every interval is tight enough; an interrupt drops the round under way."""
        total = count(self.x)
        while self.done < total and not self.sure:
            size = FIRST if self.done == 0 else self.done
            part = slice(self.done, min(self.done + size, total))
            try:
                fresh = self._round(part, tick)
            except KeyboardInterrupt:
                if not self.done:
                    raise
                self.stopped = True
                return
            for form, scores in fresh.items():
                self.scores.setdefault(form, []).append(scores)
            self.done = part.stop
            limit = self.within if not self.by_value else self.within / 100 * max(-self.mean(frozenset()), 1e-12)
            self.sure = all(self.against(f).half_width <= limit for f in self.forms)

    def _round(self, part: slice, tick: Tick) -> dict[Form, Scores]:
        x = some(self.x, part)
        in_float = self.mixtures.answers((), x, self.engine)
        wanted = in_float if self.y is None else self.y[part]
        fresh: dict[Form, Scores] = {frozenset(): scores_of(self.output, in_float, wanted)}
        for i, form in enumerate(self.forms):
            if form not in fresh:
                chip = form == self.all
                found = (
                    self.mixtures.chip_answers(x, self.engine) if chip else self.mixtures.answers(form, x, self.engine)
                )
                fresh[form] = scores_of(self.output, found, wanted)
            tick(i + 1, len(self.forms))
        return fresh

    def of(self, form: Form) -> Scores:
        """Scores of a form on all samples so far."""
        return np.concatenate(self.scores[form])

    def mean(self, form: Form) -> float:
        """Mean score of a form."""
        return float(np.mean(self.of(form)))

    def between(self, more: Form, less: Form) -> Difference:
        """What one form has more than another."""
        return paired(self.of(more), self.of(less), self.by_value)

    def against(self, form: Form) -> Difference:
        """A form against the nearer of float and integers, which differs from it in fewer causes."""
        near = frozenset() if len(form) <= 1 else self.all
        return self.between(near, form)

    def shares(self) -> tuple[Share, ...]:
        """Every cause, the one that weighs most first."""
        nothing: Form = frozenset()
        found = [
            Share(c, self.between(nothing, frozenset({c})), self.between(self.all - {c}, self.all))
            for c in self.mixtures.causes
        ]
        found.sort(key=lambda s: -s.weight)
        return tuple(
            replace(s, evidence=evidence(self.mixtures, s.cause, lambda: self.membranes)) for s in found
        )  # fmt: skip

    @cached_property
    def membranes(self) -> Mapping[str, NDArray[Any]]:
        """v of every population in the chip's program, on the first samples."""
        return self.mixtures.chip_run(some(self.x, slice(WATCHED)), self.engine, frozenset({"v"})).v

    def synops_of(self, samples: int) -> float:
        """Synaptic operations per sample of the chip's program on the first so many."""
        if samples not in self.synops:
            self.synops[samples] = _synops(self.mixtures.chip_run(some(self.x, slice(samples)), self.engine))
        return self.synops[samples]

    def result(self, model: str, shares: tuple[Share, ...], tried: tuple[Remedy, ...]) -> Blame:
        """Everything that was found."""
        stages, before = {}, frozenset[Cause]()
        for kind, form in self.ladder.items():
            stages[kind] = self.between(before, form)
            before = form
        differing, folded, compared = self._against_interpreter()
        return Blame(
            model, "RMS error, negative" if self.by_value else "points", self.y is not None, self.mean(frozenset()),
            self.mean(self.all), self.between(frozenset(), self.all), stages, shares, tried, differing, compared,
            folded, self.sure, self.stopped,
        )  # fmt: skip

    def _against_interpreter(self) -> tuple[int, int, int]:
        """Answers of the interpreter that wide integers, and folding, change; answers compared."""
        x = some(self.x, slice(COMPARED))
        model = self.made.model
        inputs, silent = model.stepped(x, self.steps), lambda done, total: None
        imported = interpreted(canonical().until("infer-shapes")(model.graph), self.output, inputs, silent).predictions
        folded = interpreted(self.made.canonical, self.output, inputs, silent).predictions
        wide = self.mixtures.answers((), x, self.engine)
        same = (lambda a, b: np.isclose(a, b, rtol=1e-2, atol=1e-3)) if self.by_value else np.equal
        return int(np.sum(~same(wide, folded))), int(np.sum(~same(folded, imported))), int(folded.size)


def _remedies(done: _Table, shares: Sequence[Share], options: Options, target: str, x: Samples) -> list[Remedy]:
    """Compilations that may lose less, each tried on the samples of the table; the largest gain first."""
    layers = {r.layer: r for r in done.made.artifact.manifest.layers}
    guilty = [s.cause.layer for s in shares if s.cause.kind is Kind.WEIGHTS and s.weight > 0]
    few = [name for name in guilty if layers[name].bits < 8][:WORST]
    tries: list[tuple[dict[str, int], bool, bool]] = [({name: 8}, False, False) for name in few]
    if len(few) > 1:
        tries.append((dict.fromkeys(few, 8), False, False))
    if shares and (shares[0].cost.certain or shares[0].gain.certain):
        if any(s.cause.kind in (Kind.SATURATION, Kind.SCALE, Kind.INPUTS, Kind.WEIGHTS) for s in shares[:WORST]):
            tries.append(({}, True, False))
        if any(s.cause.kind is Kind.TRANSPORT for s in shares):
            tries.append(({}, False, True))
    return sorted(
        (_tried(done, options, target, x, *t) for t in tries), key=lambda r: (-r.gain.mean, r.memory)
    )  # fmt: skip


def _tried(
    done: _Table, options: Options, target: str, x: Samples, bits: dict[str, int], calibrated: bool, balanced: bool
) -> Remedy:
    chosen = replace(
        options, layer_bits={**options.layer_bits, **bits}, balance_delays=options.balance_delays or balanced
    )
    # Scales are set on the second half of the samples, so that what is gained is not measured where it was fitted.
    half = done.done // 2
    data = some(x, slice(half, done.done)) if calibrated else None
    other = compilation(done.made.model, target, chosen, calibrate=data, vectors=False, progress=False)
    part = slice(0, half if calibrated and half else done.done)
    few = some(x, part)
    mixtures = Mixtures(other, x, done.steps)
    trace = mixtures.chip_run(few, done.engine)
    answers = mixtures.answered(trace)
    wanted = done.mixtures.answers((), few, done.engine) if done.y is None else done.y[part]
    gain = paired(scores_of(done.output, answers, wanted), done.of(done.all)[part], done.by_value)
    memory = _memory(other) - _memory(done.made)
    more = _synops(trace) - done.synops_of(part.stop)
    return Remedy(calibrated, bits, balanced, gain, memory, more)


def _synops(trace: Trace) -> float:
    """Synaptic operations per sample."""
    return float(sum(trace.counts.synop_totals.values()) / trace.counts.samples)


def _memory(made: Compilation) -> int:
    """Bits of all weights as they are stored once."""
    return sum(r.weights * r.bits for r in made.artifact.manifest.layers)
