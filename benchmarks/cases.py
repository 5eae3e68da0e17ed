"""The cases of the benchmark: network, data, training, and at what sizes each is timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks import networks

BUILT = Path(__file__).resolve().parents[1] / "build" / "benchmarks"
"""Trained networks and results; made by the benchmark, never committed."""


@dataclass(frozen=True)
class Phase:
    """A part of a training: `updates` at `batch` samples of `steps` steps.

    bins: length of a recording in steps, of which a window of `steps` is cut out at random. thin: the least share
    of events that is kept, drawn anew for each batch, for use at shorter bins. size: side of a square that is cut out
    of the images at random.
    """

    updates: int
    batch: int
    steps: int
    bins: int | None = None
    thin: float = 1.0
    size: int | None = None


@dataclass(frozen=True)
class Case:
    """A trained network and the sizes it is timed at.

    source: a name of benchmarks/data.py. readout: one answer per sample, from the mean of the outputs, or one at each
    step.
    timed: steps T; batches: samples at once, 1 is latency. minutes: of processor time; training stops then even if
    updates are left.
    lava: samples that Lava runs, 0 for none.
    """

    name: str
    title: str
    network: networks.Network
    source: Literal["mnist-spikes", "nmnist", "cifar10", "ecg"]
    encoding: Literal["constant", "sequence"]
    timed: tuple[int, ...]
    phases: tuple[Phase, ...]
    rate: float
    minutes: float
    batches: tuple[int, ...] = (1, 64)
    seed: int = 1
    readout: Literal["mean", "each"] = "mean"
    lava: int = 0
    nengo: int = 0
    """Samples that nengo-loihi's emulator runs, 0 for none; it takes spikes, no graded input."""
    tested: int = 1000
    """Test samples on which accuracy and agreement are measured when the case is built."""
    untested: int = 0
    """Test samples before those, left out because the recipe of the training was chosen with an eye on them."""

    @property
    def folder(self) -> Path:
        return BUILT / self.name

    @property
    def model(self) -> Path:
        return self.folder / "model.pt"

    @property
    def artifact(self) -> Path:
        return self.folder / "artifact"

    @property
    def weights(self) -> Path:
        """state_dict of the folded network; the same keys in every framework."""
        return self.folder / "weights.pt"

    @property
    def card(self) -> Path:
        """What came of the training, as JSON."""
        return self.folder / "card.json"


@dataclass(frozen=True)
class Point:
    """One row of the result: a case at T steps and a batch size."""

    case: str
    steps: int
    batch: int

    @property
    def key(self) -> str:
        return f"{self.case}-T{self.steps}-B{self.batch}"


_ALL = (
    Case(
        name="dense",
        title="dense 784-512-512-10, MNIST as spikes",
        network=networks.Dense,
        source="mnist-spikes",
        encoding="sequence",
        timed=(32,),
        phases=(Phase(1400, 100, 6), Phase(100, 50, 32)),
        rate=2e-3,
        minutes=4,
        lava=40,
        nengo=20,
    ),
    Case(
        name="conv",
        title="convolutional, N-MNIST events",
        network=networks.EventConv,
        source="nmnist",
        encoding="sequence",
        timed=(100, 300),
        phases=(Phase(300, 16, 30, bins=100, thin=0.3),),
        rate=3e-3,
        minutes=10,
        lava=1,
        nengo=2,
        tested=80,
    ),
    Case(
        name="resnet18",
        title="spiking ResNet-18, CIFAR-10",
        network=networks.ResNet18,
        source="cifar10",
        encoding="constant",
        timed=(4,),
        phases=(Phase(160, 64, 2, size=16), Phase(20, 32, 4)),
        rate=2e-3,
        minutes=16,
        tested=1000,
        untested=1000,
    ),
    Case(
        name="recurrent",
        title="recurrent 4-256-6, parts of the heart beat",
        network=networks.Recurrent,
        source="ecg",
        encoding="sequence",
        readout="each",
        timed=(250,),
        phases=(Phase(700, 32, 150, bins=1301), Phase(100, 32, 250, bins=1301)),
        rate=4e-3,
        minutes=8,
        lava=4,
        nengo=4,
    ),
)

CASES: Mapping[str, Case] = {c.name: c for c in _ALL}


def points(names: tuple[str, ...]) -> list[Point]:
    """Rows of these cases."""
    return [Point(name, t, b) for name in names for t in CASES[name].timed for b in CASES[name].batches]
