"""The table of passes, alphabetical. Order and options are in compiler/pipelines.py."""

from __future__ import annotations

from seamount.compiler.passes.balance_delays import BalanceDelays
from seamount.compiler.passes.base import Pass
from seamount.compiler.passes.fold_batchnorm import FoldBatchnorm
from seamount.compiler.passes.fold_linear import FoldLinear
from seamount.compiler.passes.fold_threshold import FoldThreshold
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.compiler.passes.normalise_neurons import NormaliseNeurons
from seamount.compiler.passes.quantize import Quantize

PASSES: dict[str, type[Pass]] = {
    p.name: p
    for p in (BalanceDelays, FoldBatchnorm, FoldLinear, FoldThreshold, InferShapes, NormaliseNeurons, Quantize)
}
