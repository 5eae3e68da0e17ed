"""A training run on disk after an epoch: enough to go on exactly, and nothing that can run code when it is read."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.frontends.model_file.file import read_torch, write_torch

FORMAT = "seamount-checkpoint 1"
_FIELDS = ("identity", "phase", "epoch", "weights", "optimizer", "history")
_DELETE = "delete it to start from the beginning"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """phase: number of the phase; epoch: finished epochs in it; the state dictionaries; history so far."""

    phase: int
    epoch: int
    weights: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, Any]]


def write_checkpoint(path: Path, point: Checkpoint, identity: str) -> None:
    """A kill at any moment leaves the previous checkpoint or this one."""
    with suppress(OSError):  # writing then says what is wrong
        path.parent.mkdir(parents=True, exist_ok=True)
    write_torch({"format": FORMAT, "identity": identity, **vars(point)}, path)


def read_checkpoint(path: Path, identity: str, is_entry: Callable[[object], bool] | None = None) -> Checkpoint | None:
    """The checkpoint of this very run, None when there is none yet. is_entry: what an epoch of the history must be.

    Raises InputError when the file is damaged, or was written by a run with other data, recipe, schedule or seed.
    """
    if not path.exists():
        return None
    content = _read(path)
    written, phase, epoch = content["identity"], content["phase"], content["epoch"]
    if written != identity:
        found = f"was written by another run: {written}; this one is {identity}"
        raise InputError(Problem(str(path), found, "choose another --checkpoint, or delete it"))
    faults = [
        *(_fault(path, key, "is no whole number") for key in ("phase", "epoch") if type(content[key]) is not int),
        *(_fault(path, key, "is no dictionary") for key in ("optimizer",) if not isinstance(content[key], dict)),
    ]
    if not isinstance(content["history"], list) or not all(map(is_entry or _is_entry, content["history"])):
        faults.append(_fault(path, "history", "is no list of epochs"))
    raise_all(InputError, faults)
    return Checkpoint(phase, epoch, content["weights"], content["optimizer"], content["history"])


def read_weights(path: Path) -> dict[str, Any]:
    """The weights in a checkpoint of any run. Raises InputError when it is damaged or no checkpoint."""
    weights: dict[str, Any] = _read(path)["weights"]
    return weights


def restore(path: Path, point: Checkpoint, phases: list[int], trainee: nn.Module, optimizer: Optimizer) -> None:
    """Put a checkpoint into the network and the optimizer of its phase, once both fit. phases: epochs of each.

    Raises InputError with every field that does not fit, before anything is changed.
    """
    check_state(path, point, phases[point.phase], trainee.state_dict(), optimizer)
    trainee.load_state_dict(point.weights)
    optimizer.load_state_dict(point.optimizer)


def check_state(path: Path, point: Checkpoint, epochs: int, own: dict[str, Any], optimizer: Optimizer) -> None:
    """Raise InputError with every field that does not fit a phase of so many epochs. own: the weights it belongs to."""
    faults = [] if 1 <= point.epoch <= epochs else [_fault(path, "epoch", f"is {point.epoch}")]
    if own.keys() != point.weights.keys() or any(_differs(own[k], v) for k, v in point.weights.items()):
        faults.append(_fault(path, "weights", "are those of another network"))
    if not _fits(optimizer, point.optimizer):
        faults.append(_fault(path, "optimizer", "is that of another network or schedule"))
    raise_all(InputError, faults)


def check_phase(path: Path, point: Checkpoint, phases: list[int]) -> None:
    """Raise InputError where there is no such phase."""
    if not 0 <= point.phase < len(phases):
        raise InputError(_fault(path, "phase", f"is {point.phase} of {len(phases)}"))


def _read(path: Path) -> dict[str, Any]:
    """Every field there, and the weights plain tensors by name."""
    content = read_torch(path, _DELETE)
    told = isinstance(content, dict) and content.get("format")
    if not isinstance(told, str) or told != FORMAT or not all(k in content for k in _FIELDS):
        raise InputError(Problem(str(path), "is damaged, or no checkpoint of a recipe", _DELETE))
    weights = content["weights"]
    if not isinstance(weights, dict) or not all(isinstance(k, str) and _plain(v) for k, v in weights.items()):
        raise InputError(_fault(path, "weights", "are not tensors by name"))
    whole: dict[str, Any] = content
    return whole


def _fault(path: Path, field: str, found: str) -> Problem:
    return Problem(f"{path}, field '{field}'", found, _DELETE)


def _is_entry(entry: object) -> bool:
    """An epoch: the phase, its number, the mean of each loss term, their sum over tenths of the epoch."""
    if not isinstance(entry, dict) or entry.keys() != {"phase", "epoch", "loss", "curve"}:
        return False
    loss, curve = entry["loss"], entry["curve"]
    if type(entry["phase"]) is not str or type(entry["epoch"]) is not int:
        return False
    if not isinstance(loss, dict) or not all(type(k) is str and type(v) is float for k, v in loss.items()):
        return False
    return isinstance(curve, list) and all(type(v) is float for v in curve)


def _plain(value: Any) -> bool:
    kind = type(value) is torch.Tensor and value.layout == torch.strided and value.device.type == "cpu"
    return kind and not value.is_complex()


def _differs(mine: torch.Tensor, other: torch.Tensor) -> bool:
    return mine.shape != other.shape or mine.dtype != other.dtype


def _fits(optimizer: Optimizer, told: dict[str, Any]) -> bool:
    """Whether a state has the same groups and settings, and for each parameter tensors of its shape, or nothing."""
    own, groups, state = optimizer.state_dict()["param_groups"], told.get("param_groups"), told.get("state")
    if not isinstance(groups, list) or not isinstance(state, dict) or len(groups) != len(own):
        return False
    if not all(isinstance(g, dict) and _same(g, o) for g, o in zip(groups, own, strict=True)):
        return False
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    return all(
        type(k) is int
        and 0 <= k < len(parameters)
        and isinstance(kept, dict)
        and kept.keys() in ({"momentum_buffer"}, {"step", "exp_avg", "exp_avg_sq"})
        and all(v is None or (_plain(v) and (n == "step" or not _differs(parameters[k], v))) for n, v in kept.items())
        for k, kept in state.items()
    )


def _same(told: dict[str, Any], own: dict[str, Any]) -> bool:
    """The rate changes while training, what else there is does not."""
    rate = told.get("lr")
    if type(rate) is not float or not 0 <= rate < math.inf or told.keys() != own.keys():
        return False
    return all(repr(told[k]) == repr(v) for k, v in own.items() if k != "lr")  # tensors have no equality of their own
