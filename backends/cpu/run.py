"""The engine for processors: the same integers as reference.py, sample by sample in machine code, on all cores."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.backends.cpu.compiled import is_warm
from seamount.backends.cpu.extremes import is_exact
from seamount.backends.cpu.kernel import pack, place_values, run_samples
from seamount.backends.cpu.plan import Plan, plan
from seamount.backends.cpu.tables import PHASES, Answers, Tables, Work, aligned
from seamount.backends.simulator.vectorized import VectorizedSimulator
from seamount.backends.threads import threads_at_hand
from seamount.compiler.execution import EventCounts, Progress, Trace, check_request, join_counts, readout_shape
from seamount.compiler.program.program import InputPort, Program, Readout
from seamount.compiler.program.verify import check
from seamount.compiler.program.wide import WideProgram

log = logging.getLogger(__name__)

CHUNK_BYTES = 2**27
"""Memory for messages and recordings of the samples that a thread takes at a time."""
CHUNK_SAMPLES = 32
_PLANS: weakref.WeakKeyDictionary[Program, Plan] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class CpuEngine:
    """Runs a program on the processor's cores, each with samples of its own.

    threads: None takes the cores at hand. Memory does not grow with the number of samples, apart from what is recorded.
    """

    threads: int | None = None
    name: str = "cpu"

    def run(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """Trace of the messages. Raises InputError for the request; what `check` raises for the program.

        The kernels know neurons that send one spike; programs with others run on the vectorized simulator.
        """
        if not program.sends_one or not exact_here():
            return VectorizedSimulator(threads=self.threads).run(program, messages, record, progress)
        return self.run_compiled(program, messages, record, progress)

    def run_compiled(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        """As `run`, whatever the test of this machine has said."""
        prepared = planned(program)
        samples, steps = check_request(program, messages, record)
        job = Job(prepared, messages, samples, steps, record)
        threads = threads_at_hand(self.threads)
        size = job.samples_at_a_time(threads)
        starts = range(0, samples, size)
        if len(starts) == 1:  # a thread takes longer to start than a small sample takes to run
            trace = job.trace(job.run(0, samples))
            if progress is not None:
                progress(samples, samples)
            return trace
        with ThreadPoolExecutor(min(threads, len(starts))) as pool:
            try:
                parts = [pool.submit(job.run, i, min(i + size, samples)) for i in starts]
                counts = []
                for i, part in zip(starts, parts, strict=True):
                    counts.append(part.result())
                    if progress is not None:
                        progress(min(i + size, samples), samples)
            finally:
                pool.shutdown(cancel_futures=True)  # after an error or an interrupt, start no further samples
        return job.trace(join_counts(counts))


@cache
def exact_here() -> bool:
    """Whether this machine's compiled kernels equal the reference at the ends of their numbers; tried once."""
    if not is_warm():
        log.warning("first run of this version on this machine: compiling the engine, which takes about 20 seconds")
    exact = is_exact(_Compiled())
    if not exact:
        log.warning("the compiled kernels are not exact on this machine; the vectorized simulator runs instead")
    return exact


class _Compiled:
    """The engine without its test, for its test."""

    name = "cpu"

    def run(
        self,
        program: Program,
        messages: Mapping[str, NDArray[np.integer]],
        record: frozenset[str] = frozenset(),
        progress: Progress | None = None,
    ) -> Trace:
        return CpuEngine(threads=1).run_compiled(program, messages, record, progress)


def planned(program: Program) -> Plan:
    """The program checked and laid out; kept as long as the program lives."""
    if program not in _PLANS:
        if not isinstance(program, WideProgram):
            check(program)
        _PLANS[program] = plan(program)
    return _PLANS[program]


@dataclass(eq=False)
class Job:
    """One run: tables with what depends on the messages filled in, and room for what is asked for."""

    plan: Plan
    messages: Mapping[str, NDArray[np.integer]]
    samples: int
    steps: int
    record: frozenset[str]
    ticks: NDArray[np.int64] | None = None
    """Where time stamps are added up, (populations, PHASES); for one thread."""
    recorded: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    readout: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        program = self.plan.program
        self.constant = {p.name for p in program.inputs if _is_constant(self.messages[p.name])}
        self.tables, self.port_words, self.port_values, self.words = self.fitted()
        for what in sorted(self.record):
            dtype = np.int8 if what == "spikes" else np.int32
            self.recorded[what] = {
                p.name: np.empty((self.samples, self.steps, *p.shape), dtype) for p in program.populations
            }
        for r in program.readouts:
            self.readout[r.name] = np.empty(readout_shape(program, r, self.samples, self.steps), np.int64)

    def fitted(self) -> tuple[Tables, int, int, int]:
        """Tables for these messages; words and values of the ports, and words of the populations, per sample."""
        tables = self.plan.tables
        nodes, populations, projections = (x.copy() for x in (tables.nodes, tables.populations, tables.projections))
        port_words = port_values = words = 0
        for name, i in self.plan.node.items():
            node, layout = nodes[i], self.plan.layouts[name]
            times = 1 if name in self.constant else self.steps
            if node["graded"]:
                node["value"], node["step"] = port_values, layout.places if times > 1 else 0
                port_values += layout.places * times
            elif node["port"]:
                node["word"], node["stride"] = port_words, layout.rows * layout.words if times > 1 else 0
                port_words += layout.rows * layout.words * times
            else:
                node["word"], node["stride"] = words, layout.rows * layout.words
                words += layout.rows * layout.words * self.steps
        constant = [self.plan.node[name] for name in self.constant]
        projections["constant"] = np.isin(projections["source"], constant) & (projections["lag"] == 0)
        for p in populations:
            p["rest"] = int(projections["constant"][p["first_in"] : p["last_in"]].any())
        if "u" in self.record:
            populations["memory"] = 1
        readouts, lengths = tables.readouts.copy(), [self.places_read(r) for r in self.plan.read]
        readouts["start"] = np.cumsum([0, *lengths])[:-1]
        fitted = tables._replace(nodes=nodes, populations=populations, projections=projections, readouts=readouts)
        return fitted, port_words, port_values, words

    def samples_at_a_time(self, threads: int) -> int:
        kept = 4 * len(self.record) * self.steps * self.places
        each = 8 * self.port_words + 4 * self.port_values + kept + 1
        share = -(-self.samples // threads)
        return max(1, min(share, CHUNK_SAMPLES, CHUNK_BYTES // each))

    def places_read(self, r: Readout) -> int:
        """Answers of one sample, padded places included."""
        return self.plan.layouts[r.population].places * (self.steps if r.rule == "each" else 1)

    @property
    def places(self) -> int:
        return sum(layout.places for layout in self.plan.layouts.values())

    def run(self, first: int, last: int) -> EventCounts:
        """Run some of the samples and put what they gave in place."""
        n = last - first
        answers, work = self.answers(n), self.work()
        ports, values = np.zeros((n, self.port_words), np.uint64), np.zeros((n, self.port_values), np.int32)
        for port in self.plan.program.inputs:
            self.load(port, first, last, ports, values, work, answers)
        work.flags[:] = 0
        run_samples(self.tables, work, answers, ports, values, self.steps)
        self.keep(answers, first, last)
        return self.counts(answers, n)

    def answers(self, n: int) -> Answers:
        places, read = self.places, sum(self.places_read(r) for r in self.plan.read)
        kept = [(n if what in self.record else 0, self.steps, places) for what in ("spikes", "u", "v")]
        return Answers(
            spikes=np.zeros((len(self.plan.node), self.steps), np.int64),
            synops=np.zeros((len(self.tables.projections), self.steps), np.int64),
            sent=np.zeros(places, np.int64),
            readout=np.zeros((n, read), np.int64),
            s=np.zeros(kept[0], np.int8),
            u=np.zeros(kept[1], np.int32),
            v=np.zeros(kept[2], np.int32),
        )

    def work(self) -> Work:
        narrow, wide = self.plan.sums
        most = max(layout.places for layout in self.plan.layouts.values())
        rest = any(self.tables.populations["rest"])
        return Work(
            words=aligned(self.words, np.uint64),
            sums16=aligned(narrow, np.int16),
            sums32=aligned(wide, np.int32),
            rest16=aligned(narrow if rest else 0, np.int16),
            rest32=aligned(wide if rest else 0, np.int32),
            u=aligned(self.places, np.int32),
            v=aligned(self.places, np.int32),
            flags=aligned(most, np.uint8),
            recent=aligned(self.places, np.uint8),
            fired=np.zeros(most + 64, np.int64),
            ticks=np.zeros((0, len(PHASES)), np.int64) if self.ticks is None else self.ticks,
        )

    def load(
        self, port: InputPort, first: int, last: int, ports: Any, values: Any, work: Work, answers: Answers
    ) -> None:
        """Messages of one port into the order of the engine, and counted."""
        i = self.plan.node[port.name]
        constant = port.name in self.constant
        chosen = self.messages[port.name][first:last, : 1 if constant else None]
        chosen = chosen.reshape(*chosen.shape[:2], -1)
        times = self.steps if constant else 1
        node, layout = self.tables.nodes[i], self.plan.layouts[port.name]
        if port.graded:
            graded = np.ascontiguousarray(chosen, np.int32)
            place_values(node, layout.place, graded, values, times, answers.spikes[i], answers.sent)
        else:
            whole = chosen if chosen.dtype.itemsize == 1 else chosen != 0
            work.flags[:] = 0
            pack(
                node, layout.place[: 0 if layout.flat else None], np.ascontiguousarray(whole).view(np.uint8), ports,
                work.flags, work.recent, times, answers.spikes[i], answers.sent,
            )  # fmt: skip

    def keep(self, answers: Answers, first: int, last: int) -> None:
        """Put readouts and recordings in place, in the order of the shapes."""
        for r, record in zip(self.plan.read, self.tables.readouts, strict=True):
            layout, out = self.plan.layouts[r.population], self.readout[r.name]
            whole = answers.readout[:, record["start"] :][:, : self.places_read(r)]
            chosen = whole.reshape(last - first, -1, layout.places)[..., layout.place]
            out[first:last] = chosen.reshape(last - first, *out.shape[1:])
        for what, series in (("spikes", answers.s), ("u", answers.u), ("v", answers.v)):
            for name, out in self.recorded.get(what, {}).items():
                out[first:last] = series[:, :, self.own_places(name)].reshape(-1, *out.shape[1:])

    def own_places(self, name: str) -> NDArray[np.int64]:
        """Places of a node's neurons among those of all nodes, in the order of its shape."""
        return np.asarray(self.tables.nodes["lane"][self.plan.node[name]] + self.plan.layouts[name].place, np.int64)

    def counts(self, answers: Answers, n: int) -> EventCounts:
        program = self.plan.program
        names = [q.name for p in self.plan.order for q in program.into(p)]
        return EventCounts(
            samples=n,
            steps=self.steps,
            spikes={name: answers.spikes[i] for name, i in self.plan.node.items()},
            synops={name: answers.synops[names.index(name)] for name in (q.name for q in program.projections)},
            sent={name: answers.sent[self.own_places(name)] for name in self.plan.node},
            updates={p.name: p.size * self.steps * n for p in program.populations},
        )

    def trace(self, counts: EventCounts) -> Trace:
        return Trace(counts, self.readout, **self.recorded)


def _is_constant(messages: NDArray[np.integer]) -> bool:
    """Whether every sample shows the same message in all steps."""
    if messages.strides[1] == 0 or messages.shape[1] == 1:
        return True
    return all(np.array_equal(messages[:, t], messages[:, 0]) for t in range(1, messages.shape[1]))
