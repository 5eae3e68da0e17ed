"""A whole sample in machine code: groups of populations over all steps, in each step sums, neurons, spikes.

A group that feeds nobody before it, which in a network without loops is a single population, runs over all steps before
the next one starts, so that its weights stay in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seamount.backends.cpu.compiled import compiled, entry, inlined
from seamount.backends.cpu.neurons import start, update
from seamount.backends.cpu.sums import follow, follow_values, pass_on, spread, spread_values
from seamount.backends.cpu.vectors import (
    LANES,
    add_bytes,
    bits_of,
    borrowed,
    clear_lanes,
    copy_lanes,
    count_bits,
    peek,
    poke,
    time_stamp,
)


@entry
def run_samples(tables: Any, work: Any, answers: Any, ports: Any, values: Any, steps: int) -> None:
    """Run as many samples as there are rows in ports and values: spikes as words, graded messages in places."""
    tables, work, answers = borrowed(tables), borrowed(work), borrowed(answers)
    ports, values = borrowed(ports), borrowed(values)
    now = time_stamp()
    for sample in range(ports.shape[0]):
        for g in range(tables.groups.shape[0]):
            group = tables.groups[g]
            for t in range(-1, steps):
                for k in range(group.first, group.last):
                    p = tables.populations[k]
                    if t < 0:
                        start(p, tables.nodes[p.node], tables.parameters, work.u, work.v)
                        clear(p, work)
                    collect(p, tables, work, answers, ports[sample], values[sample], t)
                    now = spent(work, k, 0, now)
                    if t >= 0:
                        advance(p, tables, work, answers, t, sample * steps + t + 1)
                    if p.rest or t < 0:
                        refill(p, work, t < 0)
                    now = spent(work, k, 1, now)
                    if t >= 0:
                        tell(p, tables, work, answers, sample, t)
                        now = spent(work, k, 2, now)
    for k in range(tables.populations.shape[0]):
        remember(tables.nodes[tables.populations[k].node], work.recent, answers.sent, 1)


@inlined
def spent(work: Any, k: int, phase: int, since: Any) -> Any:
    """Enter the time since then, if anybody asks; the time now."""
    if work.ticks.shape[0] == 0:
        return since
    now = time_stamp()
    work.ticks[k, phase] += now - since
    return now


@inlined
def collect(p: Any, tables: Any, work: Any, answers: Any, ports: Any, values: Any, t: int) -> None:
    """Everything that arrives in step t; before the first step (t = -1) what will arrive in all of them."""
    for i in range(p.first_in, p.last_in):
        q = tables.projections[i]
        sent = t - q.lag
        if q.constant:
            sent = np.int64(0)
        if q.constant != (t < 0) or sent < 0:
            continue
        events = deliver(q, tables, work, ports, values, sent)
        if q.own:
            merge(p, q, work.sums32)
        answers.synops[i, sent] += events
        if q.constant:
            for later in range(1, answers.synops.shape[1]):
                answers.synops[i, later] += events


@inlined
def advance(p: Any, tables: Any, work: Any, answers: Any, t: int, done: int) -> None:
    """One step of one population, once its sums are complete; with it `done` steps of all samples."""
    node = tables.nodes[p.node]
    if p.narrow:
        update(p, node, work.sums16, tables.parameters, work.u, work.v, work.flags)
    else:
        update(p, node, work.sums32, tables.parameters, work.u, work.v, work.flags)
    answers.spikes[p.node, t] += send(node, work.flags, work.words, work.recent, t)
    if done % 255 == 0:
        remember(node, work.recent, answers.sent, 1)


@inlined
def tell(p: Any, tables: Any, work: Any, answers: Any, sample: int, t: int) -> None:
    """What the host reads and what is recorded in a step."""
    node = tables.nodes[p.node]
    for i in range(p.first_read, p.last_read):
        read(tables.readouts[i], node, work, answers.readout[sample], t)
    if answers.s.shape[0] or answers.u.shape[0] or answers.v.shape[0]:
        record(node, work, answers, sample, t)


@inlined
def clear(p: Any, work: Any) -> None:
    """No sums yet."""
    for j in range(p.low, p.high, LANES):
        if p.narrow:
            clear_lanes(work.sums16, j)
        else:
            clear_lanes(work.sums32, j)


@inlined
def refill(p: Any, work: Any, first: bool) -> None:
    """Sums as they are before a step: what arrives in all of them, or nothing."""
    if p.narrow:
        refill_with(work.sums16, work.rest16, p.low, p.high, p.rest, first)
    else:
        refill_with(work.sums32, work.rest32, p.low, p.high, p.rest, first)


@compiled
def refill_with(sums: Any, rest: Any, low: int, high: int, lasting: int, first: bool) -> None:
    """As `refill`; a stretch of sums is whole vectors long."""
    if not lasting:
        for j in range(low, high, LANES):
            clear_lanes(sums, j)
    elif first:
        for j in range(low, high, LANES):
            copy_lanes(rest, j, sums, j)
    else:
        for j in range(low, high, LANES):
            copy_lanes(sums, j, rest, j)


@inlined
def deliver(q: Any, tables: Any, work: Any, ports: Any, values: Any, t: int) -> int:
    """Add what a source sent in its step t to the sums of the target."""
    node = tables.nodes[q.source]
    if q.graded:
        at = node.value + t * node.step
        if q.list:
            return follow_values(
                q, node, values, at, tables.list_starts, tables.list_targets, tables.list_weights, work.sums32
            )
        if q.wide:
            return spread_values(
                q, node, values, at, tables.pixels, tables.runs, tables.channels, tables.weights16, work.sums32
            )
        return spread_values(
            q, node, values, at, tables.pixels, tables.runs, tables.channels, tables.weights8, work.sums32
        )
    at = node.word + t * node.stride
    words = ports if node.port else work.words
    if q.narrow:
        return deliver_spikes(q, node, words, at, tables, work.sums16, work.fired)
    return deliver_spikes(q, node, words, at, tables, work.sums32, work.fired)


@inlined
def deliver_spikes(q: Any, node: Any, words: Any, at: int, tables: Any, sums: Any, index: Any) -> int:
    if q.list:
        return follow(q, node, words, at, tables.list_starts, tables.list_targets, tables.list_weights, sums, index)
    if q.beside:
        if q.wide:
            return pass_on(q, node, words, at, tables.weights16, sums)
        return pass_on(q, node, words, at, tables.weights8, sums)
    if q.wide:
        return spread(
            q, node, words, at, tables.pixels, tables.runs, tables.columns, tables.channels, tables.weights16,
            sums, index,
        )  # fmt: skip
    return spread(
        q, node, words, at, tables.pixels, tables.runs, tables.columns, tables.channels, tables.weights8, sums, index
    )


@compiled
def merge(p: Any, q: Any, sums: Any) -> None:
    """Sums kept apart, shifted (rounded down where that is to the right), join the others."""
    apart, joint = sums[q.own_low : q.own_high], sums[p.low : p.high]
    for j in range(apart.shape[0]):
        joint[j] += apart[j] << q.shift if q.shift >= 0 else apart[j] >> -q.shift
        apart[j] = 0


@compiled
def send(node: Any, flags: Any, words: Any, recent: Any, t: int) -> int:
    """The spikes of a step as words, and counted."""
    total = 0
    at = node.word + t * node.stride
    for w in range(node.rows * node.words):
        bits: Any = bits_of(flags, w * 64)
        words[at + w] = bits
        total += count_bits(bits)
        if bits:
            add_bytes(recent, node.lane + w * 64, flags, w * 64)
    return total


@compiled
def remember(node: Any, recent: Any, sent: Any, times: int) -> None:
    """Add the spikes of the last steps, counted in bytes, to the totals, so many times."""
    first, n = node.lane, node.rows * node.words * 64
    few, total = recent[first : first + n], sent[first : first + n]
    for j in range(n):
        total[j] += times * few[j]
    for j in range(n):
        few[j] = 0


@compiled
def read(r: Any, node: Any, work: Any, out: Any, t: int) -> None:
    """What the host reads in one step. register 0 s, 1 u, 2 v."""
    n = node.rows * node.words * 64
    start = r.start + t * n if r.rule == 3 else r.start
    told = out[start : start + n]
    if r.register == 0:
        join(told, work.flags[:n], r.rule, t)
    elif r.register == 1:
        join(told, work.u[node.lane : node.lane + n], r.rule, t)
    else:
        join(told, work.v[node.lane : node.lane + n], r.rule, t)


@compiled
def join(told: Any, x: Any, rule: int, t: int) -> None:
    """rule 0 sum, 1 max; 2 last and 3 each take the value as it is."""
    if rule == 0 and t > 0:
        for j in range(told.shape[0]):
            told[j] += x[j]
    elif rule == 1 and t > 0:
        for j in range(told.shape[0]):
            told[j] = max(told[j], np.int64(x[j]))
    else:
        for j in range(told.shape[0]):
            told[j] = x[j]


@compiled
def record(node: Any, work: Any, answers: Any, sample: int, t: int) -> None:
    """Keep what is recorded."""
    for j in range(node.rows * node.words * 64):
        place = node.lane + j
        if answers.s.shape[0]:
            answers.s[sample, t, place] = work.flags[j]
        if answers.u.shape[0]:
            answers.u[sample, t, place] = work.u[place]
        if answers.v.shape[0]:
            answers.v[sample, t, place] = work.v[place]


@entry
def pack(
    node: Any, places: Any, messages: Any, words: Any, flags: Any, recent: Any, times: int, spikes: Any, sent: Any
) -> None:  # fmt: skip
    """Spikes of a port, (samples, steps, neurons) bytes, as words, counted `times` times each.

    places is empty where the neurons lie in the order of the messages.
    """
    n, size = node.rows * node.words, messages.shape[2]
    since = 0
    for i in range(messages.shape[0]):
        for t in range(messages.shape[1]):
            row = messages[i, t]
            if places.shape[0] == 0:
                for j in range(size):
                    flags[j] = row[j] != 0
            else:
                for j in range(size):
                    poke(flags, peek(places, j), np.uint8(row[j] != 0))
            total, at = 0, node.word + t * node.stride
            for w in range(n):
                bits: Any = bits_of(flags, w * 64)
                words[i, at + w] = bits
                total += count_bits(bits)
                if bits:
                    add_bytes(recent, node.lane + w * 64, flags, w * 64)
            for s in range(times):
                spikes[t + s] += total
            since += 1
            if since == 255:
                remember(node, recent, sent, times)
                since = 0
    remember(node, recent, sent, times)


@entry
def place_values(node: Any, places: Any, messages: Any, values: Any, times: int, spikes: Any, sent: Any) -> None:
    """Messages of a graded port, (samples, steps, neurons), in their places, and counted as `pack` counts."""
    for i in range(messages.shape[0]):
        for t in range(messages.shape[1]):
            row = messages[i, t]
            for j in range(row.shape[0]):
                values[i, node.value + t * node.step + places[j]] = row[j]
                if row[j] != 0:
                    sent[node.lane + places[j]] += times
                    for s in range(times):
                        spikes[t + s] += 1


@entry
def stamp() -> Any:
    """The time stamp that `spent` reads."""
    return time_stamp()
