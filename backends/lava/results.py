"""From recordings to a Trace, and a Trace as a file, so that it can pass from Lava's Python to Seamount's.

Runs on both sides: Python 3.10 and numpy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.lava.recorder import Recorder
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.execution import ARRAYS, EventCounts, Trace, combine, join_counts
from seamount.compiler.files import write_file
from seamount.compiler.program.codec import load_arrays
from seamount.compiler.program.program import Program, synapses

Arrays = Mapping[str, NDArray[Any]]
COUNTS = (*ARRAYS, "updates")
PARTS = ("readout", "spikes", "u", "v")


def registers_needed(program: Program, record: frozenset[str]) -> dict[str, frozenset[str]]:
    """Population -> which of u and v have to be recorded: what was asked for, and what a readout reads."""
    wanted = {p.name: set(record & {"u", "v"}) for p in program.populations}
    for r in program.readouts:
        wanted[r.population] |= {r.register} & {"u", "v"}
    return {name: frozenset(kept) for name, kept in wanted.items()}


def make_trace(program: Program, messages: Arrays, recorders: Mapping[str, Recorder], record: frozenset[str]) -> Trace:
    """The trace of a finished graph."""
    samples, steps = next(iter(messages.values())).shape[:2]

    def windows(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(samples, steps, *values.shape[1:])

    spikes = {name: windows(r.spikes) for name, r in recorders.items()}
    registers = {(n, k): windows(a) for n, r in recorders.items() for k, a in r.registers.items()}
    readout = {}
    for r in program.readouts:
        series = spikes[r.population] if r.register == "s" else registers[r.population, r.register]
        readout[r.name] = combine(r, series.astype(np.int64))
    return Trace(
        counts=_count(program, messages, spikes),
        readout=readout,
        spikes=spikes if "spikes" in record else {},
        u={n: a for (n, k), a in registers.items() if k == "u" and "u" in record},
        v={n: a for (n, k), a in registers.items() if k == "v" and "v" in record},
    )


def _count(program: Program, messages: Arrays, spikes: Arrays) -> EventCounts:
    """Exact counts; a message later than step T - lag of its sample reaches nobody."""
    samples, steps = next(iter(messages.values())).shape[:2]
    per_step = {
        name: (np.asarray(values) != 0).sum(axis=0, dtype=np.int64).reshape(steps, -1)
        for name, values in {**messages, **spikes}.items()
    }
    synops = {}
    for q in program.projections:
        shape = program.shapes[q.source]
        _, pre, _ = synapses(q.connection, shape, program.shapes[q.target])
        fan_out = np.bincount(pre, minlength=int(np.prod(shape)))
        synops[q.name] = per_step[q.source] @ fan_out
        synops[q.name][max(0, steps - q.lag) :] = 0
    spikes_per_step = {name: n.sum(axis=1) for name, n in per_step.items()}
    sent = {name: n.sum(axis=0) for name, n in per_step.items()}
    updates = {p.name: p.size * samples * steps for p in program.populations}
    return EventCounts(samples, steps, spikes_per_step, synops, sent, updates)


def save_trace(path: Path, trace: Trace) -> None:
    """Write the trace as npz, at once or not at all. Raises InputError when it cannot be written."""
    c = trace.counts
    arrays: dict[str, NDArray[Any]] = {"size:": np.array([c.samples, c.steps], np.int64)}
    for kind in COUNTS:
        arrays |= {f"count-{kind}:{n}": np.array(k, np.int64) for n, k in getattr(c, kind).items()}
    for part in PARTS:
        arrays |= {f"{part}:{n}": a for n, a in getattr(trace, part).items()}
    save_plain(path, arrays, "free space, or choose another place")


def load_trace(path: Path) -> Trace:
    """Read what save_trace wrote. Raises InputError when it is damaged."""
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for key, value in load_arrays(path).items():
        part, _, name = key.partition(":")
        groups.setdefault(part, {})[name] = value
    try:
        return _trace(groups)
    except (LookupError, ValueError, TypeError, OverflowError) as error:
        found = f"is no result of a Lava run: {error}"
        raise InputError(Problem(str(path), found, "delete it and run it again")) from None


def _trace(groups: Mapping[str, Arrays]) -> Trace:
    """Raises ValueError and the like where a part is missing or has another form."""
    known = {"size", *PARTS, *(f"count-{kind}" for kind in COUNTS)}
    if groups.keys() - known:
        raise ValueError(f"unknown arrays {sorted(groups.keys() - known)[0]!r}")
    for part, arrays in groups.items():
        bad = [
            n for n, a in arrays.items() if a.dtype.kind not in "iu" and not (part == "spikes" and a.dtype.kind == "b")
        ]
        if bad:
            raise ValueError(f"'{part}:{bad[0]}' holds no integers")
    size = groups["size"][""]
    if size.shape != (2,) or len(groups["size"]) != 1 or not all(1 <= n < 2**31 for n in size.tolist()):
        raise ValueError(f"a size of {size.tolist()}")
    samples, steps = size.tolist()
    spikes, synops, sent, updates = (groups.get(f"count-{kind}", {}) for kind in COUNTS)
    for name, per_step in (*spikes.items(), *synops.items()):
        if per_step.shape != (steps,):
            raise ValueError(f"counts of '{name}' have shape {per_step.shape}, not {(steps,)}")
    if any(a.ndim != 1 for a in sent.values()):
        raise ValueError("counts by neuron have more than one axis")
    for part in PARTS[1:]:
        for name, values in groups.get(part, {}).items():
            if values.shape[:2] != (samples, steps):
                raise ValueError(
                    f"'{part}:{name}' has shape {values.shape}, not of {samples} samples and {steps} steps"
                )
    if any(a.shape[:1] != (samples,) for a in groups.get("readout", {}).values()):
        raise ValueError(f"readouts are not of {samples} samples")
    counts = EventCounts(samples, steps, spikes, synops, sent, {n: int(k) for n, k in updates.items()})
    return Trace(counts, *(groups.get(part, {}) for part in PARTS))


def join_traces(traces: Sequence[Trace]) -> Trace:
    """Traces of consecutive samples of one program as one."""
    if len(traces) == 1:
        return traces[0]
    parts = [
        {n: np.concatenate([getattr(t, part)[n] for t in traces]) for n in getattr(traces[0], part)} for part in PARTS
    ]
    return Trace(join_counts([t.counts for t in traces]), *parts)


def save_messages(path: Path, messages: Arrays) -> None:
    """Write messages as npz, in the form of an artifact's test vectors ("messages:" before the port)."""
    arrays = {f"messages:{name}": values for name, values in messages.items()}
    save_plain(path, arrays, "free space, or point TMPDIR elsewhere")


def load_messages(path: Path) -> dict[str, NDArray[Any]]:
    """Read messages; other arrays of the file, as in an artifact's vectors.npz, are left alone."""
    arrays = load_arrays(path)
    return {key.partition(":")[2]: a for key, a in arrays.items() if key.startswith("messages:")}


def save_plain(path: Path, arrays: Arrays, remedy: str) -> None:
    """Arrays as uncompressed npz, at once or not at all. Raises InputError when they cannot be written."""
    write_file(path, lambda file: np.savez(file, **dict(arrays)), remedy)  # type: ignore[arg-type]
