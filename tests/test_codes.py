"""Data to messages and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from seamount.compiler.codes import InputCode, OutputCode, clipped, messages, predictions, scores, share_right
from seamount.compiler.errors import InputError

CODE = InputCode("in", (2, 3), "graded", 0.25, -1.0, 1.0, "constant")


def test_constant_samples_repeat_and_round() -> None:
    x = np.array([[[0.0, 0.1, 0.13], [1.0, -1.0, 7.0]]])
    sent = messages(CODE, x, 3)
    assert sent.shape == (1, 3, 2, 3) and sent.dtype == np.int32
    assert sent[0, 2].tolist() == [[0, 0, 1], [4, -4, 4]]
    assert clipped([CODE], x) == 1


def test_sequences_keep_their_order_and_may_be_longer() -> None:
    code = replace(CODE, encoding="sequence", coding="spikes", unit=1.0, low=0.0, high=1.0)
    x = np.random.default_rng(0).integers(0, 2, (2, 5, 2, 3)).astype(np.float32)
    assert np.array_equal(messages(code, x, 4), x[:, :4])


@pytest.mark.parametrize(
    ("code", "x", "found"),
    [
        (CODE, np.zeros((4, 3, 2)), "has shape (4, 3, 2)"),
        (CODE, np.full((1, 2, 3), np.nan), "NaN or infinite"),
        (CODE, np.zeros((1, 2, 3), complex), "dtype complex128"),
        (replace(CODE, encoding="sequence"), np.zeros((1, 2, 2, 3)), "lasts 2 steps"),
        (replace(CODE, coding="spikes"), np.full((1, 2, 3), 0.5), "values other than 0 and 1"),
    ],
)
def test_unfit_data_is_refused(code: InputCode, x: np.ndarray, found: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(InputError) as caught:
        messages(code, x, 3)
    assert found in str(caught.value) and "input 'in'" in str(caught.value)


def test_scores_have_the_units_of_training() -> None:
    integers = np.array([[8, 4]], np.int64)
    assert scores(OutputCode("out", 0.5, "sum"), integers, 4).tolist() == [[4.0, 2.0]]
    assert scores(OutputCode("out", 0.5, "mean"), integers, 4).tolist() == [[1.0, 0.5]]
    assert predictions(np.array([[1, 3, 3]], np.int64), "sum").tolist() == [1]


def test_an_answer_per_step() -> None:
    readout = np.array([[[1, 3], [5, 2], [0, 0]]], np.int64)
    assert predictions(readout, "each").tolist() == [[1, 0, 0]]
    assert scores(OutputCode("out", 0.5, "each"), readout, 3).tolist() == [[[0.5, 1.5], [2.5, 1.0], [0.0, 0.0]]]
    answers = predictions(readout, "each")
    assert share_right(answers, np.array([[1, 1, 0]])) == 2 / 3
    assert share_right(answers, np.array([[1, -1, -1, 1]])) == 1.0, "steps without label and later ones do not count"
    with pytest.raises(InputError, match="no step that was run has a label"):
        share_right(answers, np.array([[-1, -1, -1, 1]]))
    with pytest.raises(InputError, match="a label per sample, but the network answers once per step"):
        share_right(answers, np.array([1]))
    with pytest.raises(InputError, match="a label per step, but the network answers once per sample"):
        share_right(np.array([1]), np.array([[1, 0, 0]]))
