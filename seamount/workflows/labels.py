"""Labels as an artifact is judged by: class numbers, real values, or text that its class names map."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.artifact import Artifact
from seamount.compiler.codes import Task
from seamount.compiler.errors import InputError, Problem
from seamount.compiler.measures import labels_of
from seamount.workflows.outputs import only_output

Labels = NDArray[np.int64] | NDArray[np.float64]


def output_shape(artifact: Artifact, readout: str) -> tuple[int, ...]:
    """The shape of an output."""
    found = next(r for r in artifact.program.readouts if r.name == readout)
    return tuple(artifact.program.shapes[found.population])


def read_labels(artifact: Artifact, y: NDArray[Any] | None) -> Labels | None:
    """Labels in the form that the artifact's task has; None where there are none, or the task has none.

    Raises InputError for labels that its output cannot be.
    """
    if y is None:
        return None
    output = only_output(artifact.outputs)
    if output.task is not Task.NONE and y.dtype.kind in "US":
        y = _numbered(y, artifact.manifest.model.classes)
    return labels_of(output, output_shape(artifact, output.readout), y)


def _numbered(y: NDArray[Any], classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Class numbers of the names."""
    numbers = {name: k for k, name in enumerate(classes)}
    found = sorted(set(map(str, np.unique(y).astype(str))) - set(numbers))
    if not classes:
        text = f"y holds text, such as {found[0]!r}, and the model names no classes" if found else "y holds text"
        remedy = "give integers 0..classes-1, or save the model with classes=[...]"
        raise InputError(Problem("data", text, remedy))
    if found:
        named = ", ".join(classes)
        raise InputError(Problem("data", f"label {found[0]!r} in y", "give names of classes, or their numbers", named))
    return np.array([numbers[str(name)] for name in y.astype(str).flat], np.int64).reshape(y.shape)
