"""Files and folders that appear whole or not at all. Runs on Python 3.10 with the standard library alone.

Each is written as a draft beside its place, flushed to the disk, and renamed. A run that is killed leaves its draft;
the next one that writes there removes it. A draft is locked as long as its writer lives, so that no other's is removed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # no POSIX system: drafts are not locked there, and drafts of killed runs stay
    fcntl = None  # type: ignore[assignment]

from seamount.compiler.errors import InputError, Problem
from seamount.compiler.places import DRAFT, FolderKind, check_file, check_place
from seamount.compiler.rename import exchange

_SPACE = "free space or choose another place"


def write_folder(folder: Path, write: Callable[[Path], None], kind: FolderKind, overwrite: bool = False) -> None:
    """Make `folder` by `write(draft)`, a folder beside it that takes its place when complete.

    overwrite: an older one is replaced if it is wholly of this kind; at every moment the old or the new one is there
    (where the system cannot exchange them, there is none for the time of two renames). Raises InputError when the place
    is taken or the disk does not take it; then nothing is left behind, and what was there stays.
    """
    place = _real(folder)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _sweep(place, kind)
        check_place(folder, overwrite, kind)
        with _draft(place, folder=True) as (draft, _):
            write(draft)
            _flush(draft)
            _move(draft, place, kind, overwrite)
    except OSError as error:
        raise _cannot_write(folder, error, _SPACE) from None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file, so that `path` is either as before or complete. Raises InputError when that fails."""
    write_file(path, lambda file: file.write(data), "check the folder, its permissions and the space left")


def write_text(path: Path, text: str) -> None:
    """Write a file, and the folders it lies in, as replace_file does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error, _SPACE) from None
    write_file(path, lambda file: file.write(text.encode("utf-8")), _SPACE)


def write_json(path: Path, tree: Any) -> None:
    """Write JSON as write_text does."""
    write_text(path, json.dumps(tree, indent=1, sort_keys=True, default=_plain) + "\n")


def digest(path: Path) -> str:
    """The SHA-256 of a file, as manifests state it."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


def write_file(path: Path, write: Callable[[BinaryIO], object], remedy: str) -> None:
    """Write a file by `write(stream)` as replace_file does; `remedy` is for the InputError when that fails."""
    place = _real(path)
    check_file(path)
    try:
        _sweep(place, None)
        with _draft(place, folder=False) as (draft, handle):
            with open(handle, "wb", closefd=False) as stream:
                write(stream)
            os.fsync(handle)
            draft.replace(place)
    except OSError as error:
        raise _cannot_write(path, error, remedy) from None


def _real(path: Path) -> Path:
    """Where a link leads: that is replaced, not the link."""
    return Path(os.path.realpath(path)) if path.exists() else path


def _cannot_write(path: Path, error: OSError, remedy: str) -> InputError:
    return InputError(Problem(str(path), f"cannot be written: {error.strerror or error}", remedy))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} in JSON")


# drafts


@contextmanager
def _draft(place: Path, folder: bool) -> Iterator[tuple[Path, int]]:
    """A new file or folder beside its place, with an open handle that locks it; what is left of it at the end goes."""
    draft, handle = _beside(place, "draft"), -1
    try:
        handle = _created(draft, folder)
        while not _lock(handle) or not os.path.lexists(draft):  # swept by another run before it was locked
            os.close(handle)
            draft = _beside(place, "draft")
            handle = _created(draft, folder)
        yield draft, handle
    finally:
        if handle >= 0:
            os.close(handle)
        _remove(draft)


def _beside(place: Path, state: str) -> Path:
    return place.with_name(f".{place.name}.{secrets.token_hex(4)}.{state}")


def _created(draft: Path, folder: bool) -> int:
    """Created with the permissions that the process's umask leaves; an open handle to it."""
    if folder:
        draft.mkdir()
        return os.open(draft, os.O_RDONLY)
    return os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)


def _lock(handle: int) -> bool:
    """Lock until the handle is closed; False when another process has it. A file system without locks grants all."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _sweep(place: Path, kind: FolderKind | None) -> None:
    """Remove drafts of killed runs; an old folder that such a run had set aside returns to its place if that is empty.

    What cannot be judged stays: drafts without a lock to ask, of other users, with files in them that are not ours.
    """
    if fcntl is None:
        return
    with suppress(OSError):
        for entry in sorted(place.parent.iterdir()):
            found = DRAFT.fullmatch(entry.name)
            if found and found["name"] == place.name:
                _settle(entry, place, kind)


def _settle(draft: Path, place: Path, kind: FolderKind | None) -> None:
    with suppress(OSError):
        handle = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if os.fstat(handle).st_uid != os.geteuid():
                return
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if draft.is_dir() and (kind is None or kind.foreign(draft)):
                return
            if draft.suffix == ".old" and not os.path.lexists(place):
                draft.rename(place)
            else:
                _remove(draft)
        finally:
            os.close(handle)


# replacing


def _flush(folder: Path) -> None:
    """Everything in the folder on the disk, before a rename says that it is."""
    for root, _, names in os.walk(folder):
        for name in names:
            handle = os.open(Path(root) / name, os.O_RDWR)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _move(draft: Path, place: Path, kind: FolderKind, overwrite: bool) -> None:
    try:
        draft.rename(place)  # the system itself allows it onto nothing or an empty folder only
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        check_place(place, overwrite, kind)  # what appeared meanwhile stays
        if exchange(draft, place):
            _refuse_foreign(draft, place, kind)
        else:
            _set_aside(draft, place, kind)


def _refuse_foreign(old: Path, place: Path, kind: FolderKind) -> None:
    """Exchange back when somebody put a file into the old folder between the check and the exchange."""
    if not kind.owns(old):
        exchange(old, place)
        check_place(place, True, kind)


def _set_aside(draft: Path, place: Path, kind: FolderKind) -> None:
    """Replace in two renames; whatever comes between them, the old folder returns."""
    aside = _beside(place, "old")
    handle = os.open(place, os.O_RDONLY)
    try:
        _lock(handle)
        place.rename(aside)
        if not kind.owns(aside):
            aside.rename(place)
            check_place(place, True, kind)
        draft.rename(place)
    except BaseException:
        if os.path.lexists(aside) and not os.path.lexists(place):
            aside.rename(place)
        raise
    finally:
        os.close(handle)
    _remove(aside)
