"""Every pipeline, in order, on one page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from seamount.compiler.analysis.activity import Activity
from seamount.compiler.errors import CompileError, InputError, Problem, raise_all
from seamount.compiler.ir.properties import QUANTIZED
from seamount.compiler.ir.tuned import Grids, Tuning
from seamount.compiler.passes.balance_delays import BalanceDelays
from seamount.compiler.passes.base import Pass, Pipeline
from seamount.compiler.passes.fold_batchnorm import FoldBatchnorm
from seamount.compiler.passes.fold_linear import FoldLinear
from seamount.compiler.passes.fold_threshold import FoldThreshold
from seamount.compiler.passes.infer_shapes import InferShapes
from seamount.compiler.passes.normalise_neurons import NormaliseNeurons
from seamount.compiler.passes.parse import WHERE, parse_pipeline
from seamount.compiler.passes.quantize import Quantize
from seamount.compiler.target.target import Target

MAX_SLOW_DOWN = 1024
"""Every step is simulated for the test vectors; a loop of so many layers has never been seen."""
MAX_STEPS = 10**6
"""Longest sample that a network is compiled for."""


@dataclass(frozen=True)
class Options:
    """What a user may choose about a compilation.

    weight_bits: 1..8, for all layers; layer_bits: exceptions by layer name. steps: default steps per sample.
    max_delay: longest delay to use, None for the chip's own limit. balance_delays: off for experiments only.
    slow_down: steps of the chip for each step of the network, more than 1 where a loop is too long otherwise.
    prove: lower scales until no register can overflow in a sample of `steps` steps, or refuse.
    """

    weight_bits: int = 8
    layer_bits: Mapping[str, int] = field(default_factory=dict)
    steps: int | None = None
    max_delay: int | None = None
    balance_delays: bool = True
    slow_down: int = 1
    prove: bool = False

    def delay_max(self, target: Target) -> int:
        """Longest delay that a projection may have."""
        return target.delay_max if self.max_delay is None else self.max_delay


def canonical() -> Pipeline:
    """Float graph to float graph in the form that quantize takes. The network means the same."""
    return Pipeline(
        (
            InferShapes(),
            FoldBatchnorm(),  # first: a BatchNorm beside its layer folds without changing any structure
            FoldLinear(),  # needs bias-free knowledge of all linear ops, so after batch norm
            NormaliseNeurons(),  # moves v_reset into thresholds, so before thresholds are divided out
            FoldThreshold(),
        )
    )


def contradictions(options: Options, target: Target) -> list[Problem]:
    """Options that exclude each other, or what the chip can do."""
    if options.max_delay is not None and not 0 <= options.max_delay <= target.delay_max:
        found, limit = f"is {options.max_delay} steps", target.cite("core.delay")
        return [Problem("max-delay", found, f"give 0 to {target.delay_max}, or omit it", limit)]
    if options.slow_down < 1:
        return [Problem("slow-down", f"is {options.slow_down}", "give a whole number of at least 1")]
    if options.slow_down > MAX_SLOW_DOWN:
        limit = f"{MAX_SLOW_DOWN} steps of the chip for each of the network"
        return [Problem("slow-down", f"is {options.slow_down}", "give a smaller number", limit)]
    if options.steps is not None and not 1 <= options.steps <= MAX_STEPS:
        return [Problem("steps", f"is {options.steps}", "give a smaller number", f"1 to {MAX_STEPS} steps")]
    if options.slow_down > 1 and not options.balance_delays:
        found = "is asked for without balanced delays, and then messages would arrive between the network's steps"
        return [Problem("slow-down", found, "omit one of the two")]
    return []


def quantizing(
    target: Target, options: Options, activity: Activity | None, largest: Mapping[str, float] | None = None
) -> Pipeline:
    """The canonical pipeline, quantize and balance-delays, with the target's numbers.

    largest: population -> largest scale that quantize may choose.
    Raises CompileError for options that contradict each other or the target.
    """
    raise_all(CompileError, contradictions(options, target))
    low, high = target.weight_exp
    quantize = Quantize(
        weight_bits=options.weight_bits,
        layer_bits=dict(options.layer_bits),
        payload_bits=min(8, target.graded_payload_bits),
        vth_max=target.vth_max,
        bias_mant_max=target.bias_mant[1],
        bias_exp_max=target.bias_exp[1],
        exponents=(max(0, low), high),
        activity=activity,
        largest=largest or {},
    )
    accumulators = target.value("core.dendritic_accumulators")
    balance = BalanceDelays(
        delay_max=options.delay_max(target),
        balance=options.balance_delays,
        slow_down=options.slow_down,
        relay_bits=min(target.weight_widths),
        accumulators=accumulators if isinstance(accumulators, int) else None,
        delay_bits=target.bounds("encoding.delay_width")[0],
    )
    # Last, on integers: a relay is exact by its codes, whatever the bits of the layers, and scales are those of the
    # trained network also where balancing is switched off.
    return Pipeline((*canonical().passes, quantize, balance))


def default_text() -> str:
    """The text of the default pipeline; options that it omits come from the target and from `Options`."""
    return ",".join((*(p.name for p in canonical().passes), Quantize.name, BalanceDelays.name))


def chosen_pipeline(text: str | None, target: Target, options: Options) -> Pipeline:
    """The pipeline of a text, the default one where there is none.

    Raises InputError for a text that is no pipeline from float to integers, CompileError for numbers beyond the
    target's, and as `quantizing`.
    """
    usual = quantizing(target, options, None)
    if text is None:
        return usual
    pipeline = parse_pipeline(text, usual)
    if pipeline.first_that_ensures(QUANTIZED) == len(pipeline.passes):
        remedy = f"add {Quantize.name}, as in {default_text()}"
        raise InputError(Problem(WHERE, f"has no pass that ensures {QUANTIZED}", remedy))
    if InferShapes.name not in [p.name for p in pipeline.passes]:
        raise InputError(Problem(WHERE, f"has no {InferShapes.name}", f"begin with it, as in {default_text()}"))
    raise_all(CompileError, _beyond(pipeline, usual, target))
    return pipeline


def _beyond(pipeline: Pipeline, usual: Pipeline, target: Target) -> list[Problem]:
    """Options of quantize that ask for more than the chip holds; those of balance-delays are in `contradictions`."""
    most = next(p for p in usual.passes if isinstance(p, Quantize))
    sources = {
        "payload_bits": "messages.graded_payload_bits",
        "vth_max": "registers.threshold",
        "bias_mant_max": "registers.bias_mantissa_bits",
        "bias_exp_max": "registers.bias_exponent",
    }
    problems = []
    for p in pipeline.passes:
        if not isinstance(p, Quantize):
            continue
        for name, path in sources.items():
            given, limit = getattr(p, name), getattr(most, name)
            if not 0 <= given <= limit:
                where = f"option '{name.replace('_', '-')}' of pass '{p.name}'"
                problems.append(Problem(where, f"is {given}", f"give 0 to {limit}, or omit it", target.cite(path)))
        if not most.exponents[0] <= p.exponents[0] <= p.exponents[1] <= most.exponents[1]:
            remedy = f"give a range within {most.exponents[0]} to {most.exponents[1]}, or omit it"
            where, found = f"option 'exponents' of pass '{p.name}'", f"is {p.exponents[0]} to {p.exponents[1]}"
            problems.append(Problem(where, found, remedy, target.cite("synapse.weight_exponent")))
    return problems


def effective(options: Options, pipeline: Pipeline, target: Target) -> Options:
    """The options with those that the pipeline's own text decides."""
    for p in pipeline.passes:
        if isinstance(p, Quantize):
            options = replace(options, weight_bits=p.weight_bits, layer_bits=p.layer_bits)
    balance = next((p for p in reversed(pipeline.passes) if isinstance(p, BalanceDelays)), None)
    if balance is None:
        return replace(options, balance_delays=False)
    longest = options.max_delay if balance.delay_max == options.delay_max(target) else balance.delay_max
    return replace(options, max_delay=longest, balance_delays=balance.balance, slow_down=balance.slow_down)


def as_tuned(options: Options, tuning: Tuning) -> Options:
    """The options with the bits that a network was tuned to. Raises CompileError where fewer, or others, are asked for.

    Eight bits in all layers, the default, hold every grid.
    """
    own = (tuning.weight_bits, dict(tuning.layer_bits))
    asked = (options.weight_bits, dict(options.layer_bits))
    if asked not in (own, (Options().weight_bits, {})):
        bits = "".join(f", {name} {n}" for name, n in tuning.layer_bits.items())
        found = f"the network was tuned to {tuning.weight_bits} bits{bits}, and other widths are asked for"
        raise CompileError(Problem("weight bits", found, "omit them, or give the network that was tuned"))
    return replace(options, weight_bits=tuning.weight_bits, layer_bits=dict(tuning.layer_bits))


def with_data(
    pipeline: Pipeline, activity: Activity | None, largest: Mapping[str, float], grids: Grids | None = None
) -> Pipeline:
    """The pipeline with what its quantize learns from data, proofs and tuning. largest: as for `quantizing`."""

    def told(p: Pass) -> Pass:
        if not isinstance(p, Quantize):
            return p
        return replace(p, activity=activity, largest={**p.largest, **largest}, grids=grids or p.grids)

    return replace(pipeline, passes=tuple(map(told, pipeline.passes)))
