"""Every class of a framework is carried, traced through, or refused with its cause; none is simply unknown."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.util import find_spec

import pytest

pytest.importorskip("torch", reason="torch is not installed")

from torch import nn

HOMES = {
    "norse": ("norse.torch.module",),
    "snntorch": ("snntorch",),
    "spikingjelly": ("spikingjelly.activation_based.neuron", "spikingjelly.activation_based.layer"),
    "sinabs": ("sinabs.layers",),
}
"""Framework -> where its neurons and layers are; packages are searched with all their modules."""

BASES = {
    "norse": {"SNN", "SNNCell", "SNNRecurrent", "SNNRecurrentCell"},
    "snntorch": {"SpikingNeuron", "LIF"},
    "spikingjelly": {
        "AdaptBaseNode", "BaseNode", "ILCBaseNode", "MPBNBaseNode", "NoisyBaseNode", "NoisyILCBaseNode",
        "NoisyNonSpikingBaseNode", "NonSpikingBaseNode", "SimpleBaseNode",
    },
    "sinabs": {"StatefulLayer"},
}  # fmt: skip
"""Abstract classes."""


def classes(framework: str) -> set[str]:
    """Names of the framework's modules for networks."""
    found: set[str] = set()
    for home in HOMES[framework]:
        package = importlib.import_module(home)
        inner = [m.name for m in pkgutil.iter_modules(package.__path__)] if framework == "norse" else []
        for module in (package, *(importlib.import_module(f"{home}.{name}") for name in inner)):
            kinds = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, nn.Module)]
            found |= {k.__name__ for k in kinds if k.__module__.startswith(framework) and k.__name__[0] != "_"}
    return found


@pytest.mark.parametrize("framework", HOMES)
def test_every_class_is_carried_or_refused(framework):
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    frontend = importlib.import_module(f"seamount.frontends.frameworks.{framework}").FRAMEWORK
    known = {k.__name__ for k in (*frontend.neurons, *frontend.layers)} | set(frontend.refused) | frontend.containers
    present = classes(framework)
    assert len(present) > 5
    assert present - known == BASES[framework] & present


@pytest.mark.parametrize("framework", HOMES)
def test_reasons_are_sentences_without_the_class(framework):
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    frontend = importlib.import_module(f"seamount.frontends.frameworks.{framework}").FRAMEWORK
    assert all(len(why.split()) >= 4 and not why.endswith(".") for why in frontend.refused.values())
