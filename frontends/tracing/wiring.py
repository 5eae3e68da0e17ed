"""Is a neuron layer wired alike at every step, but for what comes from the step before the first?"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from seamount.frontends.frameworks.layers import has_offset
from seamount.frontends.traced import ZERO, Ref, TracedNode

_SOURCES = ("neuron", "membrane", "input", "and", "not")
"""Kinds of nodes whose output is not made from that of other nodes in the same step by linear layers."""


def same_but_for_the_past(nodes: Sequence[TracedNode], first: Ref, later: Ref) -> bool:
    """Whether `first` (of step 0) is `later` with everything from the step before replaced by zeros."""
    if first == later:
        return True
    if later.lag > 0:
        return _is_zero(nodes, first)
    if len(_terms(nodes, first)) > 1 or len(_terms(nodes, later)) > 1:
        return _same_sums(nodes, first, later)
    if min(first.node, later.node) < 0:
        return False
    a, b = nodes[first.node], nodes[later.node]
    alike = (a.kind, a.module, a.factor, a.offset, a.shape) == (b.kind, b.module, b.factor, b.offset, b.shape)
    return alike and a.kind not in _SOURCES and same_but_for_the_past(nodes, a.refs[0], b.refs[0])


def unlike(nodes: Sequence[TracedNode], first: Ref, later: Ref) -> tuple[str, str]:
    """What is found, and the remedy, where a layer's inputs at two steps are not the same."""
    norms = [_norms(nodes, ref) for ref in (first, later)]
    if all(norms) and not norms[0] & norms[1]:
        found = (
            "each step has a batch norm of its own before it (BNTT), and a chip has one set of weights for all steps"
        )
        return (
            found,
            "use one batch norm for all steps (in spikingjelly ThresholdDependentBatchNorm2d), and train again",
        )
    found = "its input is wired differently at different steps"
    return found, "wire every step alike; at the first step take zeros for what comes from the step before"


def _norms(nodes: Sequence[TracedNode], ref: Ref) -> set[int]:
    """The batch norms between a reference and the neurons or inputs that it comes from."""
    if ref.node < 0 or nodes[ref.node].kind in _SOURCES:
        return set()
    node = nodes[ref.node]
    mine = {id(node.module)} if isinstance(node.module, nn.modules.batchnorm._BatchNorm) else set()
    return mine.union(*(_norms(nodes, r) for r in node.refs))


def _same_sums(nodes: Sequence[TracedNode], first: Ref, later: Ref) -> bool:
    rest = _terms(nodes, later)
    for term in _terms(nodes, first):
        match = next((r for r in rest if r == term), None)
        match = match or next((r for r in rest if same_but_for_the_past(nodes, term, r)), None)
        if match is None:
            return False
        rest.remove(match)
    return all(_silent_at_first(nodes, r) for r in rest)


def _terms(nodes: Sequence[TracedNode], ref: Ref) -> list[Ref]:
    """The summands of a reference."""
    if ref.node < 0 or nodes[ref.node].kind != "add":
        return [ref]
    return [t for r in nodes[ref.node].refs for t in _terms(nodes, Ref(r.node, r.lag + ref.lag))]


def _is_zero(nodes: Sequence[TracedNode], ref: Ref) -> bool:
    """Whether a reference is zeros, through bias-free layers."""
    if ref.node < 0:
        return ref.node == ZERO
    node = nodes[ref.node]
    return node.kind not in _SOURCES and not has_offset(node.module) and all(_is_zero(nodes, r) for r in node.refs)


def _silent_at_first(nodes: Sequence[TracedNode], ref: Ref) -> bool:
    if ref.lag > 0:
        return True
    node = nodes[ref.node]
    if node.kind in _SOURCES or has_offset(node.module):
        return False
    return all(_silent_at_first(nodes, r) for r in node.refs)
