"""Two paths exchanged in one step, where the system can. Runs on Python 3.10 with the standard library alone."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM)
"""What a file system (overlayfs on a lower layer, NFS) or a container's filter answers instead of exchanging."""


def exchange(a: Path, b: Path) -> bool:
    """Let `a` and `b` change places so that neither is absent at any moment; False where that is not possible.

    Linux's renameat2 with RENAME_EXCHANGE. Raises OSError when either path does not exist or may not be moved.
    """
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if renameat2 is None:
        return False
    paths = [os.fsencode(path) for path in (a, b)]
    ctypes.set_errno(0)
    if renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_RENAME_EXCHANGE)) == 0:
        return True
    found = ctypes.get_errno()
    if found in _CANNOT:
        return False
    raise OSError(found, os.strerror(found), str(a), None, str(b))
