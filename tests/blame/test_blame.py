"""Blame on planted causes, and wide integers against the float interpreter and the chip's integers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import seamount
from seamount.backends.registry import load_backend
from seamount.compiler.codes import Task
from seamount.compiler.errors import InputError
from seamount.compiler.ir.graph import Edge, Graph, Node
from seamount.compiler.ir.ops import LI, LIF, Affine, Input, Output, freeze
from seamount.compiler.manifest import About
from seamount.compiler.pipelines import Options
from seamount.workflows.blame.cause import Kind
from seamount.workflows.blame.mixture import Mixtures, free_rounding
from seamount.workflows.compile import compilation
from seamount.workflows.load import Model
from seamount.workflows.outputs import only_output
from seamount.workflows.rungs import interpreted


def lif(beta: float = 0.9, bias: Any = 0.0) -> LIF:
    zero, one = freeze(0.0), freeze(1.0)
    return LIF(zero, freeze(beta), one, freeze(bias), one, zero, zero, one)


def li(beta: float = 0.9) -> LI:
    return LI(freeze(0.0), freeze(beta), freeze(1.0), freeze(0.0), freeze(0.0))


def network(seed: int, steps: int, *, graded: bool = False, high: float = 1.0, **ops: Any) -> Model:
    """input -> w1 -> n1 -> w2 -> n2 -> w3 -> out, and from n0 beside n1 where `skip` is given."""
    rng = np.random.default_rng(seed)
    made = {
        "w1": Affine(freeze(rng.normal(0.1, 0.3, (24, 16)))),
        "n1": lif(),
        "w2": Affine(freeze(rng.normal(0.05, 0.3, (24, 24)))),
        "n2": lif(),
        "w3": Affine(freeze(rng.normal(0, 0.3, (10, 24)))),
        "read": li(),
    } | {k: v for k, v in ops.items() if k != "skip"}
    chain = ["input", *made, "out"]
    nodes = [Node("input", Input((16,), "graded" if graded else "spikes", 0.0, high))]
    nodes += [Node(k, v) for k, v in made.items()] + [Node("out", Output("last"))]
    edges = [Edge(a, b) for a, b in pairwise(chain)]
    if "skip" in ops:
        nodes.append(Node("skip", ops["skip"]))
        edges += [Edge("input", "skip"), Edge("skip", "n2")]
    return Model(Graph(tuple(nodes), tuple(edges), steps=steps), "sequence", About(name="planted"), task=Task.CLASSES)


def spikes(seed: int, steps: int, rate: float = 0.3, n: int = 500) -> Any:
    return (np.random.default_rng(seed).random((n, steps, 16)) < rate).astype(np.float32)


def outlier() -> tuple[Model, Any, dict[str, Any]]:
    weight = np.random.default_rng(1).normal(0.05, 0.3, (24, 24))
    weight[3, 5] = 40.0
    return network(1, 12, w2=Affine(freeze(weight))), spikes(1, 12), {"weight_bits": 6}


def slow_decay() -> tuple[Model, Any, dict[str, Any]]:
    """Both halves of a sample compete in a readout that forgets over 2825 steps, and in integers over 4096."""
    rng = np.random.default_rng(2)
    early = rng.random((120, 1, 16)) < 0.5
    x = np.concatenate([(rng.random((120, 600, 16)) < 0.04) & part for part in (early, ~early)], axis=1)
    w1, w2, w3 = (Affine(freeze(np.eye(n, m) * w)) for n, m, w in ((24, 16, 2), (24, 24, 2), (10, 24, 0.5)))
    x, hidden = x.astype(np.float32), {"n1": lif(1.0), "n2": lif(1.0)}
    return network(2, 1200, w1=w1, w2=w2, w3=w3, read=li(1 - 1.45 / 4096), **hidden), x, {"calibrate": x[:40]}


def coarse_input() -> tuple[Model, Any, dict[str, Any]]:
    x = np.random.default_rng(3).random((500, 12, 16)) * 0.5
    return network(3, 12, graded=True, high=20.0), x, {}


def saturating() -> tuple[Model, Any, dict[str, Any]]:
    rng = np.random.default_rng(4)
    weight = np.concatenate([rng.normal(-1.0, 0.2, (24, 8)), rng.normal(1.0, 0.2, (24, 8))], axis=1)
    x = spikes(4, 400, 0.9)
    x[:, :200, 8:], x[:, 200:, :8] = 0, 0
    x[:, :200, :8] *= np.random.default_rng(5).random((500, 1, 8)) < 0.8
    return network(4, 400, w1=Affine(freeze(weight)), n1=lif(1.0)), x, {}


def misaligned() -> tuple[Model, Any, dict[str, Any]]:
    rng = np.random.default_rng(6)
    w1, w2, skip, w3 = (Affine(freeze(rng.normal(0, 0.6, shape))) for shape in ((24, 16), (24, 24), (24, 16), (10, 24)))
    return (
        network(6, 12, w1=w1, w2=w2, skip=skip, w3=w3, n2=lif(0.3), read=li(0.5)),
        spikes(6, 12),
        {"balance_delays": False},
    )


def few_units() -> tuple[Model, Any, dict[str, Any]]:
    bias = np.zeros(24)
    bias[0] = -2500.0
    return network(7, 12, n2=lif(bias=bias)), spikes(7, 12), {}


PLANTED = {
    "outlier": (outlier, "w2", Kind.WEIGHTS),
    "decay": (slow_decay, "read", Kind.DECAYS),
    "input": (coarse_input, "input", Kind.INPUTS),
    "saturation": (saturating, "n1", Kind.SATURATION),
    "misaligned": (misaligned, "w2", Kind.TRANSPORT),
    "few units": (few_units, "n2", Kind.SCALE),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "decay")) for n in PLANTED])
def test_a_planted_cause_comes_first(name: str) -> None:
    make, layer, kind = PLANTED[name]
    model, x, options = make()
    found = seamount.blame(model, x, remedies=False, progress=False, **options)
    assert found.first is not None, str(found)
    assert (found.first.cause.layer, found.first.cause.kind) == (layer, kind), str(found)
    assert found.differing <= 1
    assert found.first.evidence, "why it loses is said"


@pytest.mark.parametrize("name", PLANTED)
def test_all_causes_together_are_the_chip_and_none_is_float(name: str) -> None:
    model, x, options = PLANTED[name][0]()
    chosen = Options(options.get("weight_bits", 8), balance_delays=options.get("balance_delays", True))
    made = compilation(model, options=chosen, vectors=False, progress=False)
    few, engine = x[:50], load_backend("cpu")
    forms = Mixtures(made, few, model.steps)
    assert np.array_equal(forms.answers(forms.causes, few, engine), forms.chip_answers(few, engine))
    spikes_of = frozenset({"spikes"})
    sent = forms.messages(forms.causes, few)
    wide, chip = (engine.run(p, sent, record=spikes_of) for p in (forms.build(forms.causes), forms.program))
    for population, recorded in chip.spikes.items():
        assert np.array_equal(wide.spikes[population], recorded), population
    interpreter = interpreted(made.canonical, only_output(made.artifact.outputs), {"input": few}, lambda d, n: None)
    assert np.sum(forms.answers((), few, engine) != interpreter.predictions) == 0


def test_stages_sum_to_the_loss_and_remedies_are_measured() -> None:
    model, x, _ = outlier()
    found = seamount.blame(model, x, weight_bits=3, progress=False)
    assert sum(d.mean for d in found.stages.values()) == pytest.approx(found.loss.mean)
    best = found.remedies[0]
    assert best.gain.mean > 0 and best.gain.certain
    assert all(r.memory > 0 for r in found.remedies if r.bits)
    assert found.to_dict()["shares"][0]["kind"] == "weights"


def test_labels_are_used_where_there_are_any() -> None:
    model, x, _ = outlier()
    found = seamount.blame(model, (x, np.zeros(len(x), np.int64)), remedies=False, progress=False)
    assert found.labelled and found.float_score < 100
    with pytest.raises(InputError, match="within"):
        seamount.blame(model, x, within=0.0)


def test_an_interrupt_keeps_the_rounds_before_it() -> None:
    model, x, _ = outlier()
    rounds = []

    def interrupt(what: str, done: int, total: int) -> None:
        rounds.append(done)
        if rounds.count(1) == 2:
            raise KeyboardInterrupt

    more = np.concatenate([x, x])
    found = seamount.blame(model, more, within=0.01, remedies=False, progress=interrupt)
    assert found.stopped and found.loss.samples == 512


def test_free_rounding_keeps_weights_that_are_on_a_grid() -> None:
    made = compilation(outlier()[0], vectors=False, progress=False)
    form = made.quantized["w1"].op.format
    weights = np.arange(-127, 128) / 127 * 0.3
    assert np.abs(free_rounding(weights, form) - weights).max() < 0.3 / 127
