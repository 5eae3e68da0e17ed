"""Layers of a .net file to a quantized Graph: integers as they are, nothing trained, folded or rounded.

Every block with neurons becomes a population with one bias-free linear op in front of it, which is what the passes
leave of a float graph. A flatten needs nothing, because weights act on flattened messages in channel order.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import CompileError, Problem
from seamount.compiler.ir.compose import identity
from seamount.compiler.ir.graph import Edge, Node
from seamount.compiler.ir.linear import as_synapses
from seamount.compiler.ir.ops import Affine, Conv, Input, IntLIF, Linear, Op, Shape, Sparse, WeightFormat, freeze
from seamount.compiler.ir.shapes import output_shape, size
from seamount.compiler.ir.weights import values_of
from seamount.frontends.netx.codes import BITS, coded
from seamount.frontends.netx.layers import BIAS_EXP, Integers, Layer, LayerKind, Neuron

MANTISSA = (-4096, 4095)
"""Range of a bias mantissa (docs/semantics.md, registers)."""
_READ = Neuron(np.array(4096), np.array(0), None)
"""Neurons of a dense block that states none: they add up all that arrives and never fire (lava-dl's Affine)."""
_MEAN = Neuron(np.array(4096), np.array(4096), None)
"""Neurons of an average: v is 64 times what arrives in this step."""


@dataclass
class Population:
    """The layer whose messages the next one reads."""

    name: str
    shape: Shape
    fires: bool
    flat: bool = False


class Walk:
    """Turns layers into nodes and edges, from the input on; problems name the layer."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.at: Population | None = None

    def refuse(self, layer: Layer, found: str, remedy: str, limit: str = "") -> None:
        self.problems.append(Problem(layer.where, found, remedy, limit))

    def input(self, layer: Layer, port: Input) -> None:
        """The port of the host, and the population of an input block with neurons."""
        self.nodes.append(Node("input", port, (f"layer/{layer.index}",), port.shape))
        self.at = Population("input", port.shape, fires=True)
        if layer.neuron is not None:
            one: Any = identity(port.shape)
            # What netx writes to the bias comes as a message: with i_decay 4096, u is 64 times it and forgotten.
            driven = replace(layer.neuron, i_decay=np.array(4096), weight_exp=0)
            self._block(layer, one, values_of(one).astype(np.int64), port.shape, driven)

    def add(self, layer: Layer) -> None:
        """Any further layer. What it needs to know of an earlier one that was refused is left out."""
        before = self.at
        if before is None:
            return
        if layer.kind is LayerKind.FLATTEN:
            before.flat = True
        elif layer.kind is LayerKind.INPUT:
            self.refuse(layer, "stands behind other layers", "give the network one input, its first layer")
        elif not before.fires:
            found = "reads a layer that never fires"
            self.refuse(layer, found, "put neurons with a threshold in front of it", "a chip sends spikes alone")
        elif layer.kind is LayerKind.AVERAGE:
            self._average(layer, before)
        elif layer.kind in (LayerKind.CONV, LayerKind.POOL):
            self._windows(layer, before)
        else:
            self._dense(layer, before)

    def _dense(self, layer: Layer, before: Population) -> None:
        if layer.weight is None:
            self.at = None
            return
        rows, columns = layer.weight.shape
        if columns != size(before.shape):
            found = f"takes {columns} inputs and gets {size(before.shape)}, of shape {before.shape}"
            self.refuse(layer, found, "export the network again")
            self.at = None
            return
        neuron = layer.neuron
        if neuron is None and layer.bias is not None and np.any(layer.bias):
            self.refuse(layer, "has a bias and no neurons to add it to", "export it with its neurons")
        self._block(layer, Affine(freeze(layer.weight)), layer.weight, (rows,), neuron or _READ)
        if layer.recurrent is not None and self.at is not None:
            name, again = self.at.name, layer.recurrent
            if again.shape != (rows, rows):
                found = f"its weight_rec has shape {again.shape}"
                self.refuse(layer, found, "export the network again", f"({rows}, {rows})")
                return
            op = Affine(freeze(again))
            self._connect(layer, f"recurrent{layer.index}", self.at, name, op, again, layer.delay_rec, 1)

    def _windows(self, layer: Layer, before: Population) -> None:
        """A convolution, or a pool: one kernel for every channel."""
        weight, shape = layer.weight, before.shape
        self.at = None
        if weight is None:
            return
        if before.flat or len(shape) != 3:
            found = f"gets messages of shape {(size(shape),) if before.flat else shape}"
            self.refuse(layer, found, "put it in front of the flatten", "three axes: channels, height, width")
            return
        groups = layer.groups
        if layer.kind is LayerKind.POOL:
            if weight.shape[:2] != (1, 1):
                found = f"its weight has shape {weight.shape}"
                self.refuse(layer, found, "export the network again", "(1, 1, H, W): one window for all channels")
                return
            weight, groups = np.repeat(weight, shape[0], axis=0), shape[0]
        op = Conv(freeze(weight), None, layer.stride, layer.padding, layer.dilation, groups)
        try:
            target = output_shape(op, shape, layer.where)
        except CompileError as error:
            self.problems += error.problems
            return
        if layer.shape is not None and layer.shape != target:
            found = f"declares shape {layer.shape}, and its weights give {target}"
            self.refuse(layer, found, "export the network again, or pad its input so that its windows fit")
            return
        if layer.neuron is None:
            self.refuse(layer, "has no neurons", "export it with its neurons")
            return
        self.at = before
        self._block(layer, op, weight, target, layer.neuron)

    def _average(self, layer: Layer, before: Population) -> None:
        outputs, inputs = size(layer.shape or (1,)), size(before.shape)
        if inputs % outputs:
            found = f"averages {inputs} neurons into {outputs}"
            self.refuse(layer, found, "use as many neurons for each output", "equal groups")
            return
        index = np.arange(inputs)
        each = inputs // outputs
        op = Sparse(index // each, index, freeze(np.ones(inputs)), before.shape, (outputs,))
        self._block(layer, op, np.ones(inputs, np.int64), (outputs,), _MEAN, each)

    def _block(self, layer: Layer, op: Linear, weight: Integers, shape: Shape, neuron: Neuron, scale: int = 1) -> None:
        """Weights and the population behind them. scale: v of a population that never fires, over 64, is so many."""
        before = self.at
        assert before is not None
        name = f"layer{layer.index}"
        self.at = Population(name, shape, neuron.threshold is not None)
        bias = self._bias(layer, shape)
        if not np.all(neuron.i_decay):
            found = "has a current that never decays (iDecay = 0)"
            limit = "iDecay 1 to 4096 (docs/semantics.md, registers)"
            self.refuse(layer, found, "train it with a decay of at least 1/4096", limit)
        vth = None if neuron.threshold is None else self._spread(layer, "vThMant", neuron.threshold, shape)
        unit = float(scale if vth is None else max(int(vth.max()), 1))
        du, dv = np.maximum(neuron.i_decay - 1, 0), neuron.v_decay
        decays = self._spread(layer, "iDecay", du, shape), self._spread(layer, "vDecay", dv, shape)
        population = IntLIF(*decays, vth, *bias, scale=unit)
        self.nodes.append(Node(name, population, (f"layer/{layer.index}",), shape))
        self._connect(layer, f"{layer.kind.value}{layer.index}", before, name, op, weight, layer.delay, 0)

    def _bias(self, layer: Layer, shape: Shape) -> tuple[Any, int]:
        """(mantissas, exponent): as they are, or halved with the next exponent where only that holds them."""
        bias = None if layer.kind is LayerKind.INPUT else layer.bias
        if bias is None or not np.any(bias):
            return _register(np.array(0)), BIAS_EXP
        exponent, low, high = BIAS_EXP, *MANTISSA
        if (bias.min() < low or bias.max() > high) and not np.any(bias % 2):
            bias, exponent = bias // 2, exponent + 1
        if bias.min() < low or bias.max() > high:
            found = f"has biases of {bias.min()} to {bias.max()}"
            self.refuse(layer, found, "train it with smaller biases", f"{low} to {high}, times 2**{exponent}")
        return self._spread(layer, "bias", bias, shape), exponent

    def _spread(self, layer: Layer, what: str, values: Integers, shape: Shape) -> Any:
        """One number, or one per neuron; numbers per channel hold for all its neurons."""
        if values.size == 1:
            return _register(values.reshape(()))
        if values.size not in (shape[0], size(shape)):
            found = f"has {values.size} numbers of its {what} for neurons of shape {shape}"
            self.refuse(layer, found, "export the network again", f"1, {shape[0]} or {size(shape)}")
            return _register(np.array(0))
        each = values.reshape(shape) if values.size == size(shape) else values.reshape(-1, *(1,) * (len(shape) - 1))
        return _register(np.broadcast_to(each, shape))

    def _connect(
        self,
        layer: Layer,
        stem: str,
        source: Population,
        target: str,
        op: Linear,
        weight: Integers,
        delays: Integers | None,
        lag: int,
    ) -> None:
        """Projections of one matrix: one, or one for each delay that its synapses have."""
        found = coded(weight)
        exponent = layer.neuron.weight_exp if layer.neuron and layer.kind is not LayerKind.INPUT else 0
        if found is None or not -8 <= found.exponent + exponent <= 7:
            text = f"has weights of {weight.min()} to {weight.max()}, which no 8 bits and exponent hold exactly"
            limit = "-256 to 254 in steps of 2, -127 to 127, or 0 to 255 of one sign, times 2**0 to 2**7"
            self.refuse(layer, text, "quantize its weights to 8 bits before the export", limit)
            return
        scale = next(n.op.scale for n in self.nodes if n.name == target and isinstance(n.op, IntLIF))
        form = WeightFormat(BITS, found.sign_mode, found.exponent + exponent, scale)
        part = "values" if isinstance(op, Sparse) else "weight"
        shape = next(n.shape for n in self.nodes if n.name == target) or ()
        if isinstance(op, Affine):
            op = replace(op, shape=None if shape == (len(weight),) else shape)
        whole: Linear = replace(op, **{part: found.codes}, format=form)  # type: ignore[arg-type]
        for name, piece, delay in self._delayed(layer, stem, source, shape, whole, delays):
            self.nodes.append(Node(name, piece, (f"layer/{layer.index}",), shape))
            self.edges += [Edge(source.name, name, lag + delay), Edge(name, target)]

    def _delayed(
        self, layer: Layer, stem: str, source: Population, shape: Shape, op: Linear, delay: Integers | None
    ) -> list[tuple[str, Op, int]]:
        """(name, weights, delay) of each delay. As netx: of an output where there is one for each of them, else of an
        input."""
        if delay is None or not np.ptp(delay):
            return [(stem, op, 0 if delay is None else int(delay.ravel()[0]))]
        rows, cols, values = as_synapses(op, source.shape)
        each = _per_synapse(delay, rows, cols, shape, source.shape)
        if each is None:
            found = (
                f"has delays of shape {delay.shape} for weights of {size(shape)} outputs, {size(source.shape)} inputs"
            )
            self.refuse(layer, found, "export the network again", "one for each output, channel, input or synapse")
            return []
        parts: list[tuple[str, Op, int]] = []
        for steps in np.unique(each):
            mine = each == steps
            piece = Sparse(rows[mine], cols[mine], freeze(values[mine]), source.shape, shape, format=op.format)
            parts.append((f"{stem}_delay{steps}", piece, int(steps)))
        return parts


def _per_synapse(
    delay: Integers, rows: NDArray[np.int64], cols: NDArray[np.int64], target: Shape, source: Shape
) -> Integers | None:
    outputs, inputs = size(target), size(source)
    if delay.ndim == 2 and delay.shape == (outputs, inputs):
        return delay[rows, cols]
    flat = delay.ravel()
    for count, index in ((outputs, rows), (target[0], rows // (outputs // target[0])), (inputs, cols)):
        if flat.size == count:
            return flat[index]
    return None


def _register(values: NDArray[Any]) -> Any:
    array = np.array(values, np.int32, order="C")
    array.setflags(write=False)
    return array


def first_shape(layers: list[Layer]) -> Shape | None:
    """Shape of the messages from the host: of the input block, else as many as the first dense layer takes."""
    first = layers[0]
    if first.kind is LayerKind.INPUT:
        return first.shape
    weights = itertools.takewhile(lambda layer: layer.kind is not LayerKind.CONV, layers)
    dense = next((layer.weight for layer in weights if layer.weight is not None and layer.weight.ndim == 2), None)
    return None if dense is None else (int(dense.shape[1]),)
