"""The public artifact: a compiled network that runs on data of any form."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import Any

import seamount.compiler.artifact as artifacts
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import Backend
from seamount.compiler.kept_run import ARTIFACT_FOLDER, RUN_FILE
from seamount.progress import Progress
from seamount.workflows.run import Run
from seamount.workflows.runner import run as run_artifact


class Artifact(artifacts.Artifact):
    """A compiled network: an integer program with everything that is needed to run it and to read its answers.

    program: the integers. inputs, outputs: how data become messages and integers become values. manifest: target,
    options, passes, notes. vectors: test vectors. analysis: what only the compiler saw.
    """

    @classmethod
    def of(cls, found: artifacts.Artifact) -> Artifact:
        """The same artifact with the methods of this class."""
        return found if isinstance(found, cls) else cls(**{f.name: getattr(found, f.name) for f in fields(found)})

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the artifact as a folder; the same artifact gives the same bytes.

        Raises InputError when the folder exists and is not an artifact (or `overwrite` is off), or on a full disk;
        then nothing is left behind.

        Example:
            artifact.save("net.seamount")
        """
        artifacts.save_artifact(self, Path(path), overwrite)

    def run(
        self,
        x: Any,
        y: Any = None,
        *,
        steps: int | None = None,
        batch_size: int | None = None,
        backend: str | Backend = "auto",
        record: Collection[str] = (),
        lengths: Any = None,
        progress: Progress = None,
    ) -> Run:
        """Run the integers on data.

        x           (N, *shape) where a sample is shown unchanged at each step, (N, T, *shape) where it is a sequence:
                    a numpy array, a tensor, or a mapping of them by input; a torch Dataset or DataLoader, or any
                    iterable of batches x or (x, y), each with N first
        y           class numbers (N,), or (N, T) for an answer per step, negative where a step has none; (N, *pixels);
                    names of classes; real values in the form of the output, whichever the task has; default: those of
                    the batches, or none
        steps       T; default: what the network was compiled for
        batch_size  samples handed to the backend at once
        backend     "auto" (the fastest installed one that pays), a name of `seamount.backends()`, or a Backend
        record      "spikes", "u", "v": kept in full in the result, for every layer, step and sample
        lengths     (N,): steps of each sample, where they differ and the arrays x are padded; each runs its own length
        progress    None: a bar where somebody watches; False; or a function (what, done, in all)

        Raises InputError for data that do not fit the network, CheckFailed where the backend fails.

        Example:
            run = artifact.run(x_test, y_test, record=["spikes"])
            run.accuracy, run.spikes["lif1"].shape
        """
        made = run_artifact(
            self,
            x,
            y,
            steps=steps,
            batch_size=batch_size,
            backend=backend,
            record=record,
            lengths=lengths,
            progress=progress,
        )
        if made.stopped is not None:
            raise made.stopped
        return made

    def __repr__(self) -> str:
        about, program = self.manifest, self.program
        layers = ", ".join(f"{p.name} {'x'.join(map(str, p.shape))}" for p in program.populations[:6])
        more = f" and {len(program.populations) - 6} more" if len(program.populations) > 6 else ""
        bits = "" if about.options is None else f" of {about.options.weight_bits} bits"
        weights = sum(int(q.connection.weight.size) for q in program.projections)
        return (
            f"Artifact '{about.model.name}' for {about.target.name}, T = {self.steps}\n"
            f"  {sum(p.size for p in program.populations):,} neurons: {layers}{more}\n"
            f"  {weights:,} weights{bits} in "
            f"{len(program.projections)} projections"
        )

    __str__ = __repr__


def load_artifact(path: str | os.PathLike[str]) -> Artifact:
    """Read an artifact that `Artifact.save` or `seamount compile` wrote.

    Raises InputError when a file is missing, damaged or was changed after it was written.

    Example:
        artifact = seamount.load_artifact("net.seamount")
    """
    place = Path(path)
    if place.suffix in (".pt", ".nir", ".net") and place.is_file():
        found = "is a model, not an artifact"
        raise InputError(Problem(str(place), found, f"compile it first: seamount compile {place}"))
    if place.is_dir() and (place / RUN_FILE).is_file():
        found = "is a kept run, not an artifact"
        raise InputError(Problem(str(place), found, f"its artifact is {place / ARTIFACT_FOLDER}"))
    return Artifact.of(artifacts.load_artifact(place))
