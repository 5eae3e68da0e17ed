"""Recordings in NIR's data format beside an artifact: its populations are the nodes of the same name.

Observables: of a neuron node "spikes" (bool), "v" and "u"; of an input node "spikes" where it takes spikes, else
"value" in the unit of the data. v and u are written as the integers of the registers, after the reset; a file of
another tool may hold v as real numbers in a unit of its own, and then only the correlation says something.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import payloads
from seamount.compiler.diff.recording import Record, is_record, read_record, record_of
from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.compiler.files import replace_file
from seamount.compiler.ir.notes import Convention
from seamount.compiler.kept_run import Recording
from seamount.compiler.places import check_file

Arrays = dict[str, NDArray[Any]]
SUFFIXES = (".nir", ".h5", ".hdf5")
"""Of files in NIR's data format."""
NAMES = {
    "spikes": ("spikes", "spike", "s"),
    "v": ("v", "voltage", "voltages", "membrane", "v_mem", "mem"),
    "u": ("u", "current", "i_syn"),
}
"""What observables are called, by register; NIR settles no names."""
_GRID = "record the node as TimeGriddedData"


def is_nir_data(path: str | os.PathLike[str]) -> bool:
    """Whether a path names a file in NIR's data format, by its suffix."""
    return Path(path).suffix in SUFFIXES


def check_nir_place(path: str | os.PathLike[str]) -> None:
    """Raise InputError unless the place is free or holds a recording in this format, which is replaced."""
    from seamount.frontends.nir.data_file import read_data

    place = Path(path)
    check_file(place)
    if place.exists():
        try:
            read_data(place)
        except InputError:
            found = "exists, and holds no recording in NIR's data format"
            raise InputError(Problem(str(place), found, "choose another name")) from None


def is_recording(path: Path) -> bool:
    """Whether a path names a recorded trace of any format, by its suffix."""
    return is_record(path) or is_nir_data(path)


def read_recording(path: Path, artifact: Artifact, samples: int, steps: int) -> Record:
    """A recorded trace of any format, checked against the artifact.

    samples, steps: of the messages at hand, which bound a record without messages.
    Raises InputError with everything in the file that cannot be meant.
    """
    if is_nir_data(path):
        return _read_nir(path, artifact, samples, steps)
    if not is_record(path):
        remedy = "give a .npz or .csv file, or NIR data (" + ", ".join(SUFFIXES) + ")"
        raise InputError(Problem(str(path), f"ends in '{path.suffix}'", remedy))
    return read_record(path, artifact.program, samples, steps)


def write_nir_data(path: Path, artifact: Artifact, recording: Recording) -> None:
    """Write recorded samples as NIR data: of the nodes that the trained network has, not of relays and readouts that
    the compiler added. Raises InputError when the place cannot be written."""
    from seamount.frontends.nir.data_file import data_bytes

    nodes: dict[str, Arrays] = {}
    for code in artifact.inputs:
        sent = _flat(recording.messages[code.port])
        spiking = code.coding == "spikes"
        nodes[code.port] = {"spikes": sent != 0} if spiking else {"value": sent * code.unit}
    trained = {t.population for t in artifact.analysis.thresholds}
    added = tuple(f"{code.readout}_readout" for code in artifact.outputs)
    for p in artifact.program.populations:
        if p.name in trained:
            nodes[p.name] = {"spikes": _flat(recording.spikes[p.name]) != 0, "v": _flat(recording.v[p.name])}
        elif not p.fires and not p.name.startswith(added):
            nodes[p.name] = {"v": _flat(recording.v[p.name])}
    replace_file(path, data_bytes(nodes, _dt(artifact) or 1.0))


def _read_nir(path: Path, artifact: Artifact, samples: int, steps: int) -> Record:
    from seamount.frontends.nir.data_file import Gridded, grid, read_data

    recorded = read_data(path)
    lasting = {o.dt for held in recorded.values() for o in held.values() if isinstance(o, Gridded)}
    if len(lasting) > 1:
        found = "has steps of " + " and ".join(f"{dt:g}" for dt in sorted(lasting))
        raise InputError(Problem(str(path), found, "record all nodes with the same dt"))
    dt = next(iter(lasting), None) or _dt(artifact)
    problems: list[Problem] = []
    arrays: Arrays = {}
    other_v: Arrays = {}
    for node, held in recorded.items():
        for name, observable in held.items():
            where = f"{path}, node '{node}', '{name}'"
            part = _part(artifact, node, name)
            if isinstance(part, Problem):
                problems.append(replace(part, where=where))
                continue
            if dt is None:
                problems.append(Problem(where, "holds events, and the length of a step is not known", _GRID))
                continue
            values = grid(observable, dt)
            wanted = artifact.program.shapes[node]
            if isinstance(values, str):
                problems.append(Problem(where, values, _GRID))
            elif values.shape[2] != math.prod(wanted):
                found = f"is of {values.shape[2]} neurons, the network's node has {math.prod(wanted)}"
                problems.append(Problem(where, found, "give the recording of this network"))
            elif part == "u" and values.dtype.kind == "f":
                problems.append(Problem(where, "holds real numbers", "leave it out, or record the register's integers"))
            elif part == "v" and values.dtype.kind == "f":
                other_v[node] = values.reshape(*values.shape[:2], *wanted)
            else:
                code = next((c for c in artifact.inputs if c.port == node), None)
                whole = values if code is None else payloads(code, values)
                arrays[f"{part}:{node}"] = whole.reshape(*whole.shape[:2], *wanted)
    raise_all(InputError, problems)
    record = record_of(path, artifact.program, arrays, samples, steps)
    return replace(record, other_v={k: v[: record.samples, : record.steps] for k, v in other_v.items()})


def _part(artifact: Artifact, node: str, name: str) -> str | Problem:
    """What an observable is in the artifact: a register of the node, or its messages; or why it is nothing."""
    ports = [code.port for code in artifact.inputs]
    if node in ports:
        return "messages"
    populations = [p.name for p in artifact.program.populations]
    if node not in populations:
        found = f"the program has no node '{node}', but {', '.join([*ports, *populations])}"
        return Problem("", found, "leave the node out, or give the recording of this network")
    register = next((part for part, names in NAMES.items() if name.lower() in names), None)
    if register is None:
        return Problem("", "is an observable of unknown name", f"name it {', '.join(NAMES)}, or leave it out")
    return register


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(*values.shape[:2], -1)


def _dt(artifact: Artifact) -> float | None:
    """The length of a step in seconds, where the network's conventions state one."""
    notes = artifact.manifest.model.conventions
    stated = {note.value for note in notes if isinstance(note, Convention) and note.key == "dt"}
    if len(stated) != 1:
        return None
    try:
        value = float(stated.pop())
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
