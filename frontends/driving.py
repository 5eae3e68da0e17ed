"""Run a module over a sample in its own calling style; the same code drives tracing and recording."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch

from seamount.compiler.errors import ImportRefused, InputError, Problem
from seamount.frontends.traced import Time

OnInput = Callable[[torch.Tensor, int | None], None]
"""Called with each tensor that is fed and its step (None: all steps, or every step)."""


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


_FOUND = {
    "step": "it runs over an axis that is not time: the module was given one step at a time, (N, *shape)",
    "loop": "a one-step neuron cell gets all steps at once: the module was given (T, N, *shape)",
    "batch_first": "a one-step neuron cell gets all steps at once: the module was given (N, T, *shape)",
    "inside": "its calls do not follow the steps: the module was given one frame, (N, *shape)",
}
_REMEDY = (
    "let the module take one step and return (output, state), or loop over time itself, x[t] of (T, N, *shape) or "
    'x[:, t] of (N, T, *shape); if it does, say so with time="step", "loop" or "batch_first"; in SpikingJelly give '
    "all layers one step_mode"
)


def drive(
    model: torch.nn.Module,
    x: torch.Tensor,
    steps: int,
    constant: bool,
    time: Time,
    on_input: OnInput = lambda tensor, step: None,
) -> list[torch.Tensor]:
    """Run the module over N samples. x: (N, *shape) when `constant`, else (N, T, *shape).

    Returns what it put out: one (N, *out) tensor per step for "step", else a single tensor as the module returns
    it. Raises InputError when the module fails or returns something other than tensors.
    """
    if time == "step":
        return _stepwise(model, x, steps, constant, on_input)
    if time == "loop":
        whole = x.unsqueeze(0).expand(steps, *x.shape) if constant else x.transpose(0, 1)
        fed = whole.contiguous()
    elif time == "batch_first":
        fed = x.unsqueeze(1).expand(len(x), steps, *x.shape[1:]).contiguous() if constant else x.clone()
    else:
        fed = x.clone()
    on_input(fed, None)
    result = _call(model, fed)
    while isinstance(result, tuple) and result:
        result = result[0]
    return [_tensor(result)]


def _stepwise(
    model: torch.nn.Module, x: torch.Tensor, steps: int, constant: bool, on_input: OnInput
) -> list[torch.Tensor]:
    outputs, state = [], None
    hands_on = _takes_state(model)
    for t in range(steps):
        fed = x.clone() if constant else x[:, t].contiguous()
        on_input(fed, t)
        result = _call(model, fed) if state is None else _call(model, fed, *state)
        if isinstance(result, (tuple, list)):
            if len(result) < 2:
                raise ImportRefused(Problem("output", f"the module returns {len(result)} values", _RETURN))
            state = tuple(result[1:]) if hands_on else None
            outputs.append(_tensor(result[0]))
        else:
            state = None
            outputs.append(_tensor(result))
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


def _takes_state(model: torch.nn.Module) -> bool:
    """Whether what forward returns beside the output can be handed to its next call."""
    parameters = _positional(model)
    return len(parameters) > 1 or any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters)


def _call(model: torch.nn.Module, x: torch.Tensor, *state: Any) -> Any:
    """One call; a required state argument gets None at first."""
    needed = [
        p
        for p in _positional(model)
        if p.kind is not inspect.Parameter.VAR_POSITIONAL and p.default is inspect.Parameter.empty
    ]
    state = state or (None,) * (len(needed) - 1)
    try:
        return model(x, *state)
    except _FAILURES as error:
        text = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no text'}"
        remedy = f"it was given an input of shape {tuple(x.shape)}; check the sample's shape and how it is called"
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


def _tensor(y: object) -> torch.Tensor:
    if isinstance(y, torch.Tensor):
        return y
    raise ImportRefused(Problem("output", f"the module returns a {type(y).__name__} instead of a tensor", _RETURN))
