"""NIR's weights, pools and reshapes to ops of the graph: one function per type, one table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seamount.compiler.ir.convolve import transposed
from seamount.compiler.ir.notes import AxisDropped, InputDiffers
from seamount.compiler.ir.ops import Affine, Array, BatchNorm, Conv, Op, Pool, Reshape, Scale, Shape, Sparse, freeze
from seamount.compiler.ir.shapes import size
from seamount.frontends.nir.log import Log, Site
from seamount.frontends.nir.parameters import compact

Importer = Callable[[Site, Log], Op | None]


def affine(site: Site, log: Log) -> Op | None:
    """y = W x + b. Leading axes of W are maps of their own: (..., out, in) takes (..., in) to (..., out)."""
    weight: Array = site.fields["weight"]
    bias: Array | None = site.fields.get("bias")
    bias = None if bias is None or not np.any(bias) else bias
    lead, expected = weight.shape[:-2], (*weight.shape[:-2], weight.shape[-1])
    if site.shape == (1, *expected):
        log.note(AxisDropped(site.where, "input", site.shape))
    elif (1, *site.shape) == expected:
        log.note(AxisDropped(site.where, "weight", weight.shape))
        weight, lead = weight[0], lead[1:]
        bias = None if bias is None else bias[0]
    elif site.shape != expected:
        remedy = "put a Flatten before it" if size(site.shape) == size(expected) else "check the layer before it"
        log.refuse(site.where, f"takes inputs of shape {expected} but receives {site.shape}", remedy)
        return None
    if size(lead) > 1:
        return _stacked(weight, bias)
    out = weight.shape[-2]
    flat = weight.reshape(out, -1)
    if site.after_linear and not lead and _is_diagonal(flat):
        return BatchNorm(freeze(np.diag(flat)), freeze(np.zeros(out) if bias is None else bias))
    return Affine(freeze(flat), None if bias is None else freeze(bias.reshape(out)), (*lead, out) if lead else None)


def _stacked(weight: Array, bias: Array | None) -> Sparse:
    """Block-diagonal synapses of a stack of matrices (..., out, in)."""
    *lead, out, into = weight.shape
    block = np.arange(size(tuple(lead)), dtype=np.int64)[:, None, None]
    rows = np.broadcast_to(block * out + np.arange(out)[:, None], (len(block), out, into))
    cols = np.broadcast_to(block * into + np.arange(into), (len(block), out, into))
    rows, cols = np.array(rows.ravel(), np.int64), np.array(cols.ravel(), np.int64)
    rows.setflags(write=False)
    cols.setflags(write=False)
    shape = (*lead, out)
    return Sparse(rows, cols, freeze(weight.ravel()), (*lead, into), shape, None if bias is None else freeze(bias))


def _is_diagonal(matrix: Array) -> bool:
    rows, cols = matrix.shape
    return rows == cols and bool(np.count_nonzero(matrix) == np.count_nonzero(np.diag(matrix)))


def conv(site: Site, log: Log) -> Op | None:
    """Cross-correlation. "same" pads d (k - 1) in all, the odd one at the end, as PyTorch does."""
    p = site.fields
    weight, groups = p["weight"], p["groups"][0]
    bias = p["bias"] if np.any(p["bias"]) else None
    rank, kernel = weight.ndim - 2, weight.shape[2:]
    _note_declared(site, log, p["input_shape"], site.shape[1:])
    padding = (0,) * rank if p["padding"] == "valid" else p["padding"]
    if padding == "same":
        weight = _even_padding(site, log, weight, p["dilation"])
        if weight is None:
            return None
        kernel = weight.shape[2:]
        padding = tuple(d * (k - 1) // 2 for d, k in zip(p["dilation"], kernel, strict=True))
    pointwise = kernel == (1,) * rank and p["stride"] == (1,) * rank and padding == (0,) * rank
    if site.after_linear and pointwise and len(site.shape) == rank + 1 and site.shape[0] == weight.shape[0]:
        scale = _channel_scale(weight, groups)
        if scale is not None:
            return BatchNorm(freeze(scale), freeze(np.zeros(len(scale)) if bias is None else bias))
    bias = None if bias is None else freeze(bias)
    return Conv(freeze(weight), bias, p["stride"], padding, p["dilation"], groups)


def transposed_conv(site: Site, log: Log) -> Op | None:
    """A transposed convolution, as a convolution with zeros between its inputs."""
    p = site.fields
    _note_declared(site, log, p["input_shape"], site.shape[1:])
    bias = freeze(p["bias"]) if np.any(p["bias"]) else None
    return transposed(p["weight"], bias, p["stride"], p["padding"], p["output_padding"], p["dilation"], p["groups"][0])


def _even_padding(site: Site, log: Log, weight: Array, dilation: Shape) -> Array | None:
    """The kernel with a zero tap in front along axes whose "same" padding is odd, so that both sides are equal."""
    for axis, d in enumerate(dilation, start=2):
        if d * (weight.shape[axis] - 1) % 2 == 0:
            continue
        if d != 1:
            found = f"padding 'same' is uneven for kernel {weight.shape[2:]} with dilation {dilation}"
            log.refuse(site.where, found, "use an odd kernel, or give the padding as integers")
            return None
        front = np.zeros((*weight.shape[:axis], 1, *weight.shape[axis + 1 :]), np.float64)
        weight = np.concatenate([front, weight], axis=axis)
    return weight


def _channel_scale(weight: Array, groups: int) -> Array | None:
    """The factor per channel of a 1x1 convolution that mixes no channels, else None."""
    flat = weight.reshape(weight.shape[0], -1)
    if groups == len(flat) and flat.shape[1] == 1:
        return flat[:, 0]
    return np.diag(flat) if groups == 1 and _is_diagonal(flat) else None


def scale(site: Site, log: Log) -> Op | None:
    """y = s * x, elementwise."""
    return Scale(compact(site.fields["scale"]))


def sum_pool(site: Site, log: Log) -> Op | None:
    """Sum over windows."""
    return Pool(site.fields["kernel_size"], site.fields["stride"], site.fields["padding"], mean=False)


def average_pool(site: Site, log: Log) -> Op | None:
    """Mean over windows, padding included, as PyTorch's default counts it."""
    return Pool(site.fields["kernel_size"], site.fields["stride"], site.fields["padding"], mean=True)


def flatten(site: Site, log: Log) -> Op | None:
    """Merge axes start_dim..end_dim, counted without a batch axis."""
    p, rank = site.fields, len(site.shape)
    start, end = p["start_dim"][0], p["end_dim"][0]
    _note_declared(site, log, p["input_type"], site.shape)
    first, last = start + rank if start < 0 else start, end + rank if end < 0 else end
    if not 0 <= first <= last < rank:
        found = f"merges axes {start} to {end} of an input of shape {site.shape}"
        log.refuse(site.where, found, "count axes without the batch axis: PyTorch's Flatten(1) is start_dim=0")
        return None
    return Reshape((*site.shape[:first], size(site.shape[first : last + 1]), *site.shape[last + 1 :]))


def _note_declared(site: Site, log: Log, declared: Shape | None, actual: Shape) -> None:
    if declared is not None and tuple(declared) != tuple(actual):
        log.note(InputDiffers(site.where, tuple(declared), tuple(actual)))


LINEAR: dict[str, Importer] = {
    "Affine": affine,
    "Linear": affine,
    "Scale": scale,
    "Conv1d": conv,
    "Conv2d": conv,
    "ConvTranspose1d": transposed_conv,
    "ConvTranspose2d": transposed_conv,
    "SumPool2d": sum_pool,
    "AvgPool2d": average_pool,
    "Flatten": flatten,
}
"""NIR type -> importer."""
_RANKS = {"Conv1d": 2, "Conv2d": 3, "ConvTranspose1d": 2, "ConvTranspose2d": 3, "SumPool2d": 3, "AvgPool2d": 3}
WEIGHTS = frozenset({"Affine", "Linear", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"})


def rank_taken(kind: str, fields: dict[str, object]) -> int | None:
    """Number of axes a node takes, where its type or weight says so."""
    if kind in ("Affine", "Linear"):
        weight = fields["weight"]
        return weight.ndim - 1 if isinstance(weight, np.ndarray) else None
    return _RANKS.get(kind)
