"""Graph and target to artifact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.analysis.activity import Activity, measure
from seamount.compiler.analysis.distributions import distributions
from seamount.compiler.analysis.operations import products
from seamount.compiler.analysis.precision import LayerPrecision, precision
from seamount.compiler.artifact import Artifact, Vectors
from seamount.compiler.codes import InputCode, OutputCode, Task, certain_task
from seamount.compiler.errors import CompileError, Problem, raise_all
from seamount.compiler.execution import Backend
from seamount.compiler.ir.graph import Graph
from seamount.compiler.ir.ops import Input, IntLIF, Output
from seamount.compiler.ir.properties import QUANTIZED
from seamount.compiler.manifest import About, Analysis, Chosen, Manifest, TargetName
from seamount.compiler.passes.base import Pass, Watcher
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.compiler.pipelines import Options, as_tuned, chosen_pipeline, contradictions, effective, with_data
from seamount.compiler.program.lower import lower
from seamount.compiler.program.needs import NEED_WORDS, reasons, restless
from seamount.compiler.program.program import Need, Program
from seamount.compiler.quantization.losses import input_problems
from seamount.compiler.ranges.proven_scales import ProvenScales, overflow_notes, proven_scales
from seamount.compiler.target.target import Target
from seamount.compiler.version import __version__

Values = NDArray[Any]
Encoding = Literal["constant", "sequence"]


@dataclass(frozen=True, eq=False)
class Compiled:
    """An artifact with the graphs it went through: canonical (float, folded) and quantized."""

    artifact: Artifact
    canonical: Graph
    quantized: Graph
    precision: tuple[LayerPrecision, ...]


def compile_graph(
    graph: Graph,
    target: Target,
    options: Options | None = None,
    *,
    samples: Mapping[str, Values] | None = None,
    encoding: Encoding = "sequence",
    about: About | None = None,
    watch: Watcher | None = None,
    pipeline: str | None = None,
    task: Task | None = None,
) -> Compiled:
    """Compile a graph for a target.

    samples: input name -> (N, T, *shape) real values to calibrate scales on; without them activity is assumed.
    encoding: how data will be given to the artifact. watch: called after each pass.
    pipeline: its text form, such as the artifact's manifest has under "pipeline"; what it states goes before `options`.
    task: of the outputs; None: what their shape and the class names leave no doubt of.
    Raises CompileError with every reason why the target cannot represent the network, InputError for a pipeline that
    is none.
    """
    options, about = options or Options(), about or About()
    grids = None
    if about.tuning is not None:
        options, grids = as_tuned(options, about.tuning), about.tuning.grids
    passes = chosen_pipeline(pipeline, target, options)
    options = effective(options, passes, target)
    integer = not QUANTIZED.violations(graph)
    raise_all(CompileError, [*_unstorable_bits(options, target), *contradictions(options, target)])
    raise_all(CompileError, _already_integer(graph, options, target) if integer else [])
    graph = replace(graph, steps=options.steps or graph.steps)
    ran: list[str] = []
    shaped: list[Graph] = []

    def note(p: Pass, result: Graph) -> None:
        ran.append(str(p))
        if InferShapes.name == p.name:
            shaped.append(result)
        if watch is not None:
            watch(p, result)

    fold, quantize = passes.cut(passes.first_that_ensures(QUANTIZED))
    quantize = with_data(quantize, None, {}, grids)
    folded = fold(graph, note)
    activity = measure(folded, samples) if samples is not None else None
    found = proven_scales(folded, target, options, activity, quantize) if options.prove else ProvenScales({}, ())
    quantized = with_data(quantize, activity, found.largest, grids)(folded, note).noting(*found.notes)
    program = lower(quantized, options.delay_max(target), options.slow_down)
    raise_all(CompileError, unsupported(program, target))
    if not options.prove:  # else the search for scales has just shown that there are none
        quantized = quantized.noting(*overflow_notes(program))
    rows = precision(folded, quantized)
    manifest = _manifest(quantized, target, options, about, tuple(ran), rows, activity)
    inputs = tuple(_input_code(quantized, name, encoding) for name in (i.name for i in program.inputs))
    outputs = tuple(_output_code(quantized, n.name, task, len(about.classes)) for n in quantized.outputs)
    weights, thresholds = distributions(shaped[0], folded, quantized)
    analysis = Analysis(weights=weights, thresholds=thresholds, trained=products(shaped[0]))
    artifact = Artifact(program, inputs, outputs, manifest, Vectors({}, {}, {}), analysis)
    return Compiled(artifact, folded, quantized, rows)


_ONE_SPIKE = (
    "compile for a target with graded spikes (see 'seamount targets'), or train with one spike per step "
    "(sinabs: spike_fn=SingleSpike)"
)
_WITHOUT = {
    Need.RESET_SUBTRACT: "train with a reset to zero",
    Need.LOWER_CLAMP: "train without the clamp",
    Need.INITIAL_V: "train with membranes that start where they reset to",
}
"""Need of a population -> how a network does without it."""


def unsupported(program: Program, target: Target) -> list[Problem]:
    """What the program needs and the target lacks, beyond numbers that quantize already respects."""
    problems = []
    for p in program.populations:
        if p.most > 1 and p.most.bit_length() > target.graded_payload_bits:
            limit = target.cite("messages.graded_payload_bits")
            found = f"sends up to {p.most} spikes in one step, as graded spikes"
            problems.append(Problem(f"population '{p.name}'", found, _ONE_SPIKE, limit))
        for need in p.needs_microcode:
            if not target.supports(need.value):
                limit = target.cite(need.feature)
                remedy = f"compile for a target that can (see 'seamount targets'), or {_WITHOUT[need]}"
                problems.append(Problem(f"population '{p.name}'", f"needs {NEED_WORDS[need]}", remedy, limit))
    if not target.supports(Need.SKIP_UPDATES.value):
        limit = target.cite(Need.SKIP_UPDATES.feature)
        for name, because in restless(program).items():
            why, times = reasons(because), program.slow_down
            found = f"has {why}, and so would not rest between the steps of a network slowed down {times} times"
            remedy = "use neurons without memory, leak and bias, reset to zero, or compile for a target that can"
            problems.append(Problem(f"population '{name}'", found, remedy, limit))
    return problems


def _already_integer(graph: Graph, options: Options, target: Target) -> list[Problem]:
    """What stands against taking a quantized graph as it is."""
    problems = [p for n in graph.inputs for p in input_problems(n, n.op, target.graded_payload_bits)]  # type: ignore[arg-type]
    if options.weight_bits != Options.weight_bits or options.layer_bits:
        found = "are integers already, and none of them is rounded"
        problems.append(Problem("weights", found, "omit --weight-bits and --bits"))
    return problems


def _unstorable_bits(options: Options, target: Target) -> list[Problem]:
    """Weight widths that the target cannot store."""
    widths = target.weight_widths
    wanted = {"all layers": options.weight_bits, **options.layer_bits}
    return [
        Problem(
            f"bits of {where}",
            f"{bits} bits cannot be stored",
            "choose another width",
            target.cite("synapse.weight_widths"),
        )
        for where, bits in wanted.items()
        if bits not in widths
    ]


def with_vectors(artifact: Artifact, backend: Backend, messages: Mapping[str, NDArray[np.int32]]) -> Artifact:
    """The artifact with test vectors: these messages, and what `backend` answers."""
    trace = backend.run(artifact.program, messages, record=frozenset({"spikes"}))
    spikes = {k: np.asarray(v, np.int8) for k, v in trace.spikes.items()}
    readout = {k: np.asarray(v, np.int64) for k, v in trace.readout.items()}
    return replace(artifact, vectors=Vectors(dict(messages), spikes, readout))


def _input_code(graph: Graph, name: str, encoding: Encoding) -> InputCode:
    op = graph[name].op
    assert isinstance(op, Input)
    low, high = (0.0, 1.0) if op.coding == "spikes" else (op.low, op.high)
    return InputCode(name, op.shape, op.coding, float(op.unit or 1.0), low, high, encoding)


def _output_code(graph: Graph, name: str, task: Task | None, classes: int) -> OutputCode:
    op = graph[name].op
    source = graph[graph.into(name)[0].source].op
    assert isinstance(op, Output) and isinstance(source, IntLIF)
    unit = 1.0 if source.vth is not None else 1 / (64 * source.scale)
    task = task or certain_task(graph[name].shape or (), classes)
    return OutputCode(name, unit, op.rule, task, classes if task is Task.POPULATION else 0)


def _manifest(
    graph: Graph,
    target: Target,
    options: Options,
    about: About,
    ran: tuple[str, ...],
    rows: tuple[LayerPrecision, ...],
    activity: Activity | None,
) -> Manifest:
    return Manifest(
        seamount=__version__,
        model=about,
        target=TargetName(target.name, target.chip, target.date),
        options=Chosen(
            weight_bits=options.weight_bits,
            layer_bits=dict(options.layer_bits),
            max_delay=options.max_delay,
            balance_delays=options.balance_delays,
            slow_down=options.slow_down,
            prove=options.prove,
        ),
        steps=graph.steps,
        passes=ran,
        pipeline=",".join(ran),
        notes=tuple(n for n in graph.notes if n not in about.conventions),
        layers=rows,
        calibration_samples=activity.samples if activity is not None else 0,
    )
