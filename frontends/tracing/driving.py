"""Run a module over a sample in its own calling style; the same code drives tracing and recording."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch

from seamount.compiler.errors import ImportRefused, InputError, Problem
from seamount.frontends.traced import Time


class WrongTime(Exception):
    """The module is not driven as it was driven; `fits` is how it seems to be. Never leaves this package."""

    def __init__(self, fits: Time, where: str, cause: Problem | None = None) -> None:
        super().__init__(fits)
        self.fits, self.where, self.cause = fits, where, cause

    def problem(self, driven: Time) -> Problem:
        """The message when no other way of driving works either."""
        if self.cause is not None:
            return self.cause
        return Problem(self.where, _FOUND[driven], _REMEDY)


class WrittenBatch(WrongTime):
    """A batch size is written into the module, whatever way it is driven."""


_FOUND = {
    "step": "it runs over an axis that is not time: the module was given one step at a time, (N, *shape)",
    "loop": "a one-step neuron cell gets all steps at once: the module was given (T, N, *shape)",
    "batch_first": "a one-step neuron cell gets all steps at once: the module was given (N, T, *shape)",
    "merged": "a layer that is given (N * T, *shape) runs over another axis",
    "inside": "its calls do not follow the steps: the module was given one frame, (N, *shape)",
}
_REMEDY = (
    "let the module take one step and return (output, state), or loop over time itself, x[t] of (T, N, *shape) or "
    'x[:, t] of (N, T, *shape); if it does, say so with time="step", "loop" or "batch_first"; in SpikingJelly give '
    "all layers one step_mode"
)


Samples = Mapping[str, torch.Tensor]
"""Input name -> (N, *shape) for a constant frame, (N, T, *shape) for a sequence. One input alone is named INPUT."""
Outputs = dict[str, torch.Tensor]
"""What one call returns, by name. One output alone is named OUTPUT."""
INPUT, OUTPUT = "input", "output"
Beside = Callable[[Any, Any, bool], None]
OnInput = Callable[[str, torch.Tensor, int | None], None]
"""Called with each input that is fed and its step (None: all steps, or every step)."""


def drive(
    model: torch.nn.Module,
    x: Samples,
    steps: int,
    constant: bool,
    time: Time,
    on_input: OnInput = lambda name, tensor, step: None,
    beside: Beside = lambda first, rest, handed_on: None,
) -> list[Outputs]:
    """Run the module over N samples, (N, *shape) when `constant`, else (N, T, *shape).

    beside: called with what is taken as the output of a call and what the module returned beside it.
    Returns what it put out: (N, *out) per step for "step", else one entry with tensors as the module returns them.
    Raises InputError when the module fails or returns something other than tensors.
    """
    if time == "step":
        return _stepwise(model, x, steps, constant, on_input, beside)
    fed = {name: _whole(one, steps, constant, time) for name, one in x.items()}
    for name, tensor in fed.items():
        on_input(name, tensor, None)
    result = _call(model, fed)
    if isinstance(result, list) and len(result) == steps > 1 and all(isinstance(y, torch.Tensor) for y in result):
        result = torch.stack(result)
    while isinstance(result, (tuple, list)) and result and not _is_named(result):
        beside(result[0], result[1:], False)
        result = result[0]
    return [_named(result)]


def _is_named(y: object) -> bool:
    """A named tuple or a dataclass of tensors alone: outputs with names."""
    names = getattr(y, "_fields", ()) or (y.__dataclass_fields__ if is_dataclass(y) else ())
    return bool(names) and all(isinstance(getattr(y, name), torch.Tensor) for name in names)


def _whole(x: torch.Tensor, steps: int, constant: bool, time: Time) -> torch.Tensor:
    """One input as a module that loops over time itself takes it."""
    if time == "inside":
        return x.clone()
    if time == "loop":
        whole = x.unsqueeze(0).expand(steps, *x.shape) if constant else x.transpose(0, 1)
        return whole.contiguous()
    whole = x.unsqueeze(1).expand(len(x), steps, *x.shape[1:]).contiguous() if constant else x.clone()
    return whole.flatten(0, 1) if time == "merged" else whole


def _stepwise(
    model: torch.nn.Module, x: Samples, steps: int, constant: bool, on_input: OnInput, beside: Beside
) -> list[Outputs]:
    outputs, state = [], None
    hands_on = _takes_state(model, len(x))
    for t in range(steps):
        fed = {name: one.clone() if constant else one[:, t].contiguous() for name, one in x.items()}
        for name, tensor in fed.items():
            on_input(name, tensor, t)
        result = _call(model, fed, *(state or ()))
        if isinstance(result, (tuple, list)) and not _is_named(result):
            if len(result) < 2:
                raise ImportRefused(Problem("output", f"the module returns {len(result)} values", _RETURN))
            beside(result[0], result[1:], hands_on)
            state = tuple(result[1:]) if hands_on else None
            outputs.append(_named(result[0]))
        else:
            state = None
            outputs.append(_named(result))
    return outputs


_RETURN = "return (output, state), as norse's SequentialState does"


def _positional(model: torch.nn.Module) -> list[inspect.Parameter]:
    """Parameters of forward that can be given by position."""
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    return [p for p in inspect.signature(model.forward).parameters.values() if p.kind in kinds]


def _takes_state(model: torch.nn.Module, inputs: int) -> bool:
    """Whether what forward returns beside the output can be handed to its next call."""
    parameters = _positional(model)
    return len(parameters) > inputs or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)


def _call(model: torch.nn.Module, x: Samples, *state: Any) -> Any:
    """One call; a required state argument gets None at first."""
    parameters = _positional(model)
    given = _arguments(parameters, x)
    needed = [
        p for p in parameters if p.kind is not inspect.Parameter.VAR_POSITIONAL and p.default is inspect.Parameter.empty
    ]
    state = state or (None,) * (len(needed) - len(x))
    try:
        return model(*given, *state)
    except _FAILURES as error:
        text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no text'}"
        shapes = " and ".join(str(tuple(one.shape)) for one in x.values())
        empty = [repr(p.name) for p in parameters[len(x) : len(x) + len(state)] if all(s is None for s in state)]
        without = f" and None for {', '.join(empty)}" if empty else ""
        remedy = f"it was given an input of shape {shapes}{without}; check the sample's shape and how it is called"
        raise InputError(Problem(f"{type(model).__name__}.forward", text, remedy)) from error


_FAILURES = (
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    NameError,
)
"""What a user's forward may raise; whatever else it raises is not about the input."""


def _arguments(parameters: list[inspect.Parameter], x: Samples) -> list[torch.Tensor]:
    """The inputs in the order of forward's parameters. Raises InputError when their names are not its first ones."""
    if len(x) == 1 and INPUT in x:
        return [x[INPUT]]
    names = [p.name for p in parameters[: len(x)]]
    if set(names) != set(x):
        found = f"its inputs are named {', '.join(map(repr, x))}, but forward takes {', '.join(map(repr, names))}"
        raise InputError(
            Problem("save(sample=)", found, "name each input after its parameter of forward, in any order")
        )
    return [x[name] for name in names]


def _named(y: object) -> Outputs:
    """What a call returned, by name."""
    if isinstance(y, torch.Tensor):
        return {OUTPUT: y}
    if isinstance(y, dict) and y and all(isinstance(v, torch.Tensor) for v in y.values()):
        return {str(name): tensor for name, tensor in y.items()}
    if _is_named(y):
        names = getattr(y, "_fields", None) or [f.name for f in fields(y)]  # type: ignore[arg-type]
        return {name: getattr(y, name) for name in names}
    found = f"the module returns a {type(y).__name__} instead of a tensor"
    raise ImportRefused(Problem("output", found, f"{_RETURN}; for several outputs return a dict of tensors"))
