"""NIR's data format (nir 1.0.8): observables of the nodes of a graph over time, read as a stranger's file and written.

nir.read_data follows whatever HDF5 points to and trusts every size; here the bytes become a plain tree first
(hdf5/tree.py). nir's own way from events to steps is floor(t / dt), which loses spikes to the rounding of t / dt
(0.3 / 0.1 is below 3); `steps_of` rounds where t is a multiple of dt up to a millionth of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.frontends.hdf5.tree import Limits, image_of, read_tree

_WRITER = "nir.write_data"
_ATTRIBUTES = ("dt", "n_neurons", "t_max")
_AGAIN = "record again, or convert the file with nir.write_data"
_NEAR = 1e-6
"""Part of a step by which an event may lie before it."""
_LARGEST = 2**31
"""Bytes of one observable as an array over all steps."""


@dataclass(frozen=True, eq=False)
class Gridded:
    """A value per step. data: (N, T, n); dt: length of a step in seconds."""

    data: NDArray[Any]
    dt: float


@dataclass(frozen=True, eq=False)
class Events:
    """Single events. index, time: (N, events), index -1 where a sample has fewer; value: of each, None for spikes.

    neurons: of the node. end: of the recording, in the unit of time.
    """

    index: NDArray[np.int64]
    time: NDArray[np.float64]
    value: NDArray[Any] | None
    neurons: int
    end: float


Observable = Gridded | Events
Recorded = Mapping[str, Mapping[str, Observable]]
"""Node, nested ones as "graph.node" -> name of the observable -> values."""


def read_data(path: Path, limits: Limits | None = None) -> Recorded:
    """The observables of every node. Raises InputError with everything that is wrong, and nothing else."""
    limits, file = limits or Limits(), str(path)
    tree = read_tree(image_of(path, file, limits, _WRITER), file, limits, _ATTRIBUTES, _WRITER)
    if "node" in tree or not isinstance(tree.get("nodes"), dict):
        held = "a network" if "node" in tree else "no recording of nodes"
        raise InputError(Problem(str(path), f"holds {held}, not NIR's data format", "give what nir.write_data wrote"))
    problems: list[Problem] = []
    recorded = {name: dict(values) for name, values in _nodes(tree, "", str(path), problems)}
    if not recorded and not problems:
        problems.append(Problem(str(path), "holds no observable", "record spikes of at least one node"))
    raise_all(InputError, problems)
    return recorded


def grid(observable: Observable, dt: float) -> NDArray[Any] | str:
    """(N, T, n) values per step: 0 where there is no event; or why that cannot be.

    dt: length of a step for events, whose time is counted in it. A spike is 1. Events of one neuron that share a step
    are refused.
    """
    if isinstance(observable, Gridded):
        return observable.data
    steps = round(observable.end / dt)
    samples = len(observable.index)
    if steps < 1 or samples * steps * observable.neurons > _LARGEST:
        return f"makes {steps} steps of {dt:g} in {samples} samples of {observable.neurons} neurons"
    kept = observable.index >= 0
    at = np.floor(observable.time[kept] / dt + _NEAR)
    if np.any((at < 0) | (at >= steps)):
        return f"has events outside its {observable.end:g} of time"
    values = np.ones(int(kept.sum())) if observable.value is None else observable.value[kept]
    place = np.ravel_multi_index(
        (np.nonzero(kept)[0], at.astype(np.int64), observable.index[kept]), (samples, steps, observable.neurons)
    )
    if len(np.unique(place)) < len(place):
        return f"has several events of one neuron within a step of {dt:g}"
    whole = np.zeros(samples * steps * observable.neurons, values.dtype)
    whole[place] = values
    return whole.reshape(samples, steps, observable.neurons)


def data_bytes(values: Mapping[str, Mapping[str, NDArray[Any]]], dt: float) -> bytes:
    """A file of (N, T, n) arrays by node and observable, in NIR's data format.

    Nested nodes keep their whole name: writing nested data recurses without end in nir 1.0.8.
    """
    nodes = {
        node: nir.NIRNodeData({name: nir.TimeGriddedData(x, dt) for name, x in held.items()})
        for node, held in values.items()
    }
    stream = BytesIO()
    nir.write_data(stream, nir.NIRGraphData(nodes))
    return stream.getvalue()


def _nodes(
    tree: Mapping[str, Any], inside: str, file: str, problems: list[Problem]
) -> Iterator[tuple[str, Iterator[tuple[str, Observable]]]]:
    for name, entry in tree["nodes"].items():
        where = f"{inside}{name}"
        if isinstance(entry, dict) and isinstance(entry.get("nodes"), dict):
            yield from _nodes(entry, f"{where}.", file, problems)
        elif isinstance(entry, dict) and isinstance(entry.get("observables"), dict):
            yield where, _observables(entry["observables"], f"{file}, node '{where}'", problems)
        else:
            problems.append(Problem(f"{file}, node '{where}'", "has no observables", _AGAIN))


def _observables(tree: Mapping[str, Any], where: str, problems: list[Problem]) -> Iterator[tuple[str, Observable]]:
    for name, entry in tree.items():
        found = _observable(entry) if isinstance(entry, dict) else "is no group"
        if isinstance(found, str):
            problems.append(Problem(f"{where}, '{name}'", found, _AGAIN))
        else:
            yield name, found


def _observable(entry: Mapping[str, Any]) -> Observable | str:
    if "data" in entry:
        data, dt = _array(entry, "data", "fiub", 3), _number(entry, "dt")
        if data is None or 0 in data.shape[:2]:
            return "'data' is no array (samples, steps, neurons) of numbers"
        return Gridded(data, dt) if dt is not None and dt > 0 else "has no 'dt', a positive number"
    index, time = _array(entry, "idx", "iu", 2), _array(entry, "time", "fiu", 2)
    if index is None or time is None or index.shape != time.shape or not len(index):
        return "has neither 'data' nor equal 'idx' and 'time' of shape (samples, events)"
    value = _array(entry, "value", "fiub", 2)
    if "value" in entry and (value is None or value.shape != index.shape):
        return "'value' is no array of the shape of 'idx'"
    neurons, end = _number(entry, "n_neurons"), _number(entry, "t_max")
    if neurons is None or not 1 <= neurons < _LARGEST or neurons % 1 or end is None or end <= 0:
        return "has no 'n_neurons' and 't_max', positive numbers"
    if index.min(initial=-1) < -1 or index.max(initial=-1) >= neurons:
        return f"has indices from {index.min()} to {index.max()}, of {int(neurons)} neurons"
    if not np.all(np.isfinite(time[index >= 0])):
        return "has events at no finite time"
    return Events(index.astype(np.int64), time.astype(np.float64), value, int(neurons), end)


def _array(entry: Mapping[str, Any], name: str, kinds: str, axes: int) -> NDArray[Any] | None:
    value = entry.get(name)
    fits = isinstance(value, np.ndarray) and value.dtype.kind in kinds and value.ndim == axes
    return np.asarray(value) if fits else None


def _number(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(f"@{name}")
    if not isinstance(value, np.ndarray) or value.shape != () or not np.isfinite(value):
        return None
    return float(value)
