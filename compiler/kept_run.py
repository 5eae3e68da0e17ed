"""A finished run as a folder: what a report, a mapping or an energy estimate is made from.

    run.json        format, summary, accuracy of other forms of the network, names, digests
    counts.npz      the arrays of EventCounts; labels, predictions and readouts of all samples
    recording.npz   messages, spikes and v of the first few samples
    artifact/       a copy of the artifact

Same artifact, data and options, same bytes: no time, no date, no path is in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from seamount.compiler.artifact import FOLDER as ARTIFACT
from seamount.compiler.artifact import Artifact, load_artifact, write_parts
from seamount.compiler.codes import BY_VALUE, Task
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import ARRAYS, EventCounts, readout_shape
from seamount.compiler.files import write_folder
from seamount.compiler.manifest import decode, plain
from seamount.compiler.measures import Measures, answers, measured, values_of
from seamount.compiler.places import FolderKind, check_place
from seamount.compiler.program.codec import load_arrays, read_json, save_arrays
from seamount.compiler.program.folder import MANIFEST_FILE
from seamount.compiler.program.program import Program, Shape

FORMAT, VERSION, READABLE = "seamount-run", 2, (1, 2)
"""What is written, and the versions that are read."""
RUN_FILE, COUNTS_FILE, RECORDING_FILE, ARTIFACT_FOLDER = "run.json", "counts.npz", "recording.npz", "artifact"
_DIGESTED = (COUNTS_FILE, RECORDING_FILE, f"{ARTIFACT_FOLDER}/{MANIFEST_FILE}")
FOLDER = FolderKind(
    "a run",
    RUN_FILE,
    FORMAT,
    (RUN_FILE, COUNTS_FILE, RECORDING_FILE, *(f"{ARTIFACT_FOLDER}/{name}" for name in ARTIFACT.files)),
    "choose another place with -o",
)
_RECORDED = ("messages", "spikes", "v")
AGAIN = "write it again with 'seamount run ARTIFACT --data DATA -o RUN'"


class Data(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which samples were run: the name of a data set or file, without its folder, and a digest of what was used."""

    name: str
    split: str = ""
    limit: int | None = None
    seed: int | None = None
    digest: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is a file of samples, which has no splits."""
        return self.name.endswith(".npz")


class Summary(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ran, on what. unfinished: samples that did not run. clipped_inputs: values outside the stated range.
    unused_steps: of the longest sample."""

    backend: str
    data: Data
    unfinished: int = 0
    clipped_inputs: int = 0
    unused_steps: int = 0


class KeptRung(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One form of the network, as seamount/workflows/rungs.py has it. form: which; version 1 has it in the name alone,
    behind the framework's. measures, likeness: what a task beside classes
    has instead of accuracy and agreement (compiler/measures.py)."""

    name: str
    form: str = ""
    samples: int = 0
    accuracy: float | None = None
    agreement: float | None = None
    spikes_per_sample: float | None = None
    synops_per_sample: float | None = None
    exact_with: str = ""
    differing: int | None = None
    compared: int = 0
    remark: str = ""
    measures: dict[str, float] = {}
    likeness: dict[str, float] = {}

    @property
    def exact(self) -> str:
        """What was compared entry by entry, in words; empty where no exactness is promised."""
        if self.differing is None:
            return ""
        return f"{self.differing:,} of {self.compared:,} entries differ from the {self.exact_with}"


class KeptLayer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One firing layer, float against integers."""

    layer: str
    float_spikes: float
    integer_spikes: float
    correlation: float | None
    same: float


class _Body(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """run.json."""

    format: Literal["seamount-run"]
    version: Literal[1, 2]
    samples: int
    steps: int
    accuracy: float | None
    summary: Summary
    rungs: tuple[KeptRung, ...] = ()
    layers: tuple[KeptLayer, ...] = ()
    updates: dict[str, int]
    digests: dict[str, str]


@dataclass(frozen=True, eq=False)
class Recording:
    """The first samples of a run in full: port -> messages, population -> spikes (0 or 1) and v, (N, T, *shape).

    At a spike v is what the register holds after the reset.
    """

    messages: Mapping[str, NDArray[np.int32]]
    spikes: Mapping[str, NDArray[np.int8]]
    v: Mapping[str, NDArray[np.int32]]

    @property
    def samples(self) -> int:
        return len(next(iter(self.messages.values()), ()))


@dataclass(frozen=True, eq=False)
class Run:
    """An artifact, and what it did on samples.

    labels, predictions: (N,), or (N, T) with an answer per step; as compiler/measures.py has them for other tasks than
    classes. labels: None where there are none. readout: readout name -> integers as in Trace.
    rungs, layers: what `seamount check` found (seamount/workflows/rungs.py); empty after `seamount run`.
    digests: file -> sha256, filled by load_run.
    """

    artifact: Artifact
    counts: EventCounts
    labels: NDArray[Any] | None
    predictions: NDArray[Any]
    readout: Mapping[str, NDArray[np.int64]]
    recording: Recording
    summary: Summary
    rungs: tuple[KeptRung, ...] = ()
    layers: tuple[KeptLayer, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def accuracy(self) -> float | None:
        """Share of the labels that were predicted; negative ones are steps without label. None without labels, and
        where the task has none."""
        if self.labels is None or self.artifact.outputs[0].task in BY_VALUE:
            return None
        return float(np.mean((self.predictions == self.labels)[self.labels >= 0]))

    @property
    def measures(self) -> Measures:
        """Answers against labels, by the task."""
        return measured(self.artifact.outputs[0], self.predictions, self.labels)


def check_run_place(folder: Path, overwrite: bool) -> None:
    """Raise InputError when a run cannot be written there; to be asked before the run, not after."""
    check_place(folder, overwrite, FOLDER)


def save_run(run: Run, folder: Path, overwrite: bool = False) -> None:
    """Write the run as `folder`.

    Raises InputError when the folder exists and is not wholly a run (or `overwrite` is off), or on a full disk; then
    nothing is left behind.
    """
    write_folder(Path(folder), lambda draft: _write(run, draft), FOLDER, overwrite)


def _write(run: Run, folder: Path) -> None:
    (folder / ARTIFACT_FOLDER).mkdir()
    write_parts(run.artifact, folder / ARTIFACT_FOLDER)
    counted = {f"{kind}:{name}": n for kind in ARRAYS for name, n in getattr(run.counts, kind).items()}
    values = {f"readout:{name}": value for name, value in run.readout.items()}
    judged = {} if run.labels is None else {"labels": run.labels}
    if run.artifact.outputs[0].task not in BY_VALUE:  # real values are told from the readout
        judged["predictions"] = run.predictions
    save_arrays(folder / COUNTS_FILE, {**counted, **values, **judged})
    kept = {f"{part}:{name}": x for part in _RECORDED for name, x in getattr(run.recording, part).items()}
    save_arrays(folder / RECORDING_FILE, kept)
    body = {
        "format": FORMAT,
        "version": VERSION,
        "samples": run.counts.samples,
        "steps": run.counts.steps,
        "accuracy": run.accuracy,
        "summary": plain(run.summary),
        "rungs": plain(run.rungs),
        "layers": plain(run.layers),
        "updates": dict(run.counts.updates),
    }
    digests = {name: _digest((folder / name).read_bytes()) for name in _DIGESTED}
    digests[RUN_FILE] = _digest(_text(body).encode())
    (folder / RUN_FILE).write_text(_text({**body, "digests": digests}), encoding="utf-8")


def _text(tree: Mapping[str, Any]) -> str:
    return json.dumps(tree, indent=1, sort_keys=True) + "\n"


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def load_run(folder: str | Path) -> Run:
    """Read a run. Raises InputError when it is none, a file is missing, damaged or was changed, or its parts differ."""
    folder = Path(folder)
    path = folder / RUN_FILE
    with _as_run():
        if not path.is_file():
            raise InputError(Problem(str(folder), f"is no run: it has no {RUN_FILE}", AGAIN))
        body = read_json(path)
        version = body.get("version")
        if body.get("format") != FORMAT or type(version) is not int or version not in READABLE:
            found = f"format {body.get('format')!r}, version {version!r}"
            raise InputError(Problem(str(path), found, AGAIN, f"{FORMAT} {VERSION}"))
        digests = _digests(folder, body)
        artifact = load_artifact(folder / ARTIFACT_FOLDER)
        counted, kept = load_arrays(folder / COUNTS_FILE), load_arrays(folder / RECORDING_FILE)
        run = _assembled(artifact, decode(path, _Body), _grouped(counted), _grouped(kept), digests)
        problems = [Problem(str(folder), fault, AGAIN) for fault in _faults(run)]
        if problems:
            raise InputError(problems)
    return run


@contextmanager
def _as_run() -> Iterator[None]:
    """Problems of the parts with the remedy for the whole."""
    try:
        yield
    except InputError as error:
        raise InputError([Problem(p.where, p.found, AGAIN, p.limit) for p in error.problems]) from None


def _digests(folder: Path, body: dict[str, Any]) -> dict[str, str]:
    """Digest of every file, taken out of `body`. Raises InputError for each file that is not as it was written."""
    stated = body.pop("digests", None)
    stated = stated if isinstance(stated, dict) else {}
    found = {RUN_FILE: _digest(_text(body).encode())}
    problems = []
    for name in _DIGESTED:
        if (folder / name).is_file():
            found[name] = _digest((folder / name).read_bytes())
        else:
            problems.append(Problem(str(folder / name), "is missing", AGAIN))
    for name, digest in found.items():
        if stated.get(name) != digest:
            problems.append(Problem(str(folder / name), f"does not match the digest in {RUN_FILE}", AGAIN))
    if problems:
        raise InputError(problems)
    return found


def _grouped(arrays: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, NDArray[Any]]]:
    """Arrays by what stands before the colon, then by name."""
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for key, value in arrays.items():
        part, _, name = key.partition(":")
        groups.setdefault(part, {})[name] = value
    return groups


def _assembled(
    artifact: Artifact,
    body: _Body,
    counted: Mapping[str, Any],
    kept: Mapping[str, Any],
    digests: Mapping[str, str],
) -> Run:
    counts = EventCounts(
        body.samples,
        body.steps,
        counted.get("spikes", {}),
        counted.get("synops", {}),
        counted.get("sent", {}),
        body.updates,
    )
    return Run(
        artifact,
        counts,
        counted["labels"][""] if "labels" in counted else None,
        counted["predictions"][""] if "predictions" in counted else _answered(artifact, counted, body.steps),
        counted.get("readout", {}),
        Recording(*(kept.get(part, {}) for part in _RECORDED)),
        body.summary,
        tuple(map(_of_version_1, body.rungs)) if body.version == 1 else body.rungs,
        body.layers,
        digests,
    )


def _answered(artifact: Artifact, counted: Mapping[str, Any], steps: int) -> NDArray[Any]:
    """Answers told from the readout. Raises InputError where that is not the artifact's."""
    output = artifact.outputs[0]
    if output.task not in BY_VALUE:
        raise InputError(Problem(COUNTS_FILE, "has no predictions", AGAIN))
    if output.readout not in counted.get("readout", {}):
        raise InputError(Problem(COUNTS_FILE, f"has no readout '{output.readout}'", AGAIN))
    return answers(output, values_of(output, counted["readout"], steps))


def _faults(run: Run) -> Iterator[str]:
    """What in the arrays does not belong to this artifact, or to each other."""
    program, n, t = run.artifact.program, run.counts.samples, run.counts.steps
    if n < 1 or t < 1:
        yield f"{n} samples of {t} steps are no run"
        return
    sizes = {name: int(np.prod(shape, dtype=np.int64)) for name, shape in program.shapes.items()}
    projections = {q.name: (t,) for q in program.projections}
    yield from _unlike("counts of spikes", run.counts.spikes, dict.fromkeys(sizes, (t,)))
    yield from _unlike("counts of messages per neuron", run.counts.sent, {k: (size,) for k, size in sizes.items()})
    yield from _unlike("counts of synaptic operations", run.counts.synops, projections)
    shapes = {r.name: readout_shape(program, r, n, t) for r in program.readouts}
    yield from _answer_faults(run, shapes)
    yield from _unlike("readouts", run.readout, shapes)
    if run.counts.updates != {p.name: p.size * n * t for p in program.populations}:
        yield "neuron updates are not neurons x steps x samples of this artifact"
    yield from _recording_faults(program, run.recording, t)


def _answer_faults(run: Run, readouts: Mapping[str, Shape]) -> Iterator[str]:
    """What is wrong with labels and predictions."""
    output = run.artifact.outputs[0]
    lead, own = readouts[output.readout][: output.lead], readouts[output.readout][output.lead :]
    form = {Task.PIXELS: (*lead, *own[1:]), Task.VALUES: (*lead, *own), Task.NONE: (*lead, *own)}.get(output.task, lead)
    kinds = "f" if output.task in BY_VALUE else "iu"
    if run.labels is not None:
        yield from _unlike("labels", {"": run.labels}, {"": form}, kinds)
    yield from _unlike("predictions", {"": run.predictions}, {"": form}, kinds)


def _recording_faults(program: Program, recording: Recording, steps: int) -> Iterator[str]:
    lead = (recording.samples, steps)
    ports = {p.name: (*lead, *p.shape) for p in program.inputs if recording.samples}
    populations = {p.name: (*lead, *p.shape) for p in program.populations if recording.samples}
    yield from _unlike("recorded messages", recording.messages, ports)
    yield from _unlike("recorded spikes", recording.spikes, populations)
    yield from _unlike("recorded v", recording.v, populations)


def _unlike(
    what: str, arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, Shape], kinds: str = "iu"
) -> Iterator[str]:
    """Arrays whose names, shapes or kind are not the expected ones."""
    if set(arrays) != set(shapes):
        yield f"{what} are of other names than the artifact's"
        return
    for name, shape in shapes.items():
        label = f"{what} '{name}'" if name else what
        if arrays[name].shape != shape:
            yield f"{label} have shape {arrays[name].shape}, expected {shape}"
        elif arrays[name].dtype.kind not in kinds:
            wanted = "integers" if kinds == "iu" else "real numbers"
            yield f"{label} are of type {arrays[name].dtype}, expected {wanted}"


def _of_version_1(rung: KeptRung) -> KeptRung:
    """With its form: the whole name, but for the golden trace, which follows the name of a framework."""
    golden = "golden trace"
    return structs.replace(rung, form=golden if rung.name.endswith(f", {golden}") else rung.name)
