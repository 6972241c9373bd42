"""Passwords, keys and tokens: each alone in a file that others can't read, never in the station file."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from edge.errors import NotifyError
from edge.system.files import open_regular

_MOST_BYTES = 4096
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP


def read_secret(path: Path) -> str:
    """Return what the file holds, without the line feed at its end.

    Raises:
        NotifyError: it is missing, empty, not one line of text, or others may read it.
    """
    try:
        with open_regular(path) as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        raise NotifyError(f"{path}: no such file; expected one line with the secret (docs/notify.md)") from None
    except OSError as error:
        raise NotifyError(f"{path}: can't be read: {error.strerror}") from None
    if mode & _TOO_OPEN:
        quoted = shlex.quote(str(path))
        raise NotifyError(
            f"{path}: others may read it (mode {mode:04o}): sudo chmod 640 {quoted}, and choose a new one"
        )
    return _one_line(path, content)


def _one_line(path: Path, content: bytes) -> str:
    try:
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        secret = ""
    if not secret or len(content) > _MOST_BYTES or not secret.isprintable():
        raise NotifyError(f"{path}: expected one line of text, the secret alone")
    return secret
