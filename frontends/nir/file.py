"""A .nir file, possibly from a stranger, to a nir.NIRGraph and the facts its version settles.

nir.read follows links out of the file, checks shapes with known errors (non-square kernels, groups) and fails with
seven kinds of exception. Here the bytes become a plain tree (hdf5/tree.py), every field is checked (nir_schema), and
the nir objects are built without nir's own shape inference; `from_nir` derives all shapes itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import nir
import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.frontends.conventions import Conventions, Meaning
from seamount.frontends.hdf5.tree import Limits, Tree, Unreadable, image_of, read_tree
from seamount.frontends.nir.schema import LAYOUTS, RESETTING, STATEFUL, Fields, canonical
from seamount.frontends.nir.transposed import transposed_node

_EXPORT_AGAIN = "export the network again"
_LAST_MAJOR = 1
_BROKEN = 5
"""Edges without an end that are named one by one."""
_SUBTRACTS_UP_TO = (1, 0, 5)
"""nir 1.0.5 and before define a spike to subtract the threshold; 1.0.6 added v_reset."""


@dataclass(frozen=True, eq=False)
class NirFile:
    """What a file holds: the graph, the nir version that wrote it, and conventions that this version settles."""

    name: str
    graph: nir.NIRGraph
    version: str
    facts: Conventions = field(default_factory=Conventions)

    def meaning(self, given: Meaning) -> Meaning:
        """`given`, with the file's facts where nothing else was said; a contradiction shows up in the source."""
        sources = dict(given.sources)
        for key, value in self.facts.known().items():
            told = getattr(given.default, key)
            if told is None:
                sources[key] = f"file version {self.version}"
            elif told != value:
                sources[key] = f"{sources.get(key, 'given')}; file version {self.version} would say {value}"
        return msgspec.structs.replace(given, default=given.default.over(self.facts), sources=sources)


def read_nir(source: str | Path | BinaryIO, name: str | None = None, limits: Limits | None = None) -> NirFile:
    """Read a .nir file or a binary stream. `name` is what messages call it.

    Node metadata are not read. Raises InputError with everything found wrong, and nothing else, whatever the
    bytes are: see `read_tree`, and missing or wrong fields, NaN, unknown types, broken edges, unknown versions.
    """
    limits = limits or Limits()
    file = name or (str(source) if isinstance(source, (str, Path)) else "the stream")
    tree = read_tree(image_of(source, file, limits), file, limits)
    version = _version(tree, file)
    builder = _Builder(file)
    graph = builder.graph(tree.get("node"), "")
    raise_all(InputError, builder.problems)
    old = _release(version) <= _SUBTRACTS_UP_TO and builder.resetting and not builder.has_v_reset
    return NirFile(file, graph, version, Conventions(reset="subtract") if old else Conventions())


def _version(tree: Tree, file: str) -> str:
    version = tree.get("version")
    if not isinstance(version, str):
        found = "has no /version, which decides what its resets mean"
        raise InputError(Problem(file, found, "write it with nir.write (nir 1.0.8)"))
    if not re.match(r"\d{1,4}(\.\d{1,4})*", version) or _release(version)[0] > _LAST_MAJOR:
        found = f"was written by nir version {version[:40]!r}"
        raise InputError(Problem(file, found, "write it with nir 1.0.8", f"versions up to {_LAST_MAJOR}.x are known"))
    return version


def _release(version: str) -> tuple[int, ...]:
    """Major, minor, patch of "1.0.6.dev3" and the like."""
    numbers = re.match(r"\d{1,4}(\.\d{1,4})*", version)
    parts = [int(n) for n in numbers[0].split(".")[:3]] if numbers else []
    return tuple([*parts, 0, 0, 0][:3])


class _Builder:
    """Tree to nir objects, collecting problems; nothing it returns may be used when there are any."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.resetting = self.has_v_reset = False

    def _problem(self, where: str, found: str, remedy: str = _EXPORT_AGAIN) -> None:
        self.problems.append(Problem(f"{self.file}: {where}", found, remedy))

    def graph(self, tree: object, path: str) -> nir.NIRGraph:
        where = f"graph '{path}'" if path else "/node"
        nodes: dict[str, nir.NIRNode] = {}
        edges: list[tuple[str, str]] = []
        kind = tree.get("type") if isinstance(tree, dict) else None
        if not isinstance(tree, dict) or not isinstance(kind, str) or kind != "NIRGraph":
            self._problem(where, "does not hold a NIRGraph", "write the graph with nir.write")
        elif not isinstance(tree.get("nodes"), dict):
            self._problem(where, "has no nodes")
        else:
            for name, entry in tree["nodes"].items():
                node = self._node(entry, f"{path}.{name}" if path else name)
                if node is not None:
                    nodes[name] = node
            edges = self._edges(tree.get("edges"), tree["nodes"], where)
        return nir.NIRGraph(nodes, edges, metadata={}, type_check=False)

    def _edges(self, value: object, names: Mapping[str, Any], where: str) -> list[tuple[str, str]]:
        if not isinstance(value, np.ndarray) or (value.size and (value.dtype != object or value.shape[1:] != (2,))):
            self._problem(where, "has no list of edges (pairs of node names)")
            return []
        edges = [(str(a), str(b)) for a, b in value] if value.size else []
        broken = [edge for edge in edges if edge[0] not in names or edge[1] not in names]
        for source, target in broken[:_BROKEN]:
            absent = " and ".join(repr(n[:60]) for n in dict.fromkeys((source, target)) if n not in names)
            found = f"edge {source[:60]!r} -> {target[:60]!r} names a node that does not exist: {absent}"
            self._problem(where, found, f"the graph has {_list(sorted(names))}; {_EXPORT_AGAIN}")
        if len(broken) > _BROKEN:
            self._problem(where, f"{len(broken) - _BROKEN} more edges name nodes that do not exist")
        counts = Counter(edges)
        twice = [f"{a} -> {b}" for (a, b), n in counts.items() if n > 1]
        if twice:
            self._problem(where, f"an edge occurs twice: {_list(twice)}", "store each edge once")
        return edges

    def _node(self, entry: object, path: str) -> nir.NIRNode | None:
        kind = entry.get("type") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(kind, str):
            found, remedy = "has no type", _EXPORT_AGAIN
            if isinstance(entry, dict) and any(isinstance(v, dict) and "type" in v for v in entry.values()):
                found, remedy = "has no type, but nodes inside", "rename nodes: '/' in a name splits it in HDF5"
            self._problem(f"node '{path}'", found, remedy)
            return None
        if kind == "NIRGraph":
            return self.graph(entry, path)
        where = f"node '{path}' ({kind})"
        if kind not in LAYOUTS:
            known = ", ".join(sorted(LAYOUTS))
            self._problem(f"node '{path}'", f"unknown type {kind[:40]!r}", f"known types: {known}, NIRGraph")
            return None
        raw = {k: v for k, v in entry.items() if k != "metadata"}
        bad = {k: v for k, v in raw.items() if isinstance(v, (Unreadable, dict))}
        for key, value in bad.items():
            self._problem(where, f"'{key}' is {value.why if isinstance(value, Unreadable) else 'a group'}, not numbers")
        fields, faults = canonical(kind, {k: v for k, v in raw.items() if k not in bad})
        self.problems += [Problem(f"{self.file}: {where}", f.found, f.remedy) for f in faults if not bad]
        self.resetting |= kind in RESETTING
        self.has_v_reset |= kind in RESETTING and "v_reset" in raw
        return None if faults or bad else build(kind, fields)


def build(kind: str, fields: Fields) -> nir.NIRNode:
    """The nir object of canonical fields, made so that its constructor has nothing to object to."""
    if kind == "Input":
        return nir.Input({"input": np.array(fields["shape"])})
    if kind == "Output":
        shape = fields["shape"]
        return nir.Output({"output": None if shape is None else np.array(shape)})
    if kind == "Flatten":
        shape = fields["input_type"]
        flatten = nir.Flatten({"input": None}, fields["start_dim"][0], fields["end_dim"][0])
        flatten.input_type = {"input": None if shape is None else np.array(shape)}
        return flatten
    if kind in ("Conv1d", "Conv2d"):
        return _build_conv(kind, fields)
    if kind in ("ConvTranspose1d", "ConvTranspose2d"):
        axes = {k: fields[k] for k in ("stride", "padding", "output_padding", "dilation")}
        shape = fields["input_shape"] or (0,) * len(fields["stride"])
        return transposed_node(fields["weight"], fields["bias"], shape, fields["groups"][0], **axes)
    if kind in ("SumPool2d", "AvgPool2d"):
        return getattr(nir, kind)(**{k: np.array(v) for k, v in fields.items()})
    if kind in STATEFUL:
        fields = _spread({k: v for k, v in fields.items() if v is not None})
    return getattr(nir, kind)(**fields)


def _build_conv(kind: str, fields: Fields) -> nir.NIRNode:
    """input_shape is set afterwards: with it the constructor would compute a wrong output shape."""
    values = {**fields, "input_shape": None, "groups": fields["groups"][0]}
    for key in ("stride", "padding", "dilation"):
        if kind == "Conv1d" and isinstance(values[key], tuple):
            values[key] = values[key][0]
    conv = getattr(nir, kind)(**values)
    if fields["input_shape"] is not None:
        conv.input_shape = fields["input_shape"][0] if kind == "Conv1d" else fields["input_shape"]
    return conv


def _spread(fields: Fields) -> dict[str, NDArray[np.float64]]:
    """Parameters at their common shape, which nir demands; one number stands for the whole layer."""
    shape = max((v.shape for v in fields.values()), key=lambda s: (int(np.prod(s)), len(s)))
    return {k: v if v.shape == shape else np.full(shape, v.ravel()[0]) for k, v in fields.items()}


def _list(words: list[str]) -> str:
    more = f" and {len(words) - 5} more" if len(words) > 5 else ""
    return ", ".join(repr(w[:60]) for w in words[:5]) + more


__all__ = ["Limits", "NirFile", "build", "read_nir"]
