"""Files and folders that appear whole or not at all. Runs on Python 3.10 with the standard library alone."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seamount.compiler.errors import InputError, Problem


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Make `folder` by `write(draft)`, a folder beside it that is renamed when complete; an older one is replaced.

    Raises InputError when the disk does not take it; then nothing is left behind, and an older folder stays.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        write(draft)
        _move(draft, folder)
    except OSError as error:
        raise _cannot_write(folder, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _cannot_write(folder: Path, error: OSError) -> InputError:
    return InputError(
        Problem(str(folder), f"cannot be written: {error.strerror or error}", "free space or choose another place")
    )


def check_place(folder: Path, overwrite: bool, marks: tuple[str, ...], what: str, remedy: str) -> None:
    """Raise InputError unless `folder` is free, empty, or `what` (it has the files `marks`) and may be replaced."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if not (folder.is_dir() and all((folder / mark).is_file() for mark in marks)):
        raise InputError(Problem(str(folder), f"exists and is not {what}", remedy))
    if not overwrite:
        raise InputError(Problem(str(folder), "exists", f"{remedy}, or give --force"))


def _move(draft: Path, folder: Path) -> None:
    draft.chmod(0o755)
    if folder.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent))
        folder.replace(old / "old")
        draft.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        draft.replace(folder)


def _digest(path: Path) -> str:
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Write to a temporary sibling and rename it, so that `path` is either as before or complete."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        found = f"cannot be written: {error.strerror or error}"
        raise InputError(Problem(str(path), found, "check the folder, its permissions and the space left")) from None
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, tree: Any) -> None:
    """Write JSON as write_text does."""
    write_text(path, json.dumps(tree, indent=1, sort_keys=True, default=_plain) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file beside its place, then rename. Raises InputError when that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        found = f"cannot be written: {error.strerror or error}"
        raise InputError(Problem(str(path), found, "free space or choose another place")) from None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} in JSON")
