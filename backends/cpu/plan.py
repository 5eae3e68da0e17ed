"""A program laid out for the engine: which layout, which units, and every table filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.cpu.layout import Layout, layouts
from seamount.backends.cpu.synapses import Field, Synapses, field_of, padded, synapses_of
from seamount.backends.cpu.tables import GROUP, NODE, POPULATION, PROJECTION, READOUT, Tables
from seamount.backends.cpu.units import Codes, units
from seamount.backends.cpu.vectors import LANES, PIECES
from seamount.backends.schedule import groups
from seamount.compiler.program.bounds import arrival_bound, current_bound
from seamount.compiler.program.program import (
    DECAY_ONE,
    U_SPAN,
    V_MAX,
    VTH_SHIFT,
    Population,
    Program,
    Projection,
    Readout,
    Sparse,
    shift,
)
from seamount.compiler.program.wide import WIDE_MAX, WideRegisters, wide_registers

REGISTER = {"s": 0, "u": 1, "v": 2}
RULE = {"sum": 0, "mean": 0, "max": 1, "last": 2, "each": 3}


@dataclass(frozen=True, eq=False)
class Plan:
    """Tables of a program and what else a run needs.

    node: port or population -> its record. order, read: populations and readouts as their records are sorted.
    sums: length of the int16 and of the int32 sums of a thread.
    """

    program: Program
    tables: Tables
    layouts: dict[str, Layout]
    node: dict[str, int]
    order: tuple[str, ...]
    sums: tuple[int, int]
    read: tuple[Readout, ...]


def plan(program: Program) -> Plan:
    """Lay a program out; it must be one that verify.py accepts."""
    return _Builder(program).plan()


class _Builder:
    """Fills the tables from front to back."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.layouts = layouts(program)
        self.groups = groups(program)
        self.order = tuple(name for group in self.groups for name in group)
        self.node = {name: i for i, name in enumerate(program.shapes)}
        self.sums = [0, 0]
        self.parameters: list[NDArray[np.int32]] = []
        self.populations: list[dict[str, int]] = []
        self.projections: list[dict[str, int]] = []
        self.parts: dict[str, list[NDArray[Any]]] = {
            name: []
            for name in ("pixels", "runs", "columns", "channels", "weights8", "weights16", "targets", "lists", "starts")
        }

    def plan(self) -> Plan:
        for name in self.order:
            self.add_population(self.program.population(name))
        readouts, read = self.readouts()
        ends = np.cumsum([0, *(len(group) for group in self.groups)])
        tables = Tables(
            nodes=self.nodes(),
            populations=_records(POPULATION, self.populations),
            projections=_records(PROJECTION, self.projections),
            readouts=readouts,
            groups=_records(GROUP, [{"first": int(a), "last": int(b)} for a, b in pairwise(ends)]),
            parameters=_joined(self.parameters, np.int32),
            pixels=_joined(self.parts["pixels"], np.int64),
            runs=_joined(self.parts["runs"], np.int64),
            columns=_joined(self.parts["columns"], np.int64),
            channels=_joined(self.parts["channels"], np.int64),
            weights8=_joined(self.parts["weights8"], np.int8),
            weights16=_joined(self.parts["weights16"], np.int16),
            list_starts=_joined(self.parts["starts"], np.int64),
            list_targets=_joined(self.parts["targets"], np.int64),
            list_weights=_joined(self.parts["lists"], np.int32),
        )
        sums = self.sums[0] + LANES, self.sums[1] + LANES
        return Plan(self.program, tables, self.layouts, self.node, self.order, sums, read)

    # nodes

    def nodes(self) -> NDArray[Any]:
        """Records of all ports and populations; strides and values of ports are set anew for each run."""
        ports = {port.name: port for port in self.program.inputs}
        rows = []
        lane = 0
        for name in self.node:
            layout = self.layouts[name]
            rows.append(
                {
                    "rows": layout.rows,
                    "words": layout.words,
                    "lane": lane,
                    "port": int(name in ports),
                    "graded": int(name in ports and ports[name].graded),
                }
            )
            lane += layout.places
        return _records(NODE, rows)

    # populations

    def add_population(self, p: Population) -> None:
        program, layout = self.program, self.layouts[p.name]
        into = program.into(p.name)
        target, chosen = field_of(program, p.name, layout), units(program, into)
        low = self.sums[0 if chosen.narrow else 1]
        self.sums[0 if chosen.narrow else 1] += target.size
        first = len(self.projections)
        for q, codes in zip(into, chosen.codes, strict=True):
            self.add_projection(q, codes, target, low, chosen.narrow)
        self.populations.append(
            {
                "node": self.node[p.name],
                "narrow": int(chosen.narrow),
                "low": low,
                "high": low + target.size,
                "start": low + target.start,
                "pitch": target.pitch,
                **self.arithmetic(p, chosen.exponent),
                "keep": -1 if p.reset == "subtract" else 0,
                "v_min": p.v_min,
                "first_in": first,
                "last_in": len(self.projections),
                **self.neuron_parameters(p, layout),
            }
        )

    def arithmetic(self, p: Population, exponent: int) -> dict[str, int]:
        """Which of the neurons' steps the population takes, and its shift."""
        wide = wide_registers(self.program, p.name)
        if wide is not None:
            limits = {"u_half": wide.u_half, "v_top": wide.v_top, "grain": wide.grain}
            return {"shift": exponent, "memory": 1, "wraps": int(wide.wraps), "is_wide": 1, **limits}
        before, inside = current_bound(p, arrival_bound(self.program, p.name))
        kept = DECAY_ONE - 1 - np.asarray(p.du, np.int64)
        read = any(r.population == p.name and r.register == "u" for r in self.program.readouts)
        return {
            "shift": VTH_SHIFT + exponent,
            "memory": int(kept.any() or read),
            "wraps": int(before.max(initial=0) >= U_SPAN // 2),
            "general": int(inside.max(initial=0) > U_SPAN // 2 or bool((kept < 0).any())),
        }

    def neuron_parameters(self, p: Population, layout: Layout) -> dict[str, int]:
        """Where each parameter's rows begin, and its step from row to row."""
        wide = wide_registers(self.program, p.name)
        values = _of_chip(p) if wide is None else _of_wide(wide)
        values["v_init"] = (np.asarray(p.v_init, np.int64), 0)
        values["reset_by"] = (np.asarray(p.reset_by if p.reset == "subtract" else 0, np.int64), 0)
        out = {}
        for name, (value, fill) in values.items():
            rows = layout.laid_out(value, fill).reshape(layout.rows, layout.lanes)
            alike = bool((rows == rows[:1]).all())
            out[name] = sum(len(x) for x in self.parameters)
            out[f"{name}_step"] = 0 if alike else layout.lanes
            self.parameters.append(rows[0] if alike else rows.reshape(-1))
        return out

    # projections

    def add_projection(self, q: Projection, codes: Codes, target: Field, low: int, narrow: bool) -> None:
        source = self.layouts[q.source]
        base = low
        if codes.own:
            base = self.sums[1]
            self.sums[1] += target.size
        synapses = synapses_of(self.program, q, codes.weight, source, target)
        record = {
            "source": self.node[q.source],
            "target": self.node[q.target],
            "lag": q.lag,
            "list": int(isinstance(q.connection, Sparse)),
            "graded": int(any(port.graded and port.name == q.source for port in self.program.inputs)),
            "narrow": int(narrow),
            "own": int(codes.own),
            "own_low": base,
            "own_high": base + target.size,
            "shift": codes.shift,
        }
        if synapses.beside is not None:
            self.projections.append(record | self.add_row(synapses.beside, base + target.start, target.pitch))
        else:
            add = self.add_lists if synapses.lists is not None else self.add_rows
            self.projections.append(record | add(synapses, source, base + target.start))

    def add_row(self, weights: NDArray[np.int32], start: int, pitch: int) -> dict[str, int]:
        wide, weight = self.add_weights(weights)
        return {"beside": 1, "wide": wide, "weight": weight, "pixel": start, "per_row": pitch}

    def add_weights(self, weights: NDArray[np.int32]) -> tuple[int, int]:
        """Whether they need int16, and where they begin."""
        wide = bool(np.any(weights != weights.astype(np.int8)))
        kind, dtype = ("weights16", np.int16) if wide else ("weights8", np.int8)
        return int(wide), self.append(kind, weights.reshape(-1).astype(dtype))

    def add_lists(self, synapses: Synapses, source: Layout, start: int) -> dict[str, int]:
        assert synapses.lists is not None
        starts, targets, weights = synapses.lists
        begin = self.append("targets", targets + start)
        self.append("lists", weights)
        return {"pixel": self.append("starts", starts + begin), "per_row": 1, "channels": source.width}

    def add_rows(self, synapses: Synapses, source: Layout, start: int) -> dict[str, int]:
        wide, weight = self.add_weights(synapses.weights)
        runs, ends = pieces(synapses.runs)
        first_run = self.append("runs", runs.reshape(-1)) // 3
        pixels = synapses.pixels.copy()
        pixels[:, 1:3] = ends[pixels[:, 1:3]]
        pixels += np.array([start, first_run, first_run, 0, 0])
        return {
            "wide": wide,
            "pixel": self.append("pixels", pixels.reshape(-1)) // 5,
            "per_row": synapses.per_row,
            "channels": synapses.channels,
            "groups": int(synapses.shifts.size > 0),
            "column": self.append("columns", np.arange(source.lanes) // synapses.channels),
            "channel": self.append("channels", synapses.shifts),
            "weight": weight,
            "row": synapses.weights.shape[1],
        }

    def append(self, name: str, values: NDArray[Any]) -> int:
        """Where the values begin in the long array of that name."""
        begin = sum(len(part) for part in self.parts[name])
        self.parts[name].append(values)
        return begin

    # readouts

    def readouts(self) -> tuple[NDArray[Any], tuple[Readout, ...]]:
        """Records sorted by population and entered in the populations; where answers begin is set for each run."""
        read: list[Readout] = []
        for name, p in zip(self.order, self.populations, strict=True):
            p["first_read"] = len(read)
            read += [r for r in self.program.readouts if r.population == name]
            p["last_read"] = len(read)
        records = [{"register": REGISTER[r.register], "rule": RULE[r.rule]} for r in read]
        return _records(READOUT, records), tuple(read)


Parameters = dict[str, tuple[NDArray[Any], int]]
"""Kind of parameter -> values, and what places without a neuron hold."""


def _of_chip(p: Population) -> Parameters:
    threshold = V_MAX if p.vth is None else np.asarray(p.vth, np.int64) << VTH_SHIFT
    return {
        "du": (DECAY_ONE - 1 - np.asarray(p.du, np.int64), 0),
        "dv": (DECAY_ONE - np.asarray(p.dv, np.int64), 0),
        "vth": (np.asarray(threshold), V_MAX),
        "bias": (shift(np.asarray(p.bias_mant, np.int64), p.bias_exp), 0),
    }


def _of_wide(wide: WideRegisters) -> Parameters:
    threshold = np.asarray(WIDE_MAX) if wide.vth is None else wide.vth
    return {"du": (wide.kept_u, 0), "dv": (wide.kept_v, 0), "vth": (threshold, WIDE_MAX), "bias": (wide.bias, 0)}


def pieces(runs: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Runs (to, of, lanes) cut into (to, of, vectors) that the kernels know; where run i begins among them."""
    out: list[tuple[int, int, int]] = []
    begins = [0]
    for to, of, lanes in runs.tolist():
        at, left = 0, lanes // LANES
        while left:
            most = max(n for n in PIECES if n <= left)
            out.append((to + at, of + at, most))
            at, left = at + most * LANES, left - most
        begins.append(len(out))
    return np.asarray(out, np.int64).reshape(-1, 3), np.asarray(begins, np.int64)


def _records(kind: np.dtype[Any], rows: Sequence[dict[str, int]]) -> NDArray[Any]:
    out = np.zeros(max(len(rows), 1), kind)[: len(rows)]
    for i, row in enumerate(rows):
        for name, value in row.items():
            out[name][i] = value
    return out


def _joined(parts: Sequence[NDArray[Any]], dtype: Any, shape: tuple[int, ...] = (0,)) -> NDArray[Any]:
    """One array of all parts, with a vector's room behind them."""
    whole = np.concatenate([np.zeros(shape, dtype), *parts]) if parts else np.zeros(shape, dtype)
    room = np.zeros((padded(whole.shape[0] + 1, 64) - whole.shape[0] + 64, *shape[1:]), dtype)
    return np.ascontiguousarray(np.concatenate([whole, room]).astype(dtype, copy=False))
