"""Cards of the networks that recipes train: what each is, whose structure, what it was made for, how large it is.

Plain data: listing them needs no training framework. `registry.py` builds them, and a test counts their parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkCard:
    """layers: the short form of stages.py where the network is a plain chain, else a description.

    shape       of one step's input, (channels, rows, columns) or (n,), for which `parameters` are counted; the network
                also takes other sizes that its strides and pools divide
    classes     of the classifier then
    parameters  trained numbers with the neuron of plain training, batch norms included
    """

    name: str
    layers: str
    origin: str
    made_for: str
    shape: tuple[int, ...]
    classes: int
    parameters: int
    chain: bool = True


_OURS = "written for Seamount"
_VGG = "Simonyan and Zisserman, arXiv:1409.1556"
_HE = "He et al., CVPR 2016"
_FANG = "Fang et al., NeurIPS 2021 (SEW-ADD)"
_DENG, _YAO = "Deng et al., arXiv:2202.11946", "after Yao et al., arXiv:2401.10843"
_SMALL, _IMAGES, _BOTH = "8 x 8 images", "32 x 32 images", "28 x 28 and 32 x 32 images"
_CAMERA = "event camera, 34 x 34"
_VGG_NARROW = "16C3-16C3-AP2-32C3-32C3-AP2-64C3-64C3-AP2"
_VGG_SMALL = "64C3-64C3-AP2-128C3-128C3-AP2-256C3-256C3-AP2"
_VGG_SNN = "64C3-128C3-AP2-256C3-256C3-AP2-512C3-512C3-AP2-512C3-512C3-AP2"
_RESNET18 = "ResNet-18 with a 3 x 3 stem, sums in the membrane"
_NARROW = "stem of stride 2, blocks of 16, 32, 64 channels, sums in the membrane"
_QUADRANTS, _APART, _CUT = "four quadrants in turn, each ", " of each quadrant, nothing carried", "images in quadrants"
_LATE, _EARLY, _SMALLER = "16C3-32C3-AP2-32C3", "16C3-AP2-32C3-32C3", "16C3-AP2-32C3-AP2-32C3"
_RGB = (3, 32, 32)

_CARDS = (
    NetworkCard("digits-conv3", "16C3-AP2-32C3-AP2-32C3", _OURS, _SMALL, (1, 8, 8), 10, 15_418),
    NetworkCard("conv3", "16C5/2-32C3-AP2-32C3", _OURS, "28 x 28 images", (1, 28, 28), 10, 30_074),
    NetworkCard("vgg-narrow", _VGG_NARROW, _VGG + ", narrowed", _IMAGES, _RGB, 10, 82_554),
    NetworkCard("vgg-small", _VGG_SMALL, _VGG, _IMAGES, _RGB, 10, 1_187_274),
    NetworkCard("resnet-narrow", _NARROW, _HE + ", narrowed", _BOTH, _RGB, 10, 78_042, chain=False),
    NetworkCard("sew-narrow", "as resnet-narrow, sums of spikes", _FANG, _BOTH, _RGB, 10, 78_042, chain=False),
    NetworkCard("resnet18", _RESNET18, _HE, _IMAGES, _RGB, 10, 11_173_962, chain=False),
    NetworkCard("sew-resnet18", "as resnet18, sums of spikes", _FANG, _IMAGES, _RGB, 10, 11_173_962, chain=False),
    NetworkCard("event-conv", "16C5/2-32C3/2-64C3/2", _OURS, _CAMERA, (2, 34, 34), 10, 40_074),
    NetworkCard("event-recurrent", "16C5/2-32C3/2-R64", _OURS, _CAMERA, (2, 34, 34), 10, 176_266),
    NetworkCard("vgg-snn", _VGG_SNN, _DENG, "event camera, 48 x 48", (2, 48, 48), 10, 9_268_746),
    NetworkCard("recurrent", "R128", _OURS, "sequences: Braille, ECG, rows of digits", (24,), 27, 23_195),
    NetworkCard("grouped", _QUADRANTS + _LATE, _YAO, _CUT, (4, 4, 4), 10, 21_562, chain=False),
    NetworkCard("grouped-early", _QUADRANTS + _EARLY, _YAO, _CUT, (4, 14, 14), 10, 79_162, chain=False),
    NetworkCard("grouped-early-apart", _EARLY + _APART, _OURS, _CUT, (4, 14, 14), 10, 76_858, chain=False),
    NetworkCard("grouped-small", _QUADRANTS + _SMALLER, _YAO, _CUT, (12, 16, 16), 10, 37_210, chain=False),
    NetworkCard("grouped-small-apart", _SMALLER + _APART, _OURS, _CUT, (12, 16, 16), 10, 34_906, chain=False),
)

CARDS: Mapping[str, NetworkCard] = {c.name: c for c in _CARDS}
"""Every network for recipes by name."""
