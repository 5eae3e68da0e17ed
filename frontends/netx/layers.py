"""What a .net file says, as typed layers of integers.

The schema is that of lava-dl's `export_hdf5` and the README of its netx library (lava-dl 0.6): a group `layer` with one
group per block, numbered from 0, arrays in PyTorch's order (channels first), neuron registers under `neuron`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import Problem
from seamount.frontends.hdf5.tree import Tree
from seamount.frontends.netx.fields import Fields

Integers = NDArray[np.int64]
NEVER = 2**17
"""Thresholds (vThMant) from here on lie above the largest membrane, 2**23 - 1 = 64 * 2**17 - 1."""
BIAS_EXP = 6
"""Exponent of every bias mantissa in a .net file (lava-dl 0.6, netx)."""
INPUT_WEIGHT = 64
"""Weight of an input block that states none (lava-dl 0.6, netx)."""
LONGEST_DELAY = 62
"""Steps; lava-dl clips what is longer."""


class LayerKind(Enum):
    """A block that is carried over; the value is its `type` in the file."""

    INPUT = "input"
    DENSE = "dense"
    RECURRENT = "dense_rec"
    CONV = "conv"
    POOL = "pool"
    FLATTEN = "flatten"
    AVERAGE = "average"


_REFUSED = {
    "convT": "a transposed convolution (convT), which no projection of a chip shares weights for",
    "unpool": "an unpooling (unpool), which no projection of a chip shares weights for",
    "concat": "a concatenation (concat), and the file does not say in which step its messages meet",
    "dense_comp": "a dense layer of complex weights (dense_comp), which resonate-and-fire neurons need",
    "kwta": "a winner-take-all layer (kwta), whose self-excitation is a float",
}
_NEURONS = ("LOIHI", "CUBA", "CUBA-LIF")
_FLOATING = {
    "SDNN": "sigma-delta neurons (SDNN), which send graded messages",
    "RF": "resonate-and-fire neurons (RF), whose state is complex",
    "ADRF": "adaptive resonate-and-fire neurons (ADRF), whose thresholds are multiplied in float",
    "ALIF": "adaptive neurons (ALIF), whose thresholds are multiplied in float",
}
_SURROGATE = ("scaleRho", "tauRho", "messageBits")
"""Fields of a neuron that change nothing: the gradient of training, and bits of a message that is 0 or 1 anyway."""


@dataclass(frozen=True, eq=False)
class Neuron:
    """CUBA-LIF registers, 0-d or one per channel or neuron. i_decay, v_decay: 0..4096, in 1/4096 per step. threshold:
    vth; None never fires. weight_exp: exponent of the weights into the neuron, 2**weight_exp.
    """

    i_decay: Integers
    v_decay: Integers
    threshold: Integers | None
    weight_exp: int = 0


@dataclass(frozen=True, eq=False)
class Layer:
    """A block. shape: as declared, channels first. neuron: None for a block without neurons.

    weight: dense (out, in), conv and pool (out, in / groups, H, W); recurrent: dense (out, out). bias: mantissas of the
    exponent BIAS_EXP. delay, delay_rec: steps of the synapses of `weight` and of `recurrent`. gain, shift: of an input
    block, whose neurons are driven by 2 gain x - gain + shift for x in [0, 1].
    """

    index: int
    kind: LayerKind
    shape: tuple[int, ...] | None
    neuron: Neuron | None
    weight: Integers | None = None
    recurrent: Integers | None = None
    bias: Integers | None = None
    delay: Integers | None = None
    delay_rec: Integers | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    gain: int = INPUT_WEIGHT
    shift: int = 0

    @property
    def where(self) -> str:
        """How messages name it."""
        return f"layer {self.index} ({self.kind.value})"


def layer_of(tree: Tree, index: int, problems: list[Problem], unused: dict[str, tuple[str, ...]]) -> Layer | None:
    """A block from its group; None where its type is not carried. Adds to `problems` what stands against it, and to
    `unused` the fields that change nothing."""
    fields = Fields(tree, f"layer {index}", problems)
    word = fields.text("type")
    if word is None:
        return None
    if word not in {kind.value for kind in LayerKind}:
        found = f"is {_REFUSED[word]}" if word in _REFUSED else f"is of type {word[:40]!r}, which is not known"
        fields.refuse(found, "train the network without it", ", ".join(kind.value for kind in LayerKind))
        return None
    fields.where = f"layer {index} ({word})"
    layer = _layer(fields, index, LayerKind(word))
    left = fields.left()
    if left:
        unused[fields.where] = left
    return layer


def _layer(fields: Fields, index: int, kind: LayerKind) -> Layer:
    shape = _shape(fields)
    if kind in (LayerKind.FLATTEN, LayerKind.AVERAGE):
        if kind is LayerKind.AVERAGE and shape is None:
            fields.refuse("has no shape, and so no number of outputs", "export the network again")
        return Layer(index, kind, shape, None)
    neuron = _neuron(fields)
    if kind is LayerKind.INPUT:
        gain, shift = (fields.whole(name, default) for name, default in (("weight", INPUT_WEIGHT), ("bias", 0)))
        return Layer(index, kind, shape, neuron, gain=gain, shift=shift)
    weight = fields.integers("weight", required=True)
    if kind in (LayerKind.DENSE, LayerKind.RECURRENT):
        rows = None if shape is None else int(np.prod(shape))
        again = fields.integers("weight_rec", required=True) if kind is LayerKind.RECURRENT else None
        found = Layer(
            index, kind, shape, neuron, _matrix(fields, "weight", weight, rows),
            None if again is None else _matrix(fields, "weight_rec", again, rows),
            fields.integers("bias"), _delay(fields, "delay"),
            _delay(fields, "delay_rec") if kind is LayerKind.RECURRENT else None,
        )  # fmt: skip
        return _sizes(fields, found, inFeatures=1, outFeatures=0)
    stride, padding, dilation = fields.pair("stride", 1), fields.pair("padding", 0), fields.pair("dilation", 1)
    groups = fields.whole("groups", 1, low=1)
    bias, delay = fields.integers("bias"), _delay(fields, "delay")
    found = Layer(
        index, kind, shape, neuron, _kernel(fields, weight), None, bias, delay, None, stride, padding, dilation, groups
    )
    fields.pair("kernelSize", 1)
    fields.integers("inChannels")
    return found if kind is LayerKind.POOL else _sizes(fields, found, outChannels=0)


def _shape(fields: Fields) -> tuple[int, ...] | None:
    found = fields.integers("shape")
    if found is None:
        return None
    if not 1 <= found.size <= 3 or np.any(found < 1):
        fields.refuse(
            f"has shape {tuple(found.ravel().tolist())[:6]}", "export the network again", "1 to 3 axes, none empty"
        )
        return None
    return tuple(int(n) for n in found.ravel())


def _neuron(fields: Fields) -> Neuron | None:
    inner = fields.group("neuron")
    if inner is None:
        return None
    kind = (inner.text("type", "CUBA-LIF") or "").upper()
    if kind not in _NEURONS:
        name = next((word for word in _FLOATING if kind.startswith(word)), "")
        found = f"has {_FLOATING[name]}" if name else f"has neurons of type {kind[:40]!r}, which is not known"
        inner.refuse(found, "train it with CUBA neurons (slayer.block.cuba)", ", ".join(_NEURONS))
        inner.take_all()
        return None
    if inner.whole("refDelay", 1, low=0) > 1:
        found = f"has a refractory period (refDelay = {inner.whole('refDelay', 1)})"
        inner.refuse(found, "train it with a refractory period of 1", "1 step: lava-nc has it in float alone")
    if inner.whole("gradedSpike", 0) != 0:
        inner.refuse("sends graded spikes (gradedSpike)", "train it with binary spikes", "CUBA neurons send 0 or 1")
    for name in ("reset_interval", "resetInterval"):
        if inner.whole(name, 0) != 0:
            found, steps = f"resets its neurons every so many steps ({name})", inner.whole(name, 0)
            remedy = f"leave it out and give samples of {steps} steps, each of which starts at 0 (--steps {steps})"
            inner.refuse(found, remedy, "a program resets registers between samples")
    if inner.whole("weight_exp", 0) != 0:
        found = f"scales what arrives by a batch norm (neuron/weight_exp = {inner.whole('weight_exp', 0)})"
        inner.refuse(
            found, "fold it into the weights before the export", "netx ignores it: the file runs as another net"
        )
    decays = inner.registers("iDecay", 0, 4096), inner.registers("vDecay", 0, 4096)
    threshold = inner.integers("vThMant")
    never = threshold is not None and threshold.size > 0 and int(threshold.min()) >= NEVER
    threshold = None if never else inner.registers("vThMant", 0, NEVER - 1)
    inner.integers("theta")
    for name in _SURROGATE:
        inner.skip(name)
    return Neuron(*decays, threshold, inner.whole("wgtExp", 0, low=-8, high=7))


def _delay(fields: Fields, name: str) -> Integers | None:
    found = fields.integers(name)
    if found is not None and found.size and (found.min() < 0 or found.max() > LONGEST_DELAY):
        text = f"has delays ({name}) of {found.min()} to {found.max()} steps"
        fields.refuse(text, "train it with shorter delays (slayer's max_delay)", f"0 to {LONGEST_DELAY} steps")
        return None
    return found if found is not None and found.size else None


def _matrix(fields: Fields, name: str, weight: Integers | None, rows: int | None) -> Integers | None:
    """(out, in); a flat list has as many rows as the layer has neurons."""
    if weight is None:
        return None
    if weight.ndim == 1 and rows and weight.size % rows == 0:
        weight = weight.reshape(rows, -1)
    while weight.ndim > 2 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    if weight.ndim != 2 or not weight.size or rows not in (None, len(weight)):
        wanted = "two axes" if rows is None else f"({rows}, inputs)"
        fields.refuse(f"its {name} has shape {weight.shape}", "export the network again", wanted)
        return None
    return weight


def _kernel(fields: Fields, weight: Integers | None) -> Integers | None:
    if weight is None:
        return None
    while weight.ndim > 4 and weight.shape[-1] == 1:
        weight = weight[..., 0]
    if weight.ndim != 4 or not weight.size:
        fields.refuse(f"its weight has shape {weight.shape}", "export the network again", "(out, in / groups, H, W)")
        return None
    return weight


def _sizes(fields: Fields, layer: Layer, **axes: int) -> Layer:
    """Declared numbers of inputs and outputs must be those of the weights."""
    for name, axis in axes.items():
        stated = fields.whole(name, 0)
        if stated and layer.weight is not None and stated != layer.weight.shape[axis]:
            found = f"declares {name} = {stated}, and its weight has shape {layer.weight.shape}"
            fields.refuse(found, "export the network again")
    return layer


def lasting(tree: Tree, problems: list[Problem]) -> int | None:
    """Steps of a sample by the group `simulation` (tSample / Ts); None where it does not say."""
    inner = tree.get("simulation")
    if not isinstance(inner, Mapping) or "tSample" not in inner:
        return None
    fields = Fields(inner, "simulation", problems)
    steps, step = fields.whole("tSample", 0, low=1), fields.whole("Ts", 1, low=1)
    return max(steps // max(step, 1), 1)
