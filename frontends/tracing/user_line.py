"""Where in the user's code the traced call stands, for messages."""

from __future__ import annotations

import traceback
from pathlib import Path

_HOME = Path(__file__).parents[2]
_OURS = tuple(str(_HOME / name) for name in ("frontends", "seamount", "workflows"))
"""This folder, and the public package: in a checkout beside it, where it is installed around it."""
_FOREIGN = ("/torch/", "/norse/", "/snntorch/", "/spikingjelly/", "/sinabs/")


def user_line() -> str:
    """`file.py:line` of the innermost frame outside this package and the frameworks; "forward" if there is none."""
    for frame in reversed(traceback.extract_stack()):
        path = frame.filename
        if path.startswith((*_OURS, "<")) or ("-packages/" in path and any(f in path for f in _FOREIGN)):
            continue
        return f"{Path(path).name}:{frame.lineno}"
    return "forward"
