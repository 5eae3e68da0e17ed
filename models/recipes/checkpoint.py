"""A training run on disk after an epoch: enough to go on exactly, and nothing that can run code when it is read."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seamount.compiler.errors import InputError, Problem

FORMAT = "seamount-checkpoint 1"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """phase: number of the phase; epoch: finished epochs in it; the state dictionaries; history so far."""

    phase: int
    epoch: int
    weights: dict[str, Any]
    optimizer: dict[str, Any]
    history: list[dict[str, Any]]


def write_checkpoint(path: Path, point: Checkpoint, identity: str) -> None:
    """Write beside the place, then rename: a kill at any moment leaves the previous checkpoint or this one."""
    beside = path.with_name(path.name + ".part")
    content = {"format": FORMAT, "identity": identity, **vars(point)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, beside)
        beside.replace(path)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        beside.unlink(missing_ok=True)
        found = f"cannot be written: {str(error).splitlines()[0]}"
        raise InputError(Problem(str(path), found, "check folder, permissions and space")) from None


def read_checkpoint(path: Path, identity: str) -> Checkpoint | None:
    """The checkpoint of this very run, None when there is none yet.

    Raises InputError when the file is damaged, or was written by a run with other data, recipe, schedule or seed.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        if content["format"] != FORMAT:
            raise KeyError("format")
        written = content["identity"]
        point = Checkpoint(*(content[k] for k in ("phase", "epoch", "weights", "optimizer", "history")))
    except (OSError, RuntimeError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError):
        found = "is damaged, or no checkpoint of a recipe"
        raise InputError(Problem(str(path), found, "delete it to start from the beginning")) from None
    if written != identity:
        found = f"was written by another run: {written}; this one is {identity}"
        raise InputError(Problem(str(path), found, "choose another --checkpoint, or delete it"))
    return point
