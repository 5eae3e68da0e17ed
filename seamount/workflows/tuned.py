"""How a network is to be tuned, and what tuning gave."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seamount.compiler.files import replace_file
from seamount.compiler.ir.tuned import Score, Tuning
from seamount.compiler.manifest import plain
from seamount.compiler.program.program import Program
from seamount.results.blocks import Block, Shown, percent, table
from seamount.workflows.load import Model

if TYPE_CHECKING:
    from seamount.frontends.model_file.model import ModelFile
    from seamount.tuning.network import IntegerNetwork

LEARN = ("weights", "scales", "biases")
LEARNABLE = (*LEARN, "decays")


@dataclass(frozen=True)
class TuneSettings:
    """How to tune.

    learn: any of weights, scales, biases, decays. epochs, batch. rate: the share of its layer's rms by which an update
    moves a weight at most; None: 0.02, and 0.003 in a network with loops, whose gradients vary more. validation: share
    of the samples held out. seed: of their choice and of the order. labels: False leaves labels aside. device: "cpu" or
    "cuda". checkpoint: written after each epoch; the same tuning goes on there, exactly.
    """

    learn: tuple[str, ...] = LEARN
    epochs: int = 10
    batch: int = 64
    rate: float | None = None
    validation: float = 0.1
    seed: int = 0
    labels: bool = True
    device: str = "cpu"
    checkpoint: Path | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Tuned(Shown):
    """A network tuned in integers, and how that went.

    file: the model file. program: the integers, which compiling the file gives again. module: the torch module.
    history: of each epoch, the untuned network first: epoch, loss, held_loss, score. checked: entries of spikes, u and
    v that were compared with the simulator; none differed. path: where it was written, if it was.
    """

    file: ModelFile
    program: Program
    module: IntegerNetwork
    history: tuple[Mapping[str, Any], ...]
    checked: int
    path: Path | None = None

    @property
    def tuning(self) -> Tuning:
        """Bits, grids, data, scores."""
        assert self.file.tuning is not None
        return self.file.tuning

    @property
    def model(self) -> Model:
        """The tuned network, for `seamount.compile` and every other call that takes a model."""
        return Model.of_file(self.file, self.file.name)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a model file, or for a name that ends in .nir the network for other tools, without its grids.

        Raises InputError when the file cannot be written.
        """
        if Path(path).suffix == ".nir":
            replace_file(Path(path), self.file.nir)
            return
        from seamount.frontends.model_file.file import write_model

        write_model(self.file, path)

    def load_into(self, module: Any) -> tuple[str, ...]:
        """Give the tuned weights back to the user's own torch module; the layers that took them, by name.

        A layer takes them where it has the name and the form of a layer of the graph, and where what compilation folded
        into its weights is one factor per output. Its neurons keep their parameters. Raises InputError where no layer
        of the module fits.

        Example:
            seamount.tune(net, (x, y), sample=x[:8], steps=20, readout="sum", weight_bits=4).load_into(net)
        """
        from seamount.tuning.give_back import give_back

        return give_back(self.module, module)

    def to_dict(self) -> dict[str, Any]:
        tree = plain(self.tuning)
        return {
            "model": self.file.name,
            "file": None if self.path is None else str(self.path),
            **tree,
            "history": [dict(entry) for entry in self.history],
            "checked_entries": self.checked,
            "differing_entries": 0,
        }

    def blocks(self) -> Iterator[Block]:
        tuning = self.tuning
        columns = ("epoch", "loss", "loss held out", "accuracy held out")
        width = len(columns) if tuning.score is Score.ACCURACY else len(columns) - 1
        yield table("tuning", columns[:width], [self._row(entry)[:width] for entry in self.history])
        samples = f"{tuning.samples:,} samples of {tuning.data}, {tuning.validation:,} held out"
        yield f"tuned on {samples}; kept: epoch {tuning.best}"
        before, after = (_shown(tuning, value) for value in (tuning.before, tuning.after))
        yield f"{tuning.score.value} of the integers on the samples held out: {before} before, {after} after"
        yield f"{self.checked:,} entries of spikes, u and v compared with the simulator: 0 differ"
        if self.path is not None and self.path.suffix == ".nir":
            given = " ".join(f"--assume {word}" for word in assumed(self.file))
            yield f"{self.path}: what it does not say: {given}"
        elif self.path is not None:
            yield f"model file: {self.path}; next: seamount compile {self.path}"

    def _row(self, entry: Mapping[str, Any]) -> tuple[Any, ...]:
        loss = "" if entry["loss"] is None else f"{entry['loss']:.4f}"
        return entry["epoch"], loss, f"{entry['held_loss']:.4f}", percent(entry["score"])


def _shown(tuning: Tuning, value: float) -> str:
    return percent(value) if tuning.score is Score.ACCURACY else f"{-value:.4f}"


def assumed(file: ModelFile) -> list[str]:
    """Conventions of a whole file as --assume takes them."""
    return [f"{key}={value}" for key, value in file.meaning.default.known().items()]
