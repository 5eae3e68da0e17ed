"""seamount diff: the first place where two runs part, explained in integers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from seamount.backends.registry import load_backend
from seamount.cli import options as o
from seamount.cli.console import out, progress
from seamount.compiler.artifact import load_artifact
from seamount.compiler.diff import divergence_text
from seamount.compiler.diff.divergence import Divergence, explain
from seamount.compiler.diff.programs import program_differences
from seamount.compiler.diff.recording import Record, is_record, read_record
from seamount.compiler.diff.side import Side, compare
from seamount.compiler.errors import CheckFailed, InputError, Problem
from seamount.compiler.execution import Backend, Trace
from seamount.compiler.files import write_json
from seamount.compiler.places import check_outputs
from seamount.compiler.program.program import Program
from seamount.compiler.program.verify import check as check_program
from seamount.workflows.load import load_data
from seamount.workflows.recordings import Messages, extent, sent_to

CHUNK_BYTES = 2**28
"""Spikes, u and v of the samples that are held at once take at most about this much memory, per side."""
EVERYTHING = frozenset({"spikes", "u", "v"})
BackendOf = Annotated[str, typer.Option(help="vectorized, reference or lava.")]
Silicon = Annotated[
    bool, typer.Option("--silicon", help="In a recorded trace, v reads 128 where a neuron spiked, as on a chip.")
]


def diff(
    a: Annotated[Path, typer.Argument(help="An artifact.")],
    b: Annotated[Path, typer.Argument(help="An artifact, or a recorded trace (.npz or .csv).")],
    data: o.DataName = None,
    split: o.Split = "test",
    steps: o.Steps = None,
    limit: o.Limit = None,
    backend_a: BackendOf = "vectorized",
    backend_b: BackendOf = "vectorized",
    silicon: Silicon = False,
    seed: o.Seed = None,
    data_folder: o.DataFolder = None,
    json: o.Json = None,
    quiet: o.Quiet = False,
) -> None:
    """Run A and B on the same samples and explain the first difference in spikes, u or v.

    Without --data: on the messages in the recorded trace if it has any, else on the test vectors of A.
    Exit code 0 when they behave the same, 1 when they do not.
    """
    check_outputs([a, b, data], {"--json": json})
    if is_record(a):
        raise InputError(Problem(str(a), "is a recorded trace", "give the artifact first, then the trace"))
    first = load_artifact(a)
    check_program(first.program)
    x = None if data is None else load_data(data, split, data_folder, limit, seed, steps or first.steps).x
    sent = sent_to(first, a, x, steps, limit)
    left = _Run(f"{a} on {backend_a}", first.program, load_backend(backend_a), sent)
    right: _Run | _Recorded
    if is_record(b):
        record = read_record(b, first.program, *extent(sent))
        if record.messages and x is None:
            held = {name: values[:limit, :steps] for name, values in record.messages.items()}
            left = _Run(left.label, left.program, left.backend, held)
        right = _Recorded(record, record.side(first.program, left.messages, silicon))
    else:
        second = load_artifact(b)
        check_program(second.program)
        own = sent if x is None else sent_to(second, b, x, steps or first.steps, limit)
        right = _Run(f"{b} on {backend_b}", second.program, load_backend(backend_b), own)
    _Comparison(left, right, quiet).report(json)


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

    def __init__(self, a: _Run, b: _Run | _Recorded, quiet: bool) -> None:
        self.a, self.b, self.quiet = a, b, quiet
        self.samples, self.steps = extent(a.messages)
        if isinstance(b, _Recorded):
            self.samples, self.steps = min(self.samples, b.record.samples), min(self.steps, b.record.steps)
        self.entries = 0

    def report(self, json: Path | None) -> None:
        """Print and write what was found. Raises CheckFailed when there is a difference."""
        found = self.find()
        programs = () if self.b.program is None else program_differences(self.a.program, self.b.program)
        if json is not None:
            write_json(json, self.as_json(found, programs))
        if not self.quiet:
            out.print(self.text(found, programs), markup=False, soft_wrap=True, end="")
        if isinstance(found, Divergence):
            raise CheckFailed(
                Problem(
                    "the two runs differ", f"{divergence_text.headline(found)} ({divergence_text.cause(found)})", ""
                )
            )
        if found is not None:
            raise CheckFailed(found)

    def find(self) -> Divergence | Problem | None:
        """The first divergence, or else a readout that differs."""
        neurons = sum(p.size for p in self.a.program.populations)
        size = max(1, CHUNK_BYTES // (9 * neurons * self.steps))
        readouts: Problem | None = None
        with progress("diff", self.quiet) as tick:
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

    def text(self, found: Divergence | Problem | None, programs: tuple[str, ...]) -> str:
        if isinstance(found, Divergence):
            return divergence_text.text(found)
        lines = [f"no divergence: {self.samples} samples of {self.steps} steps, {self.entries:,} entries compared"]
        if programs:
            lines += ["the programs differ", *(f"  {line}" for line in programs)]
        return "\n".join(lines) + "\n"

    def as_json(self, found: Divergence | Problem | None, programs: tuple[str, ...]) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "steps": self.steps,
            "equal": found is None,
            "divergence": divergence_text.as_json(found) if isinstance(found, Divergence) else None,
            "readouts": str(found) if isinstance(found, Problem) else None,
            "programs": programs,
        }


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
