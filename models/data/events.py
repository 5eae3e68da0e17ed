"""Events of a sensor counted into frames: what recordings go through, whoever read them.

A recording is a structured array with the fields x, y (not where the sensor is a row of channels), p and t, as tonic's
data sets hand them out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seamount.compiler.errors import InputError, Problem, raise_all
from seamount.models.data.samples import Data

MAX_VALUES = 2**31
"""Largest array that counting may make, in values."""
MAX_T = 2.0**40
"""No time of an event, in microseconds, reaches this; it is 13 days."""
STEPS = 4
"""Time bins where nobody asks for a number."""


@dataclass(frozen=True)
class Sensor:
    """width, height: pixels; a sensor of height 1 is a row of channels. merge: k x k pixels are added up to one."""

    width: int
    height: int
    polarities: int = 2
    merge: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame: (polarities, rows, columns); of a row (width * polarities,), those of a channel together."""
        if self.height == 1:
            return (self.width * self.polarities,)
        return self.polarities, self.height // self.merge, self.width // self.merge


@dataclass(frozen=True, eq=False)
class Recording:
    """events: structured array; label: class number; name: where it comes from, for messages."""

    events: NDArray[Any]
    label: int
    name: str


def frames(
    recordings: Iterable[Recording],
    count: int,
    sensor: Sensor,
    steps: int | None,
    classes: tuple[str, ...] = (),
    span_us: int | None = None,
) -> Data:
    """x (N = count, T, *sensor.shape): events per pixel and polarity in T time bins of equal length; y as given.

    recordings are taken one at a time. span_us: what the bins divide, from 0 on; without it each recording's own time,
    first event to last. Raises InputError with the first recording that cannot be used.
    """
    bins = steps or STEPS
    size = count * bins * int(np.prod(sensor.shape))
    if size > MAX_VALUES:
        found = f"{count} recordings in {bins} steps would make {size:.2g} values"
        raise InputError(Problem("data", found, "use --limit, or ask for fewer steps", f"{MAX_VALUES} values"))
    x = np.zeros((count, bins, *sensor.shape), np.float32)
    y = np.zeros(count, np.int64)
    for i, recording in enumerate(recordings):
        x[i] = counted(recording.events, sensor, bins, recording.name, span_us)
        y[i] = recording.label
    return Data(x, y, "sequence", 0.0, float(x.max()) if x.size else 0.0, classes)


def counted(
    events: NDArray[Any], sensor: Sensor, bins: int, where: str, span_us: int | None = None
) -> NDArray[np.float32]:
    """One recording, (T, *sensor.shape). Raises InputError for missing fields and values outside the sensor."""
    t, x, y, p = _fields(events, sensor, where)
    first, span = (0, span_us) if span_us is not None else (int(t.min()), int(t.max()) - int(t.min()) + 1)
    allowed = (("t", t, first, first + span), ("x", x, 0, sensor.width), ("y", y, 0, sensor.height))
    problems = []
    for key, values, low, end in (*allowed, ("p", p, 0, sensor.polarities)):
        outside = values[(values < low) | (values >= end)]
        if outside.size:
            found = f"'{key}' holds {outside[0]} in {outside.size} of {len(values)} events"
            problems.append(Problem(where, found, "use the original file", f"{low}..{end - 1}"))
    raise_all(InputError, problems)
    step = (t - first) * bins // span
    if sensor.height == 1:
        place = x * sensor.polarities + p
    else:
        _, rows, columns = sensor.shape
        place = (p * rows + y // sensor.merge) * columns + x // sensor.merge
    size = int(np.prod(sensor.shape))
    counts = np.bincount(step * size + place, minlength=bins * size)
    return counts.astype(np.float32).reshape(bins, *sensor.shape)


def _fields(events: NDArray[Any], sensor: Sensor, where: str) -> tuple[NDArray[np.int64], ...]:
    """t, x, y, p as whole numbers; y is 0 for a row of channels, p for a sensor of one polarity."""
    names = getattr(getattr(events, "dtype", None), "names", None) or ()
    wanted = ("t", "x", *(("y",) if sensor.height > 1 else ()), *(("p",) if sensor.polarities > 1 else ()))
    missing = [name for name in wanted if name not in names]
    if missing:
        found = f"a recording has no field {', '.join(missing)}, only {', '.join(names) or 'plain numbers'}"
        raise InputError(Problem(where, found, "give structured arrays of x, y, t, p, without a transform to frames"))
    if not len(events):
        raise InputError(Problem(where, "a recording has no events", "omit it"))
    zero = np.zeros(len(events), np.int64)
    return tuple(_whole(events[n], n, where) if n in wanted else zero for n in ("t", "x", "y", "p"))


def _whole(values: NDArray[Any], name: str, where: str) -> NDArray[np.int64]:
    if values.ndim != 1 or values.dtype.kind not in "biuf" or not bool(np.all(np.abs(values.astype(float)) < MAX_T)):
        found = f"'{name}' holds what is no number, or none below {MAX_T:.0e}"
        raise InputError(Problem(where, found, "use the original file"))
    return values.astype(np.int64)
