"""The kept files of a version as a place to run commands in."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

KEPT = Path(__file__).parents[1] / "kept" / "v0.1.0"


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model, data, an artifact, a run and a trace of messages, in what becomes the working directory."""
    shutil.copytree(KEPT, folder)
    monkeypatch.chdir(folder)
    with np.load("data.npz") as data:
        np.savez("messages.npz", **{"spikes:l1": np.zeros((len(data["y"]), 6, 5), np.int8)})
    return folder
