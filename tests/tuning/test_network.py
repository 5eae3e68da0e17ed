"""The torch module against the engine and the reference: the same integers, entry for entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from seamount.backends.registry import load_backend, load_target
from seamount.compiler.codes import encode
from seamount.compiler.driver import compile_graph
from seamount.compiler.errors import CompileError
from seamount.compiler.pipelines import Options
from seamount.tuning.network import IntegerNetwork
from seamount.tuning.parts import Trained
from tests.strategies import FEATURES, cases

ALL = Trained(decays=True)


def compiled(graph: Any, data: Any, bits: int) -> Any:
    """(artifact, module) of a drawn graph; None where the chip cannot hold it."""
    kept = {}
    try:
        made = compile_graph(
            graph, load_target("loihi-sim"), Options(bits), samples=data,
            watch=lambda p, g: kept.update({p.name: g}),
        )  # fmt: skip
    except CompileError:
        return None
    return made.artifact, IntegerNetwork(kept["quantize"], made.canonical, made.artifact.inputs, ALL)


def messages_of(artifact: Any, data: Any) -> Any:
    """The messages of drawn data."""
    return encode(artifact.inputs, data, next(iter(data.values())).shape[1])


def differing(program: Any, net: IntegerNetwork, messages: Any, backend: str) -> int:
    """Entries of spikes, u and v that differ between the module and a backend."""
    trace = load_backend(backend).run(program, messages, record=frozenset({"spikes", "u", "v"}))
    with torch.no_grad():
        ran = net.run({k: torch.from_numpy(v) for k, v in messages.items()})
    found = 0
    for name, series in ran.items():
        for mine, theirs in zip(series, (trace.spikes, trace.u, trace.v), strict=True):
            found += int(np.sum(mine.transpose(0, 1).numpy() != theirs[name]))
    return found


def trained_a_step(net: IntegerNetwork, messages: Any) -> None:
    """One step of gradient descent on any loss, large enough to change integers."""
    values = net({k: torch.from_numpy(v) for k, v in messages.items()})
    sum(v.square().mean() for v in values.values()).backward()  # type: ignore[union-attr]
    with torch.no_grad():
        for _, _, p in net.learning():
            if p.grad is None or not p.numel():
                continue  # nothing that is read depends on it
            assert torch.isfinite(p.grad).all()
            p -= 0.05 * p.grad / (p.grad.abs().max() + 1e-12)
    net.clip_()


def check_case(case: Any, bits: int) -> None:
    graph, data = case
    made = compiled(graph, data, bits)
    if made is None:
        return
    artifact, net = made
    messages = messages_of(artifact, data)
    assert differing(artifact.program, net, messages, "reference") == 0


@settings(max_examples=25, deadline=None, derandomize=True, phases=(Phase.generate,))
@given(case=cases(), bits=st.sampled_from([8, 4, 3, 2]))
def test_drawn_networks(case: Any, bits: int) -> None:
    check_case(case, bits)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, derandomize=True, phases=(Phase.generate,))
@given(case=cases(), bits=st.sampled_from([8, 6, 4, 3, 2]))
def test_many_drawn_networks(case: Any, bits: int) -> None:
    check_case(case, bits)


@pytest.mark.slow
@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_each_construct(feature: str) -> None:
    @settings(max_examples=30, deadline=None, derandomize=True, phases=(Phase.generate,))
    @given(case=cases(force=frozenset({feature})), bits=st.sampled_from([8, 4, 2]))
    def check(case: Any, bits: int) -> None:
        check_case(case, bits)

    check()
