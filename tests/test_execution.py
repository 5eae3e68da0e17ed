"""Event counts: joined over batches, compared field by field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings

from seamount.backends.simulator.reference import ReferenceSimulator
from seamount.compiler.execution import join_counts
from tests.program_strategies import cases


@given(cases())
@settings(max_examples=40, deadline=None)
def test_counts_of_parts_join_to_those_of_the_whole(case):
    program, messages = case
    whole = ReferenceSimulator().run(program, messages).counts
    parts = [
        ReferenceSimulator().run(program, {k: x[n : n + 1] for k, x in messages.items()}).counts
        for n in range(whole.samples)
    ]
    assert join_counts(parts).differences(whole) == []


@given(cases())
@settings(max_examples=40, deadline=None)
def test_steps_and_neurons_are_two_views_of_the_same_messages(case):
    program, messages = case
    counts = ReferenceSimulator().run(program, messages).counts
    for name, per_step in counts.spikes.items():
        assert per_step.shape == (counts.steps,)
        assert counts.sent[name].shape == (int(np.prod(program.shapes[name])),)
        assert per_step.sum() == counts.sent[name].sum() == counts.spike_totals[name]


@given(cases())
@settings(max_examples=10, deadline=None)
def test_every_difference_is_named(case):
    program, messages = case
    counts = ReferenceSimulator().run(program, messages).counts
    name = next(iter(counts.sent))
    sent = {**counts.sent, name: counts.sent[name] + 1}
    changed = replace(counts, samples=counts.samples + 1, sent=sent)
    assert counts.differences(changed) == ["samples", f"sent {name}"]
    assert changed.differences(counts) == ["samples", f"sent {name}"]
    assert counts.differences(replace(counts, synops={})) == [f"synops {q}" for q in sorted(counts.synops)]
