"""What the report must find, worked out in another way: by looking at every entry, and in exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from seamount.compiler.diff.neuron_step import Account
from seamount.compiler.diff.side import Place
from seamount.compiler.program.program import Program, synapses


def first_difference(program: Program, a: Any, b: Any) -> tuple[int, int, str, int, str] | None:
    """(sample, step, population, neuron, register) of the first entry that differs in two traces."""
    first = next(iter(a.spikes.values()))
    for sample in range(first.shape[0]):
        for step in range(first.shape[1]):
            for p in program.populations:
                for neuron, index in enumerate(np.ndindex(*p.shape)):
                    at = (sample, step, *index)
                    for register, left, right in (("u", a.u, b.u), ("v", a.v, b.v), ("s", a.spikes, b.spikes)):
                        if left[p.name][at] != right[p.name][at]:
                            return sample, step, p.name, neuron, register
    return None


def toward_zero(product: int) -> int:
    return math.trunc(Fraction(product, 4096))


def assert_account(found: Account, program: Program, messages: Any, trace: Any, place: Place) -> None:
    """Every integer of an account, from the trace and the program."""
    p = program.population(place.layer)
    before = (place.sample, place.step - 1, *place.index)

    def parameter(value: Any) -> int:
        return int(np.broadcast_to(np.asarray(value), p.shape)[place.index])

    assert [x.projection for x in found.inflows] == [q.name for q in program.projections if q.target == p.name]
    for q, inflow in zip((q for q in program.projections if q.target == p.name), found.inflows, strict=True):
        total = assert_inflow(inflow, q, program, messages, trace, place)
        assert inflow.share == math.floor(total * Fraction(2) ** q.weight_exp)
    assert found.a == sum(x.share for x in found.inflows)
    assert found.u_before == (0 if place.step == 0 else trace.u[p.name][before])
    assert found.v_before == (parameter(p.v_init) if place.step == 0 else trace.v[p.name][before])
    assert found.u_product == found.u_before * (4095 - parameter(p.du))
    assert found.u_decayed == toward_zero(found.u_product)
    assert found.u_sum == found.u_decayed + 64 * found.a
    assert found.u == trace.u[p.name][place.at] and (found.u - found.u_sum) in (0, 2**24, -(2**24))
    assert found.v_product == found.v_before * (4096 - parameter(p.dv))
    assert found.v_decayed == toward_zero(found.v_product)
    assert found.bias == math.floor(parameter(p.bias_mant) * Fraction(2) ** p.bias_exp)
    assert found.v_sum == found.v_decayed + found.u + found.bias
    assert found.v_full == sorted((-(2**23) + 1, found.v_sum, 2**23 - 1))[1]
    assert found.threshold == (None if p.vth is None else 64 * parameter(p.vth))
    assert found.spike == trace.spikes[p.name][place.at]
    assert found.spike == (found.threshold is not None and found.v_full > found.threshold)
    after = found.v_full if not found.spike else 0 if p.reset == "zero" else found.v_full - parameter(p.reset_by)
    assert found.v_reset == after
    assert found.v == max(after, p.v_min) == trace.v[p.name][place.at]


def assert_inflow(inflow: Any, q: Any, program: Program, messages: Any, trace: Any, place: Place) -> int:
    """The messages of one projection, against the list of all its synapses; their sum."""
    sent = place.step - q.lag
    assert inflow.sent == (sent if sent >= 0 else None)
    if sent < 0:
        assert inflow.messages == () and inflow.total == 0
        return 0
    values = {**messages, **trace.spikes}[q.source][place.sample, sent].reshape(-1)
    post, pre, weight = synapses(q.connection, program.shapes[q.source], program.shapes[q.target])
    here = (post == place.neuron) & (values[pre] != 0)
    arriving = zip(pre[here].tolist(), weight[here].tolist(), strict=True)
    expected = {j: (int(values[j]), w, int(values[j]) * w) for j, w in arriving}
    assert {m.neuron: (m.payload, m.weight, m.product) for m in inflow.messages} == expected
    for m in inflow.messages:
        assert q.connection.weight[m.weight_index] == m.weight
        assert np.ravel_multi_index(m.index, program.shapes[q.source]) == m.neuron
    assert inflow.total == sum(product for _, _, product in expected.values())
    return int(inflow.total)
