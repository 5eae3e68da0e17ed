"""What is compared on which data. Fixed before these runs and chosen by none of their results, but for the rivals of
equal processor time (below), which were added when the first results had shown that they were missing.

One neuron (decay 0.5, zero reset), one start of batch norm and one schedule for all, so that variants of a setting
differ in the training method alone: equal seeds give equal initial weights and order of samples. Learning rate and
schedule are those of the mechanism tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from seamount.models.networks.neurons import Neuron
from seamount.models.recipes.etc import Etc
from seamount.models.recipes.joint import Joint
from seamount.models.recipes.one_step import OneStep
from seamount.models.recipes.pipe import PipeD, PipeS
from seamount.models.recipes.plain import Plain
from seamount.models.recipes.recipe import Recipe
from seamount.models.recipes.tet import Tet
from seamount.models.recipes.tssd import Tssd


@dataclass(frozen=True)
class Variant:
    """A recipe within a setting; what is None is the setting's.

    reads: T at which it is scored. start: variant of the same setting and seed from whose weights this one goes on.
    aside: it is not compared, only others start from it.
    """

    recipe: Recipe
    epochs: int | None = None
    network: str | None = None
    data: str | None = None
    limit: int | None = None
    reads: tuple[int, ...] = (1, 2, 4)
    start: str | None = None
    aside: bool = False


@dataclass(frozen=True)
class Pair:
    """A difference to report: accuracy of `a` minus that of `b`, both read at `steps`."""

    a: str
    b: str
    steps: int


@dataclass(frozen=True)
class Setting:
    """title: for people. limit: training samples used of the training split; where it is set, the others are tested on
    beside the test split. bins: time bins of event recordings."""

    name: str
    title: str
    data: str
    network: str
    epochs: int
    variants: Mapping[str, Variant]
    pairs: tuple[Pair, ...]
    batch: int = 64
    limit: int | None = None
    bins: int | None = None


NEURON = Neuron()
_NARROW = "8C5/2-16C3/2-32C3"
_WIDER = "16C5/2-32C3/2-32C3/2"
PRETRAINING = 4
"""Epochs without time before the spiking one; a pass costs about a quarter of one at T = 4."""
_OFF = Joint(neuron=NEURON, artificial=False, factorise=False, branches=0)


def _images(grouped: str, quadrants: str) -> dict[str, Variant]:
    """All methods for images and their rivals. grouped, quadrants: network and data of one-step; its rival has the
    network of the same name whose groups hand nothing on."""
    clip = PipeS(neuron=NEURON, tuning_epochs=0)
    relu = replace(clip, activation="relu")
    tuned = replace(clip, tuning_epochs=1)
    one = OneStep(neuron=NEURON)
    return {
        "plain": Variant(Plain()),
        "tet": Variant(Tet()),
        "etc": Variant(Etc()),
        "direct, T = 2": Variant(Plain(steps=2)),
        "direct, T = 1": Variant(Plain(steps=1)),
        "tssd": Variant(Tssd()),
        "clip, no spiking epoch": Variant(clip, PRETRAINING),
        "pipe-s": Variant(tuned, 0, start="clip, no spiking epoch"),
        "pipe-s-etc": Variant(replace(tuned, tuning=Etc()), 0, start="clip, no spiking epoch"),
        "one-step": Variant(one, network=grouped, data=quadrants, reads=(1,)),
        "joint": Variant(Joint(neuron=NEURON)),
        "branch-ce": Variant(replace(_OFF, branches=2)),
        "plain, summed logits": Variant(_OFF),
        "relu, no spiking epoch": Variant(relu, PRETRAINING),
        "one-step, nothing carried": Variant(one, network=f"{grouped}-apart", data=quadrants, reads=(1,)),
        # About the processor time of the clip: what more passes at T = 1 are worth without it.
        "direct, T = 1, 4 epochs": Variant(Plain(steps=1), PRETRAINING),
    }


IMAGE_PAIRS = (
    Pair("etc", "plain", 1), Pair("etc", "plain", 4), Pair("etc", "tet", 1), Pair("etc", "direct, T = 1", 1),
    Pair("tssd", "plain", 2), Pair("tssd", "direct, T = 2", 2), Pair("tssd", "direct, T = 2", 4),
    Pair("clip, no spiking epoch", "relu, no spiking epoch", 1), Pair("clip, no spiking epoch", "plain", 1),
    Pair("clip, no spiking epoch", "direct, T = 1, 4 epochs", 1),
    Pair("clip, no spiking epoch", "plain", 4), Pair("pipe-s", "plain", 1), Pair("pipe-s", "plain", 4),
    Pair("pipe-s-etc", "pipe-s", 1), Pair("pipe-s-etc", "pipe-s", 4), Pair("pipe-s-etc", "etc", 1),
    Pair("joint", "plain, summed logits", 4), Pair("joint", "branch-ce", 4), Pair("joint", "plain", 4),
    Pair("one-step", "one-step, nothing carried", 1), Pair("one-step", "direct, T = 1", 1),
)  # fmt: skip
_LEARNED = PipeD().neuron
_EVENTS = {
    "plain": Variant(Plain()),
    "tet": Variant(Tet()),
    "etc": Variant(Etc()),
    "direct, T = 2": Variant(Plain(steps=2)),
    "direct, T = 1": Variant(Plain(steps=1)),
    "tssd": Variant(Tssd()),
    "MNIST images": Variant(Plain(neuron=_LEARNED), 1, data="mnist", limit=20_000, aside=True),
    "pipe-d": Variant(PipeD(), start="MNIST images"),
    "plain, learned decays": Variant(Plain(neuron=_LEARNED)),
}
EVENT_PAIRS = (
    Pair("etc", "plain", 1), Pair("etc", "plain", 4), Pair("etc", "tet", 1), Pair("etc", "direct, T = 1", 1),
    Pair("tssd", "plain", 2), Pair("tssd", "direct, T = 2", 2), Pair("tssd", "direct, T = 2", 4),
    Pair("pipe-d", "plain, learned decays", 4), Pair("pipe-d", "plain", 4),
)  # fmt: skip

NMNIST = Setting(
    "nmnist", "N-MNIST, 600 recordings in 4 time bins, 20 epochs", "nmnist", _NARROW, 20, _EVENTS, EVENT_PAIRS,
    batch=32, limit=600, bins=4,
)  # fmt: skip
FASHION = Setting(
    "fashion-mnist", "Fashion-MNIST, all 60,000 training images, 1 epoch", "fashion-mnist", _NARROW, 1,
    {
        **_images("grouped-early", "fashion-mnist-quadrants"),
        "plain, 2 epochs": Variant(Plain(), 2),
    },
    (*IMAGE_PAIRS, Pair("pipe-s", "plain, 2 epochs", 1), Pair("pipe-s", "plain, 2 epochs", 4)),
)  # fmt: skip
CIFAR = Setting(
    "cifar10", "CIFAR-10, 20,000 training images, 2 epochs", "cifar10", _WIDER, 2,
    _images("grouped-small", "cifar10-quadrants"), IMAGE_PAIRS,
)  # fmt: skip
SETTINGS: Mapping[str, Setting] = {s.name: s for s in (NMNIST, FASHION, CIFAR)}
"""In the order in which they are run with each seed."""
