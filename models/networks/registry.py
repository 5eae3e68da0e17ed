"""Names of the networks that recipes train, and a line on each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from seamount.compiler.errors import InputError, Problem
from seamount.models.networks.grouped import GroupNetwork, Plan
from seamount.models.networks.residual import resnet
from seamount.models.networks.stages import Activation, Task, chain

Maker = Callable[[Task, Any], nn.Module]


@dataclass(frozen=True)
class Entry:
    """make: (task, activation) -> network. origin: whose structure it is; for: the data it was made for."""

    make: Maker
    layers: str
    origin: str
    made_for: str


def _chain(layers: str, origin: str, made_for: str) -> Entry:
    return Entry(lambda task, activation: chain(layers, task, activation), layers, origin, made_for)


def _residual(text: str, origin: str, made_for: str, **how: Any) -> Entry:
    return Entry(partial(_make_residual, how), text, origin, made_for)


def _make_residual(how: Mapping[str, Any], task: Task, activation: Activation) -> nn.Module:
    return resnet(task, activation, **how)


_OURS, _HE, _FANG = "written for Seamount", "He et al., CVPR 2016", "Fang et al., NeurIPS 2021 (SEW-ADD)"
_VGG = "Simonyan and Zisserman, arXiv:1409.1556"
_VGG_SNN = "64C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-AP2-512C3-512C3-AP2"

NETWORKS: Mapping[str, Entry] = {
    "digits-conv3": _chain("16C3-AP2-32C3-AP2-32C3", _OURS, "8 x 8 images"),
    "conv3": _chain("16C5/2-32C3-AP2-32C3", _OURS, "28 x 28 images, 34 x 34 event frames"),
    "vgg-narrow": _chain("16C3-16C3-AP2-32C3-32C3-AP2-64C3-64C3-AP2", _VGG + ", narrowed", "32 x 32 images"),
    "vgg-small": _chain("64C3-64C3-AP2-128C3-128C3-AP2-256C3-256C3-AP2", _VGG, "32 x 32 images"),
    "vgg-snn": _chain(_VGG_SNN, "Deng et al., arXiv:2202.11946", "48 x 48 event frames"),
    "resnet-narrow": _residual(
        "16-32-64 channels, one block each, stem of stride 2", _HE + ", narrowed", "28 x 28 and 32 x 32 images",
        channels=(16, 32, 64), blocks=(1, 1, 1), stem_stride=2,
    ),
    "sew-narrow": _residual(
        "as resnet-narrow, sums of spikes", _FANG + ", narrowed", "28 x 28 and 32 x 32 images",
        channels=(16, 32, 64), blocks=(1, 1, 1), stem_stride=2, form="spikes",
    ),
    "resnet18": _residual("ResNet-18 with a 3 x 3 stem, sums in the membrane", _HE, "32 x 32 images"),
    "sew-resnet18": _residual("ResNet-18, sums of spikes", _FANG, "32 x 32 images", form="spikes"),
    "grouped": Entry(
        lambda task, neuron: GroupNetwork(task, neuron, Plan()), "four quadrants in turn, 16C3-32C3-AP2-32C3 each",
        "after Yao et al., arXiv:2401.10843", "images cut into quadrants",
    ),
}  # fmt: skip
"""Name -> network. Where none fits, the short form of a plain network is taken as it is, e.g. 16C3-AP2-32C3."""


def maker(name: str) -> Maker:
    """How to build the network of that name or short form; a short form is checked when it is built.

    Raises InputError for a name that is neither.
    """
    if name in NETWORKS:
        return NETWORKS[name].make
    if name[:1].isdigit() or name.startswith("FC"):
        return _chain(name, "", "").make
    known = ", ".join(NETWORKS)
    raise InputError(
        Problem(f"network '{name}'", "does not exist", f"use one of {known}, or a form like 16C3-AP2-32C3")
    )
