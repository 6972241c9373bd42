"""Root never works in a folder that others may write: what lies there may be a link to anything, or become one.

So whoever touches a state folder as root becomes the folder's owner before. What needs root for more says so:
`sorter setup` (it writes to root's own folders only), and starting the service again after a calibration.
"""

from __future__ import annotations

import logging
import os
import pwd
import resource
import shlex
import stat
import sys
from contextlib import suppress
from pathlib import Path

from edge.errors import SetupError

log = logging.getLogger(__name__)

_MOST_LINKS = 40
_REAL_TIME_PRIORITY = 50


def leave_root(folder: Path) -> None:
    """If this is root, and others may change what a path leads to, become the one whose it is, for good.

    Args:
        folder: absolute, or a file, whether it is there or not; with its links, which are whoever's that made them.

    Raises:
        SetupError: nobody in particular owns it, or this root may not become somebody else.
    """
    if os.geteuid() != 0:
        return
    found = _first_of_others(folder)
    if found is None:
        return
    place, status = found
    if status.st_uid == 0:
        raise SetupError(
            f"{place}: others than root may write here, so root does not work in {folder}: "
            f"sudo chmod go-w {shlex.quote(str(place))}, or name another place"
        )
    _become(status.st_uid, status.st_gid, place)


def _first_of_others(folder: Path) -> tuple[Path, os.stat_result] | None:
    """The first part of the way to a folder that somebody else than root may change; None: nobody may."""
    at, rest, links = Path("/"), list(folder.parts[1:]), 0
    status = at.lstat()
    while rest:
        below = at / rest.pop(0)
        try:
            found = below.lstat()
        except FileNotFoundError:
            break
        except NotADirectoryError:
            return None
        if stat.S_ISLNK(found.st_mode) and found.st_uid == 0 and (links := links + 1) <= _MOST_LINKS:
            # os.path.join: an absolute target begins anew.
            target = Path(os.path.normpath(os.path.join(at, below.readlink())))  # noqa: PTH118
            at, status, rest = Path("/"), Path("/").lstat(), [*target.parts[1:], *rest]
            continue
        # In a folder like /tmp others may make names, and not change what is root's.
        keeps_names = bool(found.st_mode & stat.S_ISVTX and rest)
        if found.st_uid != 0 or (_others_may_write(found) and not keeps_names):
            return below, found
        at, status = below, found
    return (at, status) if _others_may_write(status) else None


def _others_may_write(status: os.stat_result) -> bool:
    return bool(status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0))


def _become(user: int, group: int, place: Path) -> None:
    """Be that user in everything: ids real, effective and saved, groups, home."""
    with suppress(OSError, ValueError):  # what root may ask for, and strokes are more punctual with
        resource.setrlimit(resource.RLIMIT_RTPRIO, (_REAL_TIME_PRIORITY, _REAL_TIME_PRIORITY))
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    try:
        account = pwd.getpwuid(user)
        name, group, home = account.pw_name, account.pw_gid, account.pw_dir
    except KeyError:
        name, home = f"#{user}", "/"
    try:
        if name.startswith("#"):
            os.setgroups([group])
        else:
            os.initgroups(name, group)
        os.setresgid(group, group, group)
        os.setresuid(user, user, user)
    except OSError as error:
        command = shlex.join(["sudo", "-u", name, "sorter", *sys.argv[1:]])
        raise SetupError(f"{place} is {name}'s, and root does not work in it ({error.strerror}): {command}") from None
    for file in (os.__file__, __file__):  # what is imported later on has to be readable then, too
        if not os.access(file, os.R_OK):
            raise SetupError(
                f"{place} is {name}'s, and {name} can't read this program ({file}): install it for everybody, into "
                "/opt/edge-sorter (see the README)"
            )
    os.environ.update(HOME=home, USER=name, LOGNAME=name)
    log.warning("%s is %s's: this goes on as %s, not as root", place, name, name)
