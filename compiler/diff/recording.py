"""Traces recorded elsewhere, on a board or in another simulator, as a side to compare with.

npz: arrays "spikes:POPULATION", and optionally "v:POPULATION", "u:POPULATION" and "messages:PORT", each of shape
(N, T, *shape), or (T, *shape) for a single sample. A file with messages is compared on them; otherwise the caller's
messages are run, of which the record may hold fewer samples and steps.

csv: a header and one event per line (recorded_csv.py).

Time is local in both: step 0 of a population is the first step of a sample in which its input can arrive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.diff.recording_csv import Events, read_events
from seamount.compiler.diff.side import Side
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.program.codec import load_arrays
from seamount.compiler.program.program import Program, Shape

Arrays = Mapping[str, NDArray[np.int64]]
PARTS = ("spikes", "u", "v", "messages")
SUFFIXES = (".npz", ".csv")
V_AT_SPIKE = 128
"""What the register of v reads on a chip in a step with a spike (lava issue 282, and recordings); the state is 0."""
AGAIN = "record or convert the trace again"


@dataclass(frozen=True, eq=False)
class Record:
    """A recorded trace: (N, T, *shape) integers per population, checked against a program.

    known: (population, register) -> mask of the entries that the file gives, where it does not give all of them.
    messages: those in the file; empty when there are none. other_v: membranes in another unit than the register's, real
    numbers, which can be compared by correlation only.
    """

    path: Path
    samples: int
    steps: int
    spikes: Arrays
    u: Arrays = field(default_factory=dict)
    v: Arrays = field(default_factory=dict)
    messages: Arrays = field(default_factory=dict)
    known: Mapping[tuple[str, str], NDArray[np.bool_]] = field(default_factory=dict)
    other_v: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def side(self, program: Program, messages: Mapping[str, NDArray[Any]], silicon: bool = False) -> Side:
        """As a side to compare. silicon: v reads 128 at a spike, and means what the reset leaves there."""
        v = {
            name: _without_marks(program, name, self.spikes, kept) if silicon else kept for name, kept in self.v.items()
        }
        return Side(str(self.path), self.spikes, self.u, v, self.messages or messages, None, self.known)


def is_record(path: Path) -> bool:
    """Whether a path names a recorded trace, by its suffix."""
    return path.suffix in SUFFIXES


def read_record(path: Path, program: Program, samples: int, steps: int) -> Record:
    """Read a recorded trace of a program. samples, steps: of the messages at hand, which bound the record.

    Raises InputError with everything in the file that cannot be meant.
    """
    if path.suffix == ".csv":
        return _from_events(path, program, samples, steps, read_events(path, program, samples, steps))
    if path.suffix != ".npz":
        found = f"ends in '{path.suffix}'"
        raise InputError(Problem(str(path), found, "give a .npz or .csv file"))
    return record_of(path, program, _load(path), samples, steps)


def record_of(path: Path, program: Program, arrays: Mapping[str, NDArray[Any]], samples: int, steps: int) -> Record:
    """A record from arrays named as in a .npz file; `path` says where they are from. Raises as read_record."""
    groups: dict[str, dict[str, NDArray[np.int64]]] = {part: {} for part in PARTS}
    problems: list[Problem] = []
    for key, values in arrays.items():
        part, _, name = key.partition(":")
        fault = _key_fault(program, part, name)
        if not fault:
            found = _series(values, program.shapes[name])
            if isinstance(found, str):
                fault = found
            else:
                groups[part][name] = found
        if fault:
            problems.append(Problem(f"{path}, array '{key}'", fault, AGAIN))
    if not problems:
        problems += _extent_faults(path, program, groups, samples, steps)
    if problems:
        raise InputError(problems)
    held = next(iter(groups["spikes"].values())).shape
    return Record(path, held[0], held[1], groups["spikes"], groups["u"], groups["v"], groups["messages"])


def _load(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return load_arrays(path)
    except InputError as error:
        raise InputError([Problem(p.where, p.found, AGAIN, p.limit) for p in error.problems]) from None


def _key_fault(program: Program, part: str, name: str) -> str:
    populations, ports = [p.name for p in program.populations], [i.name for i in program.inputs]
    if part not in PARTS:
        return "is none of spikes:, u:, v:, messages:"
    names = ports if part == "messages" else populations
    if name not in names:
        kind = "input port" if part == "messages" else "population"
        return f"the program has no {kind} '{name}', but {', '.join(names)}"
    return ""


def _series(values: NDArray[Any], shape: Shape) -> NDArray[np.int64] | str:
    """(N, T, *shape) integers, or what is wrong."""
    if values.ndim == len(shape) + 1:
        values = values[None]
    if values.ndim != len(shape) + 2 or values.shape[2:] != shape:
        wanted = ", ".join(map(str, shape))
        return f"has shape {values.shape}, expected (N, T, {wanted}) or (T, {wanted})"
    if 0 in values.shape[:2]:
        return f"has shape {values.shape}: no sample or no step"
    if values.dtype.kind not in "iubf":
        return f"is of type {values.dtype}, expected integers"
    if values.dtype.kind == "f" and not np.all(np.isfinite(values) & (values == np.rint(values))):
        return "has values that are no integers"
    if float(values.min()) < -(2**31) or float(values.max()) >= 2**31:
        return f"reaches from {values.min():g} to {values.max():g}, beyond 32 bits"
    return values.astype(np.int64)


def _extent_faults(
    path: Path, program: Program, groups: Mapping[str, Arrays], samples: int, steps: int
) -> Iterator[Problem]:
    """Faults in the number of samples and steps, and in the values of spikes."""
    if not groups["spikes"]:
        yield Problem(str(path), "holds no spikes", "record at least one population as 'spikes:NAME'")
        return
    extents = {values.shape[:2] for part in PARTS for values in groups[part].values()}
    if len(extents) > 1:
        found = "its arrays have different N, T: " + ", ".join(f"{n}, {t}" for n, t in sorted(extents))
        yield Problem(str(path), found, AGAIN)
        return
    n, t = next(iter(extents))
    if groups["messages"]:
        missing = [port.name for port in program.inputs if port.name not in groups["messages"]]
        if missing:
            yield Problem(str(path), f"lacks messages of {', '.join(missing)}", "record all input ports, or none")
    elif n > samples or t > steps:
        found = f"holds {n} samples of {t} steps, the messages at hand are {samples} of {steps}"
        yield Problem(
            str(path), found, "put the messages into the file, as 'messages:PORT', or give the --data it used"
        )
    for name, values in groups["spikes"].items():
        if not np.all((values == 0) | (values == 1)):
            found = f"reaches from {values.min()} to {values.max()}"
            yield Problem(f"{path}, array 'spikes:{name}'", found, "spikes are 0 or 1")


def _from_events(path: Path, program: Program, samples: int, steps: int, events: Events) -> Record:
    """Events as arrays. A population that the file mentions was recorded; u and v only where the file says so."""
    shapes = program.shapes
    spikes = {name: np.zeros((samples, steps, *shapes[name]), np.int64) for name in events.populations}
    registers: dict[str, dict[str, NDArray[np.int64]]] = {"s": spikes, "u": {}, "v": {}}
    known: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for (name, register), (at, values) in events.entries.items():
        kept = registers[register].setdefault(name, np.zeros((samples, steps, *shapes[name]), np.int64))
        kept.reshape(-1)[at] = values
        if register != "s":
            known[name, register] = np.zeros(kept.shape, np.bool_)
            known[name, register].reshape(-1)[at] = True
    return Record(path, samples, steps, spikes, registers["u"], registers["v"], {}, known)


def _without_marks(program: Program, name: str, spikes: Arrays, v: NDArray[np.int64]) -> NDArray[np.int64]:
    """v with 0 for the 128 that a chip shows at a spike. Other resets than to zero are microcode: left alone."""
    if name not in spikes or program.population(name).reset != "zero":
        return v
    return np.where((spikes[name] == 1) & (v == V_AT_SPIKE), max(0, program.population(name).v_min), v)
