"""A training run on disk after an epoch: enough to go on exactly, and nothing that can run code when it is read."""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seamount.compiler.errors import InputError, Problem
from seamount.frontends.model_file.file import write_torch

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
    """A kill at any moment leaves the previous checkpoint or this one."""
    with suppress(OSError):  # writing then says what is wrong
        path.parent.mkdir(parents=True, exist_ok=True)
    write_torch({"format": FORMAT, "identity": identity, **vars(point)}, path)


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
