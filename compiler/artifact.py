"""The compiled artifact: a folder that runs with numpy alone, and says what is in it.

    manifest.json   format, target, conventions, passes, encoding, quantization, digests
    program.json    structure of the integer program        arrays.npz    its arrays
    vectors.npz     test vectors: messages and what the program answers
    analysis.json   weights and thresholds before and after quantization, for the report

Same input, same bytes. Written beside its place and then renamed, so that no half artifact is ever seen.
Runs on Python 3.10 with numpy alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.codes import InputCode, OutputCode, code_from
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.files import digest, write_folder
from seamount.compiler.places import FolderKind
from seamount.compiler.program.codec import (
    ARRAYS_FILE,
    PROGRAM_FILE,
    load_arrays,
    read_json,
    read_program,
    save_arrays,
    write_program,
)
from seamount.compiler.program.program import Program

FORMAT, VERSION = "seamount-artifact", 1
MANIFEST_FILE, VECTORS_FILE, ANALYSIS_FILE = "manifest.json", "vectors.npz", "analysis.json"
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

    analysis: what only the compiler saw (compiler/analysis/distributions.py); may be empty.
    """

    program: Program
    inputs: tuple[InputCode, ...]
    outputs: tuple[OutputCode, ...]
    manifest: Mapping[str, Any]
    vectors: Vectors
    analysis: Mapping[str, Any] = field(default_factory=dict)

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
    analysis = json.dumps(artifact.analysis, sort_keys=True, allow_nan=False) + "\n"
    (folder / ANALYSIS_FILE).write_text(analysis, encoding="utf-8")
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        **artifact.manifest,
        "inputs": [asdict(c) for c in artifact.inputs],
        "outputs": [asdict(c) for c in artifact.outputs],
        "digests": {name: digest(folder / name) for name in _DIGESTED},
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (folder / MANIFEST_FILE).write_text(text, encoding="utf-8")


def load_artifact(folder: str | Path) -> Artifact:
    """Read an artifact. Raises InputError when a file is missing, damaged or was changed after it was written."""
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST_FILE)
    where = str(folder / MANIFEST_FILE)
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        found = f"format {manifest.get('format')!r}, version {manifest.get('version')!r}"
        raise InputError(Problem(where, found, "compile the model again", f"{FORMAT} {VERSION}"))
    digests = manifest.get("digests")
    problems = []
    for name in _DIGESTED:
        if not (folder / name).is_file():
            problems.append(Problem(str(folder / name), "is missing", "compile the model again"))
        elif not isinstance(digests, dict) or digest(folder / name) != digests.get(name):
            found = "does not match the digest in the manifest"
            problems.append(Problem(str(folder / name), found, "it was changed or damaged: compile again"))
    if problems:
        raise InputError(problems)
    program = read_program(folder)
    try:
        inputs = tuple(code_from(tree) for tree in manifest["inputs"])
        outputs = tuple(OutputCode(**tree) for tree in manifest["outputs"])
    except (KeyError, TypeError) as error:
        raise InputError(Problem(where, f"is damaged: {error}", "compile the model again")) from None
    return Artifact(program, inputs, outputs, manifest, _vectors(folder), read_json(folder / ANALYSIS_FILE))


def _vectors(folder: Path) -> Vectors:
    groups: dict[str, dict[str, Any]] = {"messages": {}, "spikes": {}, "readout": {}}
    for key, value in load_arrays(folder / VECTORS_FILE).items():
        part, _, name = key.partition(":")
        groups.setdefault(part, {})[name] = value
    return Vectors(groups["messages"], groups["spikes"], groups["readout"])
