"""Machine code from Python functions, kept on disk so that it is made once per machine and version of the engine.

numba alone would notice a changed function but not a changed function that it calls; the folder therefore carries
a digest of all of the engine's source files.
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
_njit: Any = numba.njit
_config: Any = numba.config


def compiled(function: F) -> F:
    """The function as machine code, for other such functions to call; made for each combination of types."""
    # Without a way in from Python, which takes longer to compile than most of these functions.
    return cast(F, _njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function))


def inlined(function: F) -> F:
    """As `compiled`, for a function that only chooses what to call: handing it all tables would take longer than it."""
    return cast(F, _njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)(function))


def entry(function: F) -> F:
    """The function as machine code that Python can call, with all that it calls. Runs without the GIL."""
    folder = cache_folder()
    if folder is None:
        return cast(F, _njit(nogil=True)(function))
    before = _config.CACHE_DIR
    _config.CACHE_DIR = str(folder)
    try:
        return cast(F, _njit(nogil=True, cache=True)(function))
    finally:
        _config.CACHE_DIR = before


@cache
def cache_folder() -> Path | None:
    """Where machine code is kept: in $NUMBA_CACHE_DIR or the user's cache folder; None where nothing can be written."""
    root = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) / "seamount" / f"engine-{_digest()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def is_warm() -> bool:
    """Whether machine code of this version is on disk already, so that the first run does not wait for it."""
    folder = cache_folder()
    return folder is not None and any(folder.rglob("*.nbc"))


def _digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    text = b"".join(path.read_bytes() for path in sources)
    versions = f"{numba.__version__} {platform.python_version()} {platform.machine()}"
    return hashlib.sha256(text + versions.encode()).hexdigest()[:16]
