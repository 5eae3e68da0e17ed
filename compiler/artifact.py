"""The compiled artifact: a folder that runs with numpy alone, and says what is in it.

    manifest.json   format, target, conventions, passes, encoding, quantization, digests (compiler/manifest.py)
    program.json    structure of the integer program        arrays.npz    its arrays
    vectors.npz     test vectors: messages and what the program answers
    analysis.json   weights and thresholds before and after quantization, for the report

Same input, same bytes. Written beside its place and then renamed, so that no half artifact is ever seen.
A Lava host reads the program alone (compiler/program/folder.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import InputCode, OutputCode
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import readout_shape
from seamount.compiler.files import digest, write_folder
from seamount.compiler.manifest import Analysis, Manifest, Stored, decode, plain, read_stored, tree_of
from seamount.compiler.places import FolderKind
from seamount.compiler.program.codec import (
    ARRAYS_FILE,
    PROGRAM_FILE,
    load_arrays,
    read_program,
    save_arrays,
    write_program,
)
from seamount.compiler.program.folder import FORMAT, MANIFEST_FILE, check_digests, read_manifest
from seamount.compiler.program.program import Program, Shape
from seamount.compiler.program.verify import check_stored

VECTORS_FILE, ANALYSIS_FILE = "vectors.npz", "analysis.json"
_DIGESTED = (PROGRAM_FILE, ARRAYS_FILE, VECTORS_FILE, ANALYSIS_FILE)
FOLDER = FolderKind("an artifact", MANIFEST_FILE, FORMAT, (MANIFEST_FILE, *_DIGESTED), "choose another place with -o")


@dataclass(frozen=True, eq=False)
class Vectors:
    """Test vectors: messages per input port, expected spikes per firing population, expected readouts."""

    messages: Mapping[str, NDArray[np.int32]]
    spikes: Mapping[str, NDArray[np.int8]]
    readout: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Artifact:
    """A program with everything a user needs to run it: how to encode data, how to read the answer, and why.

    analysis: what only the compiler saw; may be empty.
    """

    program: Program
    inputs: tuple[InputCode, ...]
    outputs: tuple[OutputCode, ...]
    manifest: Manifest
    vectors: Vectors
    analysis: Analysis = field(default_factory=Analysis)

    @property
    def steps(self) -> int:
        return self.program.steps


def save_artifact(artifact: Artifact, folder: Path, overwrite: bool = False) -> None:
    """Write the artifact as `folder`.

    Raises InputError when the folder exists and is not wholly an artifact (or `overwrite` is off), or on a full disk;
    then nothing is left behind.
    """
    write_folder(Path(folder), lambda draft: write_parts(artifact, draft), FOLDER, overwrite)


def write_parts(artifact: Artifact, folder: Path) -> None:
    """Write the files of an artifact into a folder that is a draft already."""
    write_program(artifact.program, folder)
    v = artifact.vectors
    parts: dict[str, Mapping[str, NDArray[Any]]] = {"messages": v.messages, "spikes": v.spikes, "readout": v.readout}
    arrays = {f"{part}:{name}": value for part, group in parts.items() for name, value in group.items()}
    save_arrays(folder / VECTORS_FILE, arrays)
    analysis = json.dumps(plain(artifact.analysis), sort_keys=True, allow_nan=False) + "\n"
    (folder / ANALYSIS_FILE).write_text(analysis, encoding="utf-8")
    stored = Stored(manifest=artifact.manifest, inputs=artifact.inputs, outputs=artifact.outputs)
    manifest = tree_of(stored, {name: digest(folder / name) for name in _DIGESTED})
    text = json.dumps(manifest, indent=1, sort_keys=True, allow_nan=False) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def load_artifact(folder: str | Path) -> Artifact:
    """Read an artifact. Raises InputError when a file is missing, damaged or was changed after it was written."""
    folder = Path(folder)
    check_digests(folder, read_manifest(folder), _DIGESTED)
    stored = read_stored(folder / MANIFEST_FILE)
    program = read_program(folder)
    check_stored(program, str(folder / PROGRAM_FILE))
    analysis = decode(folder / ANALYSIS_FILE, Analysis)
    artifact = Artifact(program, stored.inputs, stored.outputs, stored.manifest, _vectors(folder), analysis)
    faults = [Problem(str(folder / name), found, "compile the model again") for name, found in _faults(artifact)]
    if faults:
        raise InputError(faults)
    return artifact


def _vectors(folder: Path) -> Vectors:
    groups: dict[str, dict[str, Any]] = {"messages": {}, "spikes": {}, "readout": {}}
    for key, value in load_arrays(folder / VECTORS_FILE).items():
        part, _, name = key.partition(":")
        groups.setdefault(part, {})[name] = value
    return Vectors(groups["messages"], groups["spikes"], groups["readout"])


def _faults(artifact: Artifact) -> Iterator[tuple[str, str]]:
    """(file, what in it does not belong to the program)."""
    program = artifact.program
    ports = {p.name: p.shape for p in program.inputs}
    if {c.port: c.shape for c in artifact.inputs} != ports or len(artifact.inputs) != len(ports):
        yield MANIFEST_FILE, "is damaged: its inputs are not those of the program"
    if sorted(c.readout for c in artifact.outputs) != sorted(r.name for r in program.readouts):
        yield MANIFEST_FILE, "is damaged: its outputs are not the readouts of the program"
    for unit in (*(c.unit for c in artifact.inputs), *(c.unit for c in artifact.outputs)):
        if not 0 < unit < float("inf"):
            yield MANIFEST_FILE, f"is damaged: a unit of {unit:g} is not a positive number"
    for c in artifact.inputs:
        if not float("-inf") < c.low < c.high < float("inf"):
            yield MANIFEST_FILE, f"is damaged: input '{c.port}' takes values from {c.low:g} to {c.high:g}"
    yield from ((VECTORS_FILE, f"is damaged: {found}") for found in _vector_faults(program, artifact.vectors))


def _vector_faults(program: Program, vectors: Vectors) -> Iterator[str]:
    """What in the test vectors does not belong to the program; there may be none."""
    first = next(iter(vectors.messages.values()), None)
    if first is None:
        return
    lead = first.shape[:2]
    if len(lead) < 2 or 0 in lead:
        yield f"its messages have shape {first.shape}"
        return
    shapes = program.shapes
    kept = {p.name: (*lead, *p.shape) for p in program.populations if p.fires or p.name in vectors.spikes}
    yield from _unlike("messages", vectors.messages, {p.name: (*lead, *shapes[p.name]) for p in program.inputs})
    yield from _unlike("spikes", vectors.spikes, kept)
    yield from _unlike("readout", vectors.readout, {r.name: readout_shape(program, r, *lead) for r in program.readouts})


def _unlike(what: str, arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, Shape]) -> Iterator[str]:
    """Arrays whose names, shapes or kind are not the expected ones."""
    if set(arrays) != set(shapes):
        yield f"{what} are of other names than the program's"
        return
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind not in "iu":
            found = f"{arrays[name].dtype} of shape {arrays[name].shape}"
            yield f"{what} '{name}' are {found}, expected integers of {shape}"
