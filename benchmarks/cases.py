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

    bins: number of bins of an event recording, of which a window of `steps` is cut out at random. thin: the least share
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

    source: a name of benchmarks/data.py. steps: T of the model file, the largest of `timed`.
    timed: steps T; batches: samples at once, 1 is latency. minutes: training stops then even if updates are left.
    lava: samples that Lava runs, 0 for none.
    """

    name: str
    title: str
    network: networks.Network
    source: Literal["mnist-spikes", "nmnist", "cifar10", "braille"]
    encoding: Literal["constant", "sequence"]
    timed: tuple[int, ...]
    phases: tuple[Phase, ...]
    rate: float
    minutes: float
    batches: tuple[int, ...] = (1, 64)
    seed: int = 1
    gain: float = 1.0
    """Outputs are multiplied by it in the loss of the training."""
    lava: int = 0
    classes: int = 10
    tested: int = 1000
    """Test samples on which accuracy and agreement are measured when the case is built."""

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
        tested=128,
    ),
    Case(
        name="recurrent",
        title="recurrent 24-256-27, Braille events",
        network=networks.Recurrent,
        source="braille",
        encoding="sequence",
        timed=(250,),
        phases=(Phase(300, 64, 80, bins=250), Phase(30, 64, 250)),
        rate=5e-3,
        gain=25.0,
        minutes=8,
        lava=4,
        classes=27,
        tested=864,
    ),
)

CASES: Mapping[str, Case] = {c.name: c for c in _ALL}


def points(names: tuple[str, ...]) -> list[Point]:
    """Rows of these cases."""
    return [Point(name, t, b) for name in names for t in CASES[name].timed for b in CASES[name].batches]
