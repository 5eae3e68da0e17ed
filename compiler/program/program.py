"""The integer program: populations, projections, and when each of them acts.

Flat, integers only, no float. Runs on Python 3.10 with numpy alone, because a Lava host reads it. The meaning of
every field is written down once in docs/semantics.md; `backends/simulator/reference.py` is that text as code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import ContractError, Problem
from seamount.compiler.windows import Window

IntArray = NDArray[np.int32]
Shape = tuple[int, ...]

V_MAX = 2**23 - 1
"""Membranes saturate at +-V_MAX (lava-nc 0.10.0, PyLifModelBitAcc)."""
U_SPAN = 2**24
"""Currents wrap once, by U_SPAN, outside (-2**23, 2**23]."""
VTH_SHIFT = 6
"""Thresholds and dendritic sums are scaled by 2**6; the bias is not."""
DECAY_ONE = 4096
"""Decays are in units of 1/4096."""


class Need(Enum):
    """What a stock Loihi LIF cannot do; the value is the feature of a target file (section features)."""

    RESET_SUBTRACT = "reset_subtract"
    LOWER_CLAMP = "lower_clamp"
    INITIAL_V = "initial_v"
    SKIP_UPDATES = "skip_updates"

    @property
    def feature(self) -> str:
        """Path of the feature in a target."""
        return f"features.{self.value}"


@dataclass(frozen=True, eq=False)
class InputPort:
    """Messages from the host: `graded` payloads in [low, high], or spikes (0 or 1)."""

    name: str
    shape: Shape
    graded: bool
    low: int = 0
    high: int = 1


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind. Registers u and v are 24 bits; parameters are 0-d or have `shape`.

    du, dv: decay of current and membrane, 0..4095. du 4095 and dv 4096 forget at once; 4096 is not on hardware, and as
    du leaves -1/4096 (docs/semantics.md).
    vth: fires when v > 64 * vth; None never fires.
    bias_mant * 2**bias_exp is added to v in every step; bias_exp may be negative (floor).
    reset: "zero" sets v to 0, "subtract" takes `reset_by` (units of v, 0-d or per neuron) away.
    most: largest message. Above 1 (with reset "subtract" alone) a neuron sends how many of the levels 64 vth,
    64 vth + reset_by, 64 vth + 2 reset_by, ... v exceeds, and as often takes `reset_by` away.
    guarded: a neuron whose v still exceeded 64 vth after the step before fires above 64 vth + reset_by only.
    v_init: v at the start of a sample. v_min: lower clamp of v, applied after the reset.
    offset: steps after which the first input of a sample arrives, in projections from the host.
    """

    name: str
    shape: Shape
    du: IntArray
    dv: IntArray
    vth: IntArray | None
    bias_mant: IntArray
    bias_exp: int = 0
    reset: Literal["zero", "subtract"] = "zero"
    reset_by: IntArray | int = 0
    most: int = 1
    guarded: bool = False
    v_init: IntArray | int = 0
    v_min: int = -V_MAX
    offset: int = 1

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def fires(self) -> bool:
        return self.vth is not None

    @property
    def sends_one(self) -> bool:
        """Whether v alone decides on one spike, as in stock neurons."""
        return self.most == 1 and not self.guarded

    @property
    def needs_microcode(self) -> tuple[Need, ...]:
        """What a stock Loihi LIF cannot do; empty when it can do everything."""
        needs = []
        if self.reset == "subtract":
            needs.append(Need.RESET_SUBTRACT)
        if self.v_min > -V_MAX:
            needs.append(Need.LOWER_CLAMP)
        if np.any(np.asarray(self.v_init) != 0):
            needs.append(Need.INITIAL_V)
        return tuple(needs)


@dataclass(frozen=True, eq=False)
class Dense:
    """weight (n_out, n_in) over flattened shapes: a = weight @ s."""

    weight: IntArray


@dataclass(frozen=True, eq=False)
class Sparse:
    """Synapses as lists: a[rows[k]] += weight[k] * s[cols[k]] over flattened shapes; no pair twice."""

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    weight: IntArray


@dataclass(frozen=True, eq=False)
class Conv:
    """Cross-correlation as in PyTorch. weight (C_out, C_in/groups, K_h, K_w) between (C, H, W) shapes.

    A one-dimensional convolution has K_h = 1 and acts on (C, L) shapes as if they were (C, 1, L).
    input_dilation: u - 1 zeros between neighbouring sources, which makes it a transposed convolution of stride u.
    """

    weight: IntArray
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    input_dilation: tuple[int, int] = (1, 1)

    @property
    def windows(self) -> tuple[Window, Window]:
        """Geometry of rows and columns."""
        numbers = (self.weight.shape[2:], self.stride, self.padding, self.dilation, self.input_dilation)
        rows, columns = (Window(*axis) for axis in zip(*numbers, strict=True))
        return rows, columns


Connection = Dense | Sparse | Conv


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses from `source` (a population or an input port) to `target`.

    A message of step t reaches the target at step t + 1 + delay, as (connection . s) * 2**weight_exp, weight_exp in
    -8..7 (negative: floor of the sum, as Lava's CPU model). bits and sign_mode say on which grid the weights lie.
    lag: steps of the trained network by which the target sees the source late; 0 feed-forward, >= 1 recurrent. In
    steps of the chip: slow_down * lag = 1 + delay + offset(source) - offset(target).
    Messages that would reach the target in another sample than the one they were sent in are dropped.
    """

    name: str
    source: str
    target: str
    connection: Connection
    weight_exp: int = 0
    bits: int = 8
    sign_mode: Literal["mixed", "excitatory", "inhibitory"] = "mixed"
    delay: int = 0
    lag: int = 0


@dataclass(frozen=True, eq=False)
class Readout:
    """What the host reads: `register` of `population` in each step of its window, combined by `rule`.

    register "s" spikes, "v" membrane, "u" current. rule: sum, mean, max or last over the steps; each: an answer
    per step, not combined.
    """

    name: str
    population: str
    register: Literal["s", "v", "u"]
    rule: Literal["sum", "mean", "max", "last", "each"]


@dataclass(frozen=True, eq=False)
class Program:
    """An integer network. Populations are in update order; `steps` is the default length of a sample.

    slow_down: steps of the chip for each step of the trained network. Populations update, and the host sends, in the
    first of them; in the others registers rest and nothing is sent.
    """

    inputs: tuple[InputPort, ...]
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    readouts: tuple[Readout, ...]
    steps: int
    slow_down: int = 1

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shape of every input port and population."""
        return {**{i.name: i.shape for i in self.inputs}, **{p.name: p.shape for p in self.populations}}

    @cached_property
    def offsets(self) -> Mapping[str, int]:
        """Pipeline offset of every input port (0) and population."""
        return {**{i.name: 0 for i in self.inputs}, **{p.name: p.offset for p in self.populations}}

    @property
    def depth(self) -> int:
        """Steps between the first input of a sample and the last population's first."""
        return max((p.offset for p in self.populations), default=0)

    def duration(self, samples: int, steps: int) -> int:
        """Steps of the chip for so many samples of `steps` steps each, up to the last population's last."""
        return samples * steps * self.slow_down + self.depth

    @cached_property
    def sends_one(self) -> bool:
        """Whether all populations fire as stock neurons do; the kernels of the engines know no others."""
        return all(p.sends_one for p in self.populations)

    def population(self, name: str) -> Population:
        if name in self._by_name:
            return self._by_name[name]
        raise ContractError(Problem(f"population '{name}'", "is not in the program", "use a name it has"))

    def into(self, name: str) -> tuple[Projection, ...]:
        """Projections that end at the population."""
        return self._into.get(name, ())

    @cached_property
    def _by_name(self) -> Mapping[str, Population]:
        return {p.name: p for p in self.populations}

    @cached_property
    def _into(self) -> Mapping[str, tuple[Projection, ...]]:
        found: dict[str, list[Projection]] = {}
        for q in self.projections:
            found.setdefault(q.target, []).append(q)
        return {name: tuple(into) for name, into in found.items()}


def as_chw(shape: Shape) -> tuple[int, int, int]:
    """(C, L) as (C, 1, L); (C, H, W) unchanged."""
    if len(shape) == 2:
        return shape[0], 1, shape[1]
    c, h, w = shape
    return c, h, w


def synapses(
    connection: Connection, source: Shape, target: Shape
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(post, pre, weight) of every stored synapse, over flattened shapes; borders of convolutions left out."""
    if isinstance(connection, Dense):
        n_out, n_in = connection.weight.shape
        post, pre = np.divmod(np.arange(n_out * n_in, dtype=np.int64), n_in)
        return post, pre, connection.weight.reshape(-1).astype(np.int64)
    if isinstance(connection, Sparse):
        return (
            connection.rows.astype(np.int64),
            connection.cols.astype(np.int64),
            connection.weight.astype(np.int64),
        )
    return _conv_synapses(connection, as_chw(source), as_chw(target))


def _conv_synapses(
    conv: Conv, source: tuple[int, int, int], target: tuple[int, int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    _, h_in, w_in = source
    c_out, h_out, w_out = target
    per_out, per_in = c_out // conv.groups, conv.weight.shape[1]
    rows, columns = conv.windows
    (rows_seen, in_rows), (columns_seen, in_columns) = rows.seen(h_in, h_out), columns.seen(w_in, w_out)
    i, j = np.arange(h_out)[:, None], np.arange(w_out)[None, :]
    posts, pres, weights = [], [], []
    for o in range(c_out):
        for c, kh, kw in np.ndindex(*conv.weight.shape[1:]):
            y, x = rows_seen[:, kh, None], columns_seen[None, :, kw]
            inside = in_rows[:, kh, None] & in_columns[None, :, kw]
            channel = (o // per_out) * per_in + c
            post = np.broadcast_to((o * h_out + i) * w_out + j, inside.shape)
            pre = np.broadcast_to((channel * h_in + y) * w_in + x, inside.shape)
            posts.append(post[inside])
            pres.append(pre[inside])
            weights.append(np.full(int(inside.sum()), conv.weight[o, c, kh, kw], np.int64))
    return (
        np.concatenate(posts).astype(np.int64),
        np.concatenate(pres).astype(np.int64),
        np.concatenate(weights),
    )


Wide = NDArray[np.int64]


def shift(x: Wide, exponent: int) -> Wide:
    """x * 2**exponent, rounded down."""
    return x << exponent if exponent >= 0 else x >> -exponent
