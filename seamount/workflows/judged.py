"""Columns of the check ladder that say how good answers are."""

from __future__ import annotations

from collections.abc import Callable

from seamount.compiler.codes import Task
from seamount.results.blocks import number, percent
from seamount.workflows.rungs import Rung

_BY_CLASS: dict[str, Callable[[Rung], str]] = {
    "accuracy": lambda r: percent(r.accuracy),
    "same answer": lambda r: percent(r.agreement),
}
_BY_VALUE: dict[str, Callable[[Rung], str]] = {
    "RMS error": lambda r: number(r.measures.rms, ".4g"),
    "correlation": lambda r: number(r.measures.correlation, ".4f"),
    "R2": lambda r: number(r.measures.r2, ".4f"),
    "RMS from graph": lambda r: number(r.likeness.rms, ".4g"),
    "correlation with graph": lambda r: number(r.likeness.correlation, ".4f"),
}
JUDGED: dict[Task, dict[str, Callable[[Rung], str]]] = {
    Task.CLASSES: _BY_CLASS,
    Task.POPULATION: _BY_CLASS,
    Task.PIXELS: {**_BY_CLASS, "mean IoU": lambda r: percent(r.measures.iou)},
    Task.VALUES: _BY_VALUE,
    Task.NONE: {k: v for k, v in _BY_VALUE.items() if k.endswith("graph")},
}
"""Task -> heading -> cell of a rung."""
