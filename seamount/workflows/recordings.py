"""Two runs beside each other: artifacts, backends, traces recorded elsewhere; and the first place where they part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.registry import load_backend
from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import Samples, encode
from seamount.compiler.diff import divergence_text
from seamount.compiler.diff.divergence import Divergence, explain
from seamount.compiler.diff.programs import program_differences
from seamount.compiler.diff.recording import Record
from seamount.compiler.diff.side import Side, compare
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import Backend, Trace
from seamount.compiler.program.program import Program
from seamount.compiler.program.verify import check as check_program
from seamount.progress import Progress, watched
from seamount.results.blocks import Block, Shown
from seamount.workflows.artifact import load_artifact
from seamount.workflows.data import Data, labelled
from seamount.workflows.nir_data import is_recording, read_recording

CHUNK_BYTES = 2**28
"""Spikes, u and v of the samples that are held at once take at most about this much memory, per side."""
EVERYTHING = frozenset({"spikes", "u", "v"})
Messages = Mapping[str, NDArray[np.integer]]


@dataclass(frozen=True, eq=False, repr=False)
class Diff(Shown):
    """Two runs, compared up to the first difference.

    divergence: the first neuron and step where spikes, u or v differ, with the arithmetic of both sides; None where
    they agree. readouts: a readout that differs although all registers agree. programs: what differs between the
    programs. entries: compared. left_out: populations whose v is recorded in another unit, and not compared.
    """

    samples: int
    steps: int
    entries: int
    divergence: Divergence | None
    readouts: Problem | None
    programs: tuple[str, ...]
    left_out: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether both runs behave the same."""
        return self.divergence is None and self.readouts is None

    def raise_if_different(self) -> None:
        """Raise CheckFailed with the first difference."""
        if self.divergence is not None:
            found = f"{divergence_text.headline(self.divergence)} ({divergence_text.cause(self.divergence)})"
            raise CheckFailed(Problem("the two runs differ", found, ""))
        if self.readouts is not None:
            raise CheckFailed(self.readouts)

    def blocks(self) -> Iterator[Block]:
        if self.divergence is not None:
            yield divergence_text.text(self.divergence).rstrip("\n")
            return
        yield f"no divergence: {self.samples} samples of {self.steps} steps, {self.entries:,} entries compared"
        if self.left_out:
            yield f"not compared, recorded in a unit of its own: v of {', '.join(self.left_out)}"
        if self.programs:
            yield "the programs differ"
            yield from (f"  {line}" for line in self.programs)

    def to_dict(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "steps": self.steps,
            "equal": self.equal,
            "divergence": None if self.divergence is None else divergence_text.as_json(self.divergence),
            "readouts": None if self.readouts is None else str(self.readouts),
            "programs": self.programs,
        }


def diff(
    a: Any,
    b: Any,
    data: Data | None = None,
    *,
    steps: int | None = None,
    limit: int | None = None,
    backend_a: str | Backend = "vectorized",
    backend_b: str | Backend = "vectorized",
    silicon: bool = False,
    progress: Progress = None,
) -> Diff:
    """Run A and B on the same samples and explain the first difference in spikes, u or v.

    a          an artifact, or its path
    b          an artifact, its path, or the path of a recorded trace (.npz, .csv, or NIR data)
    data       samples; default: the messages in the recorded trace if it has any, else the test vectors of A
    steps, limit          at most so many steps and samples
    backend_a, backend_b  what runs each side
    silicon    in a recorded trace, v reads 128 where a neuron spiked, as on a chip

    Raises InputError for what cannot be used. A difference is in the result; `.raise_if_different()` raises it.

    Example:
        print(seamount.diff("a.seamount", "b.seamount"))
    """
    label, first = named(a, "A")
    if label and is_recording(Path(label)):
        raise InputError(Problem(label, "is a recorded trace", "give the artifact first, then the trace"))
    first = load_artifact(label) if first is None else first
    check_program(first.program)
    x = None if data is None else labelled(data, steps or first.steps).x
    sent = sent_to(first, label or "A", x, steps, limit)
    left = _Run(f"{label} on {_name(backend_a)}", first.program, _backend(backend_a), sent)
    right: _Run | _Recorded
    other, second = named(b, "B")
    if second is None and is_recording(Path(other)):
        record = read_recording(Path(other), first, *extent(sent))
        if record.messages and x is None:
            held = {name: values[:limit, :steps] for name, values in record.messages.items()}
            left = _Run(left.label, left.program, left.backend, held)
        right = _Recorded(record, record.side(first.program, left.messages, silicon))
    else:
        second = load_artifact(other) if second is None else second
        check_program(second.program)
        own = sent if x is None else sent_to(second, other or "B", x, steps or first.steps, limit)
        right = _Run(f"{other} on {_name(backend_b)}", second.program, _backend(backend_b), own)
    return _Comparison(left, right, progress).made()


def named(given: Any, letter: str) -> tuple[str, Artifact | None]:
    """(what to call a side, the artifact if it was given itself)."""
    if isinstance(given, str | os.PathLike):
        return os.fspath(given), None
    if isinstance(given, Artifact):
        return letter, given
    found = f"is a {type(given).__name__}"
    raise InputError(Problem(letter, found, "give an artifact, its path, or the path of a recorded trace"))


def _name(backend: str | Backend) -> str:
    return backend if isinstance(backend, str) else backend.name


def _backend(backend: str | Backend) -> Backend:
    return load_backend(backend) if isinstance(backend, str) else backend


def sent_to(artifact: Artifact, name: str, x: Samples | None, steps: int | None, limit: int | None) -> Messages:
    """Messages of the samples x, or those of the artifact's test vectors; at most so many steps and samples."""
    if x is not None:
        return encode(artifact.inputs, x, steps or artifact.steps)
    vectors = artifact.vectors.messages
    if not vectors:
        raise InputError(Problem(name, "has no test vectors", "give --data, or compile again"))
    held = extent(vectors)[1]
    if steps is not None and steps > held:
        raise InputError(Problem("--steps", f"the test vectors last {held} steps", "give --data, or fewer steps"))
    return {name: values[:limit, :steps] for name, values in vectors.items()}


def extent(sent: Messages) -> tuple[int, int]:
    """(samples, steps) of messages."""
    shape = next(iter(sent.values())).shape
    return shape[0], shape[1]


@dataclass(frozen=True, eq=False)
class _Run:
    """A side that is run when it is needed."""

    label: str
    program: Program
    backend: Backend
    messages: Messages

    def side(self, cut: slice) -> tuple[Side, Trace]:
        part = {name: values[cut] for name, values in self.messages.items()}
        trace = self.backend.run(self.program, part, record=EVERYTHING)
        return Side.of_run(self.label, self.program, part, trace), trace


@dataclass(frozen=True, eq=False)
class _Recorded:
    """A side that was recorded elsewhere."""

    record: Record
    whole: Side
    program: None = None

    def side(self, cut: slice) -> tuple[Side, None]:
        return self.whole.part(cut), None


class _Comparison:
    """Both sides, compared a few samples at a time up to the first difference."""

    def __init__(self, a: _Run, b: _Run | _Recorded, progress: Progress) -> None:
        self.a, self.b, self.progress = a, b, progress
        self.samples, self.steps = extent(a.messages)
        if isinstance(b, _Recorded):
            self.samples, self.steps = min(self.samples, b.record.samples), min(self.steps, b.record.steps)
        self.entries = 0

    def made(self) -> Diff:
        found = self.find()
        programs = () if self.b.program is None else program_differences(self.a.program, self.b.program)
        divergence = found if isinstance(found, Divergence) else None
        readouts = found if isinstance(found, Problem) else None
        left_out = tuple(self.b.record.other_v) if isinstance(self.b, _Recorded) else ()
        return Diff(self.samples, self.steps, self.entries, divergence, readouts, programs, left_out)

    def find(self) -> Divergence | Problem | None:
        """The first divergence, or else a readout that differs."""
        neurons = sum(p.size for p in self.a.program.populations)
        size = max(1, CHUNK_BYTES // (9 * neurons * self.steps))
        readouts: Problem | None = None
        with watched(self.progress, "diff") as tick:
            for start in range(0, self.samples, size):
                cut = slice(start, min(start + size, self.samples))
                left, left_trace = self.a.side(cut)
                right, right_trace = self.b.side(cut)
                compared = compare(left, right)
                found = explain(left, right, compared, start)
                if found is not None:
                    return found
                self.entries += sum(c.entries for c in compared)
                if right_trace is not None and readouts is None:
                    readouts = _readouts(left_trace, right_trace, start)
                tick(cut.stop, self.samples)
        return readouts


def _readouts(a: Trace, b: Trace, start: int) -> Problem | None:
    """The first readout that differs although all registers agree: the programs read them in different ways."""
    for name in a.readout:
        left, right = a.readout[name], b.readout.get(name)
        if right is None or left.shape != right.shape:
            return Problem(f"readout '{name}'", "the two programs do not both have it", "compare the same network")
        if not np.array_equal(left, right):
            at = tuple(int(i) for i in np.argwhere(left != right)[0])
            found = f"sample {start + at[0]}, entry {list(at[1:])}: {int(left[at])} against {int(right[at])}"
            return Problem(f"readout '{name}'", f"{found}; all spikes, u and v agree", "")
    return None
