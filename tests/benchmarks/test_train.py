"""Windows of recordings with a label per step, and the loss on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import data, train  # noqa: E402
from benchmarks.cases import CASES, Phase  # noqa: E402
from seamount.models.data.samples import NO_LABEL, Data  # noqa: E402


def test_recordings_are_cut_into_windows_with_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = np.arange(2 * 7).reshape(2, 7)
    x = np.repeat(steps[..., None], 4, axis=2).astype(np.float32)
    monkeypatch.setattr(data, "load", lambda *_: Data(x, steps.astype(np.int64), "sequence", 0.0, 1.0, ("a", "b")))
    windows, labels = data.samples("ecg", "train", 3)
    assert labels.tolist() == [[0, 1, 2], [3, 4, 5], [7, 8, 9], [10, 11, 12]]
    np.testing.assert_array_equal(windows[..., 0], labels)
    assert len(data.samples("ecg", "train", 3, limit=3)[1]) == 3


def test_frames_and_labels_of_a_window_belong_together() -> None:
    case, phase = CASES["recurrent"], Phase(1, 2, 3, bins=9)
    y = np.arange(18).reshape(2, 9)
    x = np.ones((2, 9, 4), np.float32) * y[..., None]
    frames, labels = train._frames(case, phase, x, y, np.random.default_rng(0))
    np.testing.assert_array_equal(frames[..., 0].T, labels)
    assert labels.shape == (2, 3)


def test_steps_without_a_label_have_no_loss() -> None:
    case = CASES["recurrent"]
    outputs, y = torch.randn(5, 2, 6), torch.randint(0, 6, (2, 5))
    y[0, 1] = y[1, 4] = NO_LABEL
    known = [(t, b) for b in range(2) for t in range(5) if y[b, t] != NO_LABEL]
    each = [torch.nn.functional.cross_entropy(outputs[t, b], y[b, t]) for t, b in known]
    assert train._loss(case, outputs, y).item() == pytest.approx(float(torch.stack(each).mean()), rel=1e-5)
    mean = train._loss(replace(case, readout="mean"), outputs, y[:, 0])
    assert mean.item() == pytest.approx(float(torch.nn.functional.cross_entropy(outputs.mean(0), y[:, 0])))
