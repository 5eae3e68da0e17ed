"""Every operation of the graph, with its equation.

Glossary
    spike        a message of one step: 0 or 1, or a small integer when graded
    payload      the integer a graded spike carries
    current u    synaptic current of a neuron; without synaptic memory it is this step's input
    membrane v   membrane potential of a neuron
    readout      a neuron layer that never fires and whose membrane is read by the host
    step         one discrete time step of the trained network
    delay        steps by which an edge lags behind; a recurrent edge has delay 1
    population   a neuron layer in the integer program; a projection joins two populations
    origin       the NIR nodes that a node of the graph came from

Time is discrete from here on: dt and the integration rule were applied on import. Shapes have no batch axis and
no time axis; channels come first. Arrays are numpy, float64, read-only; parameters are 0-d or have the layer's
shape (or one that broadcasts to it, such as (C, 1, 1)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.windows import Window

Array: TypeAlias = NDArray[np.float64]
Shape: TypeAlias = tuple[int, ...]

Coding = Literal["spikes", "graded"]
Compare = Literal["gt", "ge"]
Reset = Literal["zero", "subtract"]
Rule = Literal["sum", "mean", "max", "last", "each"]
SignMode = Literal["mixed", "excitatory", "inhibitory"]


@dataclass(frozen=True, eq=False)
class Input:
    """x[t] from the host, one array of `shape` per step.

    coding "spikes": 0 or 1. coding "graded": any real in [low, high]. Once quantize has chosen a unit, the host
    sends the integer payload round(x / unit), and x means unit * payload.
    """

    shape: Shape
    coding: Coding = "spikes"
    low: float = 0.0
    high: float = 1.0
    unit: float | None = None


@dataclass(frozen=True, eq=False)
class Output:
    """y = rule over the steps of a sample of what arrives: sum, mean, max or last; each keeps all steps."""

    rule: Rule = "sum"


@dataclass(frozen=True)
class WeightFormat:
    """How integer weights are coded: value = code * 2**exponent / scale.

    bits 1..8 (sign bit included when mixed), grid 2**(8 - bits + mixed) on Loihi's 8-bit scale.
    `scale` is synaptic units per unit of the graph (dimension 1/weight).
    """

    bits: int
    sign_mode: SignMode
    exponent: int
    scale: float


@dataclass(frozen=True, eq=False)
class Affine:
    """y = weight @ flatten(x) + bias; weight (out, in), bias (out,) or None. Output shape (out,) or `shape`."""

    weight: Array
    bias: Array | None = None
    shape: Shape | None = None
    format: WeightFormat | None = None


@dataclass(frozen=True, eq=False)
class Conv:
    """Cross-correlation as in PyTorch, in one or two dimensions.

    weight (C_out, C_in / groups, *kernel); bias (C_out,) or None; stride, padding, dilation one number per axis.
    input_dilation: u - 1 zeros between neighbouring inputs; output_padding: zeros behind the last one. With them a
    transposed convolution of stride u is a convolution with the kernel turned around (`transposed` in convolve.py).
    () stands for ones and zeros.
    """

    weight: Array
    bias: Array | None
    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int = 1
    format: WeightFormat | None = None
    input_dilation: Shape = ()
    output_padding: Shape = ()

    def __post_init__(self) -> None:
        rank = self.weight.ndim - 2
        object.__setattr__(self, "input_dilation", self.input_dilation or (1,) * rank)
        object.__setattr__(self, "output_padding", self.output_padding or (0,) * rank)

    @property
    def windows(self) -> tuple[Window, ...]:
        """Geometry of each axis."""
        numbers = (self.weight.shape[2:], self.stride, self.padding, self.dilation, self.input_dilation)
        return tuple(Window(*axis) for axis in zip(*numbers, strict=True))


@dataclass(frozen=True, eq=False)
class Sparse:
    """y[rows[k]] += values[k] * x[cols[k]] over flattened x and y, plus bias of the output's shape."""

    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    values: Array
    in_shape: Shape
    shape: Shape
    bias: Array | None = None
    format: WeightFormat | None = None


@dataclass(frozen=True, eq=False)
class Scale:
    """y = scale * x, elementwise; scale broadcasts to the shape of x."""

    scale: Array


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """y = scale[c] * x[c] + shift[c], per channel (axis 0): inference batch norm, already reduced."""

    scale: Array
    shift: Array


@dataclass(frozen=True, eq=False)
class Pool:
    """Sum or mean over windows in the last two axes, zero padding; `mean` divides by the full window size."""

    kernel: Shape
    stride: Shape
    padding: Shape
    mean: bool


@dataclass(frozen=True, eq=False)
class Reshape:
    """y = x with another shape, C order. NIR's Flatten."""

    shape: Shape


@dataclass(frozen=True, eq=False)
class LI:
    """Leaky integrator, a readout that never fires. NIR's LI and CubaLI.

    u[t] = alpha u[t-1] + x[t]
    v[t] = beta v[t-1] + gain u[t] + bias          output y[t] = v[t]
    u starts at 0, v at v_init.
    """

    alpha: Array
    beta: Array
    gain: Array
    bias: Array
    v_init: Array


@dataclass(frozen=True, eq=False)
class LIF:
    """Leaky integrate-and-fire neuron. NIR's LIF, CubaLIF, IF and Threshold.

    u[t] = alpha u[t-1] + x[t]                     alpha = 0: no synaptic memory
    v'   = beta v[t-1] + gain u[t] + bias          beta = 1: no leak (IF)
    s[t] = 1 if v' > threshold (gt), v' >= threshold (ge)
         most > 1: how many of threshold, threshold + reset_by, threshold + 2 reset_by, ... v' passes, at most `most`
         guarded: where v[t-1] > threshold, by threshold + reset_by in place of the threshold
    v[t] = where s: v_reset (zero), v' - s reset_by (subtract); else v'
    v[t] = max(v[t], v_min)
    u starts at 0, v at v_init.
    """

    alpha: Array
    beta: Array
    gain: Array
    bias: Array
    threshold: Array
    v_reset: Array
    v_init: Array
    reset_by: Array
    v_min: float = -np.inf
    reset: Reset = "zero"
    compare: Compare = "gt"
    most: int = 1
    guarded: bool = False


IntArray: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class IntLIF:
    """A quantized LIF or LI in Loihi's registers (docs/semantics.md); `vth` None means it never fires.

    u <- tz(u (4095 - du) / 4096) + 64 a ; v <- tz(v (4096 - dv) / 4096) + u + mant 2**exp ; s = v > 64 vth
    One unit of the graph's membrane is 64 * scale units of v.
    """

    du: IntArray
    dv: IntArray
    vth: IntArray | None
    bias_mant: IntArray
    bias_exp: int
    scale: float
    reset: Reset = "zero"
    reset_by: IntArray | int = 0
    v_init: IntArray | int = 0
    v_min: int = -(2**23 - 1)
    most: int = 1
    guarded: bool = False


Linear: TypeAlias = Affine | Conv | Sparse
Neuron: TypeAlias = LIF | LI | IntLIF
Op: TypeAlias = Input | Output | Affine | Conv | Sparse | Scale | BatchNorm | Pool | Reshape | LIF | LI | IntLIF


def fires(op: Op) -> bool:
    """Whether the op emits spikes."""
    return isinstance(op, LIF) or (isinstance(op, IntLIF) and op.vth is not None)


def is_neuron(op: Op) -> bool:
    """Whether the op has state."""
    return isinstance(op, (LIF, LI, IntLIF))


def freeze(value: object, dtype: type = np.float64) -> NDArray[np.float64]:
    """A read-only contiguous copy of `value`."""
    array: NDArray[np.float64] = np.array(value, dtype=dtype, order="C")
    array.setflags(write=False)
    return array
