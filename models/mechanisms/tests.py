"""The mechanism tests: settings and gates, one function per method.

The gates were fixed before these runs, from pilot runs of each method's mechanism at this size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import cast

from seamount.models.mechanisms import sets
from seamount.models.mechanisms.paired import Gate, Result, Run, Tick, differences, gate, plain_network, run
from seamount.models.networks.grouped import GroupNetwork, Plan
from seamount.models.networks.stages import Task
from seamount.models.recipes.etc import Etc
from seamount.models.recipes.evaluate import evaluate
from seamount.models.recipes.joint import Joint, member
from seamount.models.recipes.one_step import OneStep
from seamount.models.recipes.pipe import PipeS
from seamount.models.recipes.plain import Plain
from seamount.models.recipes.tet import Tet
from seamount.models.recipes.training import Schedule
from seamount.models.recipes.tssd import Tssd

Seeds = Sequence[int]
DIGITS, EVENTS = (Task(sets.SHAPES[n], 10) for n in ("digits", "nmnist"))
QUADRANTS = Task((4, 4, 4), 10)


def consistency(seeds: Seeds, tick: Tick) -> list[Result]:
    """ETC (methods: temporal consistency): trained at T = 4, read at T = 1."""
    variants = {"plain": Plain(), "tet": Tet(), "etc": Etc()}
    build = plain_network(sets.LAYERS["digits"], DIGITS)
    runs = []
    for seed in seeds:
        data = sets.digits(1000, seed)
        for name, recipe in variants.items():
            runs.append(run(name, recipe, build, data, Schedule(25, 32), seed, (1, 2, 4), tick)[0])
    halved = mean(r.divergence for r in runs if r.variant == "etc") / mean(
        r.divergence for r in runs if r.variant == "plain"
    )
    gates = (
        gate("etc - plain at T = 1: mean >= 3, every seed", differences(runs, "etc", "plain", 1), 3, True),
        gate("etc - plain at T = 4: mean >= -0.5", differences(runs, "etc", "plain", 4), -0.5),
        Gate("pairwise KL at least halved", f"{halved:.2f} of plain's", halved <= 0.5),
    )
    return [Result("etc", "digits-1000, 25 epochs, T = 4", tuple(runs), gates)]


def bridge(seeds: Seeds, tick: Tick) -> list[Result]:
    """pipe-S: the annealed clip against a transplanted ReLU before any spiking epoch; then against scratch."""
    build = plain_network(sets.LAYERS["digits"], DIGITS)
    epochs, runs = 20, []
    clip, relu = PipeS(tuning_epochs=0), PipeS(tuning_epochs=0, activation="relu")
    variants = {
        "relu": relu,
        "clip": clip,
        "clip + 2": PipeS(),
        "clip + 2 etc": PipeS(tuning=Etc()),
        "scratch": Plain(neuron=clip.neuron),
    }
    for seed in seeds:
        data = sets.digits(1000, seed)
        for name, recipe in variants.items():
            runs.append(run(name, recipe, build, data, Schedule(epochs, 32), seed, (1, 2, 4), tick)[0])
    time = _seconds(runs, "clip + 2") / _seconds(runs, "scratch")
    gates = (
        gate(
            "clip - relu at T = 1, no spiking epoch: mean >= 8, every seed",
            differences(runs, "clip", "relu", 1),
            8,
            True,
        ),
        gate("clip + 2 - scratch at T = 4: mean >= -1", differences(runs, "clip + 2", "scratch", 4), -1),
        Gate("clip + 2: at most half the training time of scratch", f"{time:.2f}", time <= 0.5),
    )
    return [Result("pipe-s", "digits-1000, 20 epochs (+ 2), T = 4", tuple(runs), gates)]


def joint(seeds: Seeds, tick: Tick) -> list[Result]:
    """Joint A-SNN where data are scarce, with every ablation.

    As published, logits are summed over the steps and batch norm starts at 1; at that working point plain training is
    weak. Plain training as everywhere else here, on mean logits, is the stronger opponent, and has a gate of its own.
    """
    build = plain_network(sets.LAYERS["digits"], DIGITS, gamma=1.0)
    full = Joint()
    off = replace(full, artificial=False, factorise=False, branches=0)
    variants = {
        "plain": Plain(neuron=full.neuron),
        "plain, summed": off,
        "factorised": replace(off, factorise=True),
        "branch-ce": replace(off, branches=2),
        "kd, separate": replace(full, factorise=False),
        "joint": full,
    }
    runs = []
    for seed in seeds:
        data = sets.digits(100, seed)
        for name, recipe in variants.items():
            done, trained = run(name, recipe, build, data, Schedule(40, 32), seed, (1, 2, 4), tick)
            if name == "joint":
                teacher = evaluate(member(trained.trainee, "ann"), data[1], (1,)).accuracy[1]
                done = replace(done, more={"ann": teacher})
            runs.append(done)
    best = max(("plain, summed", "factorised", "branch-ce", "kd, separate"), key=lambda v: _mean(runs, v, 4))
    lead = mean(100 * (r.more["ann"] - r.accuracy[4]) for r in runs if r.variant == "joint")
    gates = (
        gate(
            "joint - plain, both on summed logits, at T = 4: mean >= 5, every seed",
            differences(runs, "joint", "plain, summed", 4), 5, True,
        ),
        gate(f"joint - best ablation ({best}) at T = 4: mean > 0", differences(runs, "joint", best, 4), 1e-9),
        Gate("artificial half at least the spiking half - 1", f"{lead:+.1f}", lead >= -1),
        gate("joint - plain on mean logits at T = 4: mean > 0", differences(runs, "joint", "plain", 4), 1e-9),
    )  # fmt: skip
    return [Result("joint", "digits-100, 40 epochs, T = 4", tuple(runs), gates)]


def self_distillation(seeds: Seeds, tick: Tick) -> list[Result]:
    """TSSD with the extra cross-entropy: one network for T = 2 and T = 4."""
    build = plain_network(sets.LAYERS["nmnist"], EVENTS)
    variants = {
        "direct": Plain(steps=2),
        "cut": Plain(steps=4),
        "tssd": Tssd(),
        "tssd, published terms": Tssd(both=False),
        "weak classifier only": Tssd(temporal=0, both=False),
    }
    runs = []
    for seed in seeds:
        data = sets.nmnist(600, seed)
        for name, recipe in variants.items():
            runs.append(run(name, recipe, build, data, Schedule(14, 32), seed, (1, 2, 4), tick)[0])
    gates = (
        gate("tssd - cut at T = 2: mean >= 3, every seed", differences(runs, "tssd", "cut", 2), 3, True),
        gate("tssd - direct at T = 2: mean >= -1", differences(runs, "tssd", "direct", 2), -1),
        gate("tssd - direct at T = 4: mean >= 3", differences(runs, "tssd", "direct", 4), 3),
    )
    return [Result("tssd", "N-MNIST 600, 14 epochs, T_s = 2, T_t = 4", tuple(runs), gates)]


def groups(seeds: Seeds, tick: Tick) -> list[Result]:
    """Group-recurrent rewrite: spikes carried between quadrants, classified from the last one only."""
    recipe = OneStep()
    runs: list[Run] = []
    for seed in seeds:
        data = sets.digits(1000, seed, "digits-quadrants")
        for name, plan in {"none": Plan(carry="none", last_only=True), "spikes": Plan(last_only=True)}.items():
            build = partial(GroupNetwork, QUADRANTS, plan=plan)
            done, trained = run(name, recipe, build, data, Schedule(20, 32), seed, (1,), tick)
            runs.append(done)
        network = cast("GroupNetwork", trained.network)
        network.order = (2, 0, 1, 3)
        scrambled = evaluate(network, data[1], (1,))
        runs.append(Run("spikes, order changed", seed, scrambled.accuracy, 0.0, scrambled.rates, 0.0))
    gates = (
        gate("spikes - none, last quadrant: mean >= 5, every seed", differences(runs, "spikes", "none", 1), 5, True),
        gate(
            "the gain is gone when the order of groups is changed after training: spikes - changed >= 5",
            differences(runs, "spikes", "spikes, order changed", 1),
            5,
        ),
    )
    return [Result("one-step", "digits-1000, 20 epochs, T = 1, last quadrant", tuple(runs), gates)]


def _seconds(runs: Sequence[Run], variant: str) -> float:
    return sum(r.seconds for r in runs if r.variant == variant)


def _mean(runs: Sequence[Run], variant: str, steps: int) -> float:
    return mean(r.accuracy[steps] for r in runs if r.variant == variant)


TESTS: dict[str, Callable[[Seeds, Tick], list[Result]]] = {
    "joint": joint,
    "one-step": groups,
    "tssd": self_distillation,
    "pipe-s": bridge,
    "etc": consistency,
}
"""Method -> its test."""
