"""Images cut into quadrants, for networks that visit one group of the image after the other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from seamount.compiler.errors import InputError, Problem
from seamount.models.data.samples import Data


def quadrants(data: Data, where: str) -> Data:
    """The same images (N, C, H, W) as (N, 4 C, H / 2, W / 2): all channels of the top left quadrant first, then top
    right, bottom left, bottom right. Raises InputError for images whose sides are odd."""
    height, width = data.x.shape[2:]
    if height % 2 or width % 2:
        found = f"images of {height} x {width} pixels have no equal quadrants"
        raise InputError(Problem(where, found, "use images with even sides"))
    h, w = height // 2, width // 2
    parts = [data.x[..., i : i + h, j : j + w] for i in (0, h) for j in (0, w)]
    return replace(data, x=np.concatenate(parts, 1))
