"""Trace a torch module by running it: leaf layers are recorded by hooks, tensor functions between them by name.

Symbolic tracing cannot follow `for t in range(x.shape[0])` or states of any type; running the module on a small
sample can. What keeps it lossless: every tensor function applied to a traced tensor outside a leaf layer passes
through one table (`functions.HANDLERS`), and what it does not know is refused. Calls at different steps become
one node when layer and inputs agree; a neuron layer whose inputs differ between steps is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from seamount.compiler.errors import ImportRefused, InputError, Problem, raise_all
from seamount.frontends.frameworks.framework import Framework
from seamount.frontends.traced import ALL, ANY, Lead, Ref, Returned, Time, Traced
from seamount.frontends.tracing.driving import INPUT, OUTPUT, Outputs, Samples, WrittenBatch, WrongTime, drive
from seamount.frontends.tracing.recording import Value
from seamount.frontends.tracing.tracer import Tracer


def _in_order(signature: inspect.Signature, args: Any, kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments of a call in the order of the signature, defaults included."""
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    return (*bound.args, *bound.kwargs.values())


@contextmanager
def _hooked(tracer: Tracer, model: torch.nn.Module) -> Iterator[None]:
    """Hooks on all leaf layers: nothing inside them is traced."""
    handles = []

    def enter(module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        tracer.depth += 1
        if tracer.depth == 1 and tracer.framework.is_neuron(module):
            tracer.check_numbers(module, (*args[1:], *kwargs.values()))

    def leave(module: torch.nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        tracer.depth -= 1
        tracer.called.add(module)
        if tracer.depth:
            return
        given = _in_order(signatures[module], args, kwargs)
        if tracer.framework.is_neuron(module):
            tracer.on_neuron(module, given, output)
        else:
            tracer.on_layer(module, given[0] if given else None, output)

    signatures = {m: inspect.signature(m.forward) for _, m in tracer.framework.leaves(model)}
    for module in signatures:
        handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        handles.append(module.register_forward_hook(leave, with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def trace(
    framework: Framework, model: torch.nn.Module, x: Samples, steps: int, constant: bool, time: Time | None
) -> Traced:
    """The flat graph of a module. x: (N, *shape) when `constant`, else (N, T, *shape); time None: find out.

    Raises ImportRefused with everything that cannot be carried over, InputError when the module fails on x.
    """
    samples = 3 if steps == 2 else 2
    few = {name: one[torch.arange(samples) % len(one)] for name, one in x.items()}
    guesses = _guesses(framework.whole_leads(model))
    if time is not None:
        guesses = (time,)
    elif constant:
        guesses += ("inside",)
    if framework.objections(model):
        called = _called(framework, model, few, steps, constant, guesses)
        if objections := framework.objections(model, called):
            raise ImportRefused([*objections, *_further(framework, model, few, steps, constant, guesses, objections)])
    traced = _by_trial(framework, model, few, steps, constant, guesses)
    _check_fresh(framework, model, few, steps, constant, traced)
    return traced


def _called(
    framework: Framework, model: torch.nn.Module, x: Samples, steps: int, constant: bool, guesses: tuple[Time, ...]
) -> set[torch.nn.Module]:
    """Layers that run at all: a loss kept in an attribute is no part of the network. All layers when nothing runs."""
    layers = {module for _, module in framework.leaves(model)}
    seen: set[torch.nn.Module] = set()
    handles = [layer.register_forward_pre_hook(lambda module, args: seen.add(module)) for layer in layers]
    samples = len(next(iter(x.values())))
    try:
        for guess in guesses:
            framework.reset(model)
            seen.clear()
            try:
                with framework.prepared(model, samples, steps), torch.no_grad():
                    drive(model, x, steps, constant, guess)
                return seen
            except (InputError, ImportRefused):
                continue
    finally:
        framework.reset(model)
        for handle in handles:
            handle.remove()
    return layers


def _further(
    framework: Framework, model: torch.nn.Module, x: Samples, steps: int, constant: bool, guesses: tuple[Time, ...],
    told: list[Problem],
) -> list[Problem]:  # fmt: skip
    """What tracing finds beside the layers that are refused, where the module runs at all."""
    try:
        _by_trial(framework, model, x, steps, constant, guesses)
    except ImportRefused as refused:
        return [p for p in refused.problems if p not in told]
    except InputError:
        return []
    return []


def _guesses(leads: set[Lead]) -> tuple[Time, ...]:
    """Ways of driving to try, by what the neuron layers take."""
    if not leads:
        return ("step", "loop", "batch_first")
    return ("loop",) if leads == {"TN"} else ("batch_first", "merged")


def _check_fresh(
    framework: Framework, model: torch.nn.Module, x: Samples, steps: int, constant: bool, traced: Traced
) -> None:
    """Run it once more: a module that keeps states in attributes does not start afresh, which tracing refuses."""
    enough = 1 if traced.time == "step" else steps
    try:
        _attempt(framework, model, x, enough, constant, traced.time)
    except WrongTime as wrong:
        raise ImportRefused(wrong.problem(traced.time)) from None


def _by_trial(
    framework: Framework, model: torch.nn.Module, x: Samples, steps: int, constant: bool, guesses: tuple[Time, ...]
) -> Traced:
    """Drive the module in each way in turn; the first that fits is it."""
    failed: dict[Time, WrongTime | InputError] = {}
    for guess in guesses:
        try:
            return _attempt(framework, model, x, steps, constant, guess)
        except (WrongTime, InputError) as error:
            failed[guess] = error
    certain = [e.cause for e in failed.values() if isinstance(e, WrittenBatch) and e.cause is not None]
    if certain:
        raise ImportRefused(certain[0])
    first = failed[guesses[0]]
    told = failed.get(first.fits) if isinstance(first, WrongTime) else None
    final = told if isinstance(told, InputError) else first
    if isinstance(final, WrongTime):
        raise ImportRefused(final.problem(guesses[0]))
    raise final


def _attempt(
    framework: Framework, model: torch.nn.Module, x: Samples, steps: int, constant: bool, time: Time
) -> Traced:
    samples = len(next(iter(x.values())))
    tracer = Tracer(framework, model, steps, samples)
    leads: dict[Time, Lead] = {"loop": "TN", "batch_first": "NT", "merged": "W"}

    def on_input(name: str, tensor: torch.Tensor, step: int | None) -> None:
        if time in leads:
            tracer.feed(name, tensor, ALL, leads[time])
        else:
            tracer.feed(name, tensor, ANY if step is None else step, "N")

    framework.reset(model)
    with framework.prepared(model, samples, steps), torch.no_grad(), _hooked(tracer, model), tracer:
        outputs = drive(model, x, steps, constant, time, on_input, tracer.beside)
    raise_all(ImportRefused, [*framework.objections(model, tracer.called), *tracer.problems])
    _wire_membranes(tracer)
    return _finish(tracer, outputs, time)


def _wire_membranes(tracer: Tracer) -> None:
    """A membrane takes what its neurons take, and their spikes of the step before where it needs them."""
    for node in tracer.nodes:
        if node.kind == "membrane":
            neuron = node.refs[0].node
            read = tracer.framework.membrane(node.module)
            spikes = (Ref(neuron, 1),) if read is not None and read.after_spikes(node.module) else ()
            node.refs, node.in_shape = tracer.nodes[neuron].refs + spikes, tracer.nodes[neuron].in_shape


def _finish(tracer: Tracer, outputs: list[Outputs], time: Time) -> Traced:
    """Check that each output is one node at every step, and that all neurons and inputs take part."""
    if any(set(one) != set(outputs[0]) for one in outputs):
        raise ImportRefused(Problem("output", "what the module returns has other names at other steps", _RETURNED))
    _check_loop(tracer)
    found = {name: [tracer.value(one[name]) for one in outputs] for name in outputs[0]}
    returned = {name: _returned(tracer, name, values, time) for name, values in found.items()}
    for name, calls in ((tracer.nodes[n].name, c) for n, c in _cell_calls(tracer)):
        if calls != tracer.steps:
            found_text = f"called {calls} times for {tracer.steps} steps"
            raise ImportRefused(Problem(f"neuron layer '{name}'", found_text, "call it once per step"))
    result = Traced(tracer.nodes, returned, time)
    raise_all(ImportRefused, _silenced(tracer, returned))
    used = set(result.reachable())
    idle = [n.name for i, n in enumerate(result.nodes) if n.kind == "input" and i not in used]
    if idle:
        one = len(idle) == 1 and len(returned) == 1 and idle[0] == INPUT
        found_text = "it does not depend on the input" if one else f"no output depends on input '{idle[0]}'"
        raise ImportRefused(Problem("output", found_text, _RETURNED if one else "leave this input out"))
    idle_layers = (n.name for i, n in enumerate(result.nodes) if i not in used and n.kind in ("layer", "neuron"))
    result.unused = (*idle_layers, *sorted(tracer.membranes_beside), *sorted(tracer.dropped))
    return result


def _silenced(tracer: Tracer, returned: Mapping[str, Returned]) -> list[Problem]:
    """Layers that never fire and are no output: what is behind them would get nothing. The others are noted."""
    silent = {k: n for k, n in enumerate(tracer.nodes) if n.kind == "neuron" and tracer.framework.never_fires(n.module)}
    ends = {out.ref.node for out in returned.values()}
    tracer.dropped |= {
        f"spikes of {silent[k].name} (its threshold is infinite; its membrane is read)" for k in ends & silent.keys()
    }
    read = {ref.node for n in tracer.nodes if n.kind != "membrane" for ref in n.refs}
    found, remedy = "never fires, its threshold is infinite, and others follow it", "give it a finite threshold"
    return [Problem(f"neuron layer '{n.name}'", found, remedy) for k, n in silent.items() if k in read]


def _check_loop(tracer: Tracer) -> None:
    """A loop of another length than the sample calls every neuron layer as often as it runs."""
    calls = {c for _, c in _cell_calls(tracer)}
    if len(calls) == 1 and not calls & {0, 1, tracer.steps}:
        raise ImportRefused(tracer.loop_problem(calls.pop()))


_RETURNED = "return the output of the last layer, one tensor per step (or torch.stack of them over time)"


def _returned(tracer: Tracer, name: str, values: list[Value | None], time: Time) -> Returned:
    """One output, from what it was at each call."""
    where = "output" if name == OUTPUT else f"output '{name}'"
    last = values[-1]
    if last is None or any(v is None or v.node != last.node for v in values):
        what = "is not computed by traced layers from the input" if last is None else "differs between steps"
        raise ImportRefused(Problem(where, f"what the module returns {what}", _RETURNED))
    rule = last.rule
    if time != "step" and rule is None and last.lead not in ("TN", "NT", "M", "W"):
        if last.partial == tracer.steps:
            rule = "sum"
        elif last.step == tracer.steps - 1 and not last.partial:
            rule = "last"
        else:
            found = "what the module returns is neither all steps nor a sum, mean, maximum or the last step"
            raise ImportRefused(Problem(where, found, _RETURNED))
    return Returned(Ref(last.node), rule, last.lead)


def _cell_calls(tracer: Tracer) -> list[tuple[int, int]]:
    pairs = [(i, n) for i, n in enumerate(tracer.nodes) if n.kind == "neuron"]
    return [(i, tracer._calls[id(n.module)]) for i, n in pairs if not tracer.framework.loops(n.module)]
