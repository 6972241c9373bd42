"""A person stops a running station, lets it go on, or asks how it is: from another process, over a socket in the state folder.

The one who asks writes nothing there, so root may ask in a folder that others own. One line each way. It is there whether
the station has a page or not.
"""

from __future__ import annotations

import logging
import os
import pwd
import re
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from edge.clock import SystemClock, ms
from edge.errors import ControlError
from edge.health.health import Health
from edge.health.state import INHIBITED_STATES, State
from edge.interfaces import Clock
from edge.station.stops.latch import Latch
from edge.system.text import harmless

log = logging.getLogger(__name__)

NAME = "control"
MOST_BYTES = 1000
MOST_STATUS_BYTES = 1 << 20
PATIENCE_S = 5.0
_LOOK_S = 0.25
_ASKED = re.compile(r"(pause|resume|status)(?: ([A-Za-z0-9_.-]{1,32}))?\n")
_CREDENTIALS = struct.Struct("3i")


@dataclass
class StopSwitch:
    """A person's stop; kept over restarts, crashes and power cuts until a person resumes.

    `is_held` says that belt and actuators are held, not the actuators alone; the supervisor sees to that within a turn.
    """

    health: Health
    clock: Clock
    latch: Latch
    is_held: Callable[[], bool]

    def press(self, action: str, by: str) -> None:
        """Do what a person asks for; returns at once."""
        act = self.health.pause if action == "pause" else self.health.resume
        act(self.clock.now(), by)

    def teach(self, by: str) -> bool:
        """Stop all but the belt for a person who teaches the station; False where a person has stopped it."""
        return self.health.teach(by)

    def save(self) -> bool:
        """Store whether a person has stopped the station; False if the disk refuses. Waits for it."""
        self.latch.save(bool(self.health.hold.paused_by))
        return self.latch.is_set is bool(self.health.hold.paused_by)

    def answer(self) -> str:
        """Return what has become of the station, as a sentence."""
        if self.health.hold.paused_by:
            text = "Stopped: belt and actuators are held until `sorter resume`."
            if not self.is_held():
                text = (
                    "The stop is noted, but belt and actuators are not held yet: press the emergency stop if in doubt."
                )
            return text if self.save() else f"{text} The disk refuses to note that: a restart would let it go on."
        self.save()
        state = self.health.state
        if state in INHIBITED_STATES - {State.STARTING}:
            first = next(iter(self.health.faults), None)
            return "Resumed, but nothing is sorted yet: " + (str(state) if first is None else first.text)
        return "Resumed."


def serve(folder: Path, switch: StopSwitch, describe: Callable[[], str], stop: Event) -> None:
    """Take what people ask for until `stop` is set: the body of a thread; `describe` returns the status as a line of JSON."""
    try:
        listening = _listen(folder)
    except OSError as error:
        log.warning("%s can't be opened (%s): `sorter pause` can't reach this station", folder / NAME, error.strerror)
        return
    with closing(listening):
        listening.settimeout(_LOOK_S)
        while not stop.is_set():
            with suppress(TimeoutError, OSError):
                asking, _ = listening.accept()
                with closing(asking):
                    _take(asking, switch, describe, stop)


def ask(folder: Path, action: str, name: str = "") -> str:
    """Ask the station that runs in a folder to pause or to resume; return its answer.

    Raises:
        ControlError: no station runs there, it may not be asked, or it does not answer.
    """
    told = _exchange(folder, f"{action} {name}".rstrip(), action, MOST_BYTES).strip()
    if not told:
        raise ControlError(f"{folder / NAME}: the station did not understand; is it of another version?")
    return harmless(told)


def ask_status(folder: Path) -> str:
    """Ask the station that runs in a folder how it is; return its JSON, which whoever may write the folder may have made up.

    Raises:
        ControlError: no station runs there, it may not be asked, or it does not answer.
    """
    return _exchange(folder, "status", "status", MOST_STATUS_BYTES)


def _exchange(folder: Path, line: str, action: str, most_bytes: int) -> str:
    """Send a line and return the answer, the first `most_bytes` of it."""
    path = folder / NAME
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlError(f"{path}: expected a socket of a running sorter. Remove what lies there")
        with _address(folder) as address, socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE_S)
            asking.connect(address)
            asking.sendall(line.encode() + b"\n")
            return _received(asking, most_bytes, SystemClock()).decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise ControlError(
            f"{folder}: no sorter is running here. Look with `systemctl status sorter`, "
            "or name the station with --station or --state-folder"
        ) from None
    except PermissionError:
        raise ControlError(
            f"{path}: not allowed. Try `sudo sorter {action}`, or join the group of the service"
        ) from None
    except OSError as error:
        raise ControlError(
            f"{path}: the station does not answer ({error}). Press the emergency stop if in doubt"
        ) from None


def _received(asking: socket.socket, most_bytes: int, clock: Clock) -> bytes:
    """Return all that comes within PATIENCE_S, until the other one closes."""
    told, until = bytearray(), clock.now() + ms(1000 * PATIENCE_S)
    while len(told) < most_bytes and (more := asking.recv(most_bytes - len(told))):
        told += more
        if clock.now() >= until:
            raise TimeoutError("it takes too long")
    return bytes(told)


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """Give a short name for the socket: Linux takes no longer ones than 107 bytes."""
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def _listen(folder: Path) -> socket.socket:
    """Listen in the place of what an earlier run left: the journal's claim says that none is running."""
    listening = socket.socket(socket.AF_UNIX)
    try:
        with _address(folder) as address:
            Path(address).unlink(missing_ok=True)
            listening.bind(address)
            Path(address).chmod(0o660)  # before it listens: whoever may work in the folder may stop the station
        listening.listen(4)
    except OSError:
        listening.close()
        raise
    return listening


def _take(asking: socket.socket, switch: StopSwitch, describe: Callable[[], str], stop: Event) -> None:
    asking.settimeout(1.0)
    found = _ASKED.fullmatch(asking.recv(MOST_BYTES).decode(errors="replace"))
    if found is None:
        return
    action, name = found.groups()
    if action == "status":
        asking.sendall(f"{describe()}\n".encode())
        return
    switch.press(action, _who(asking, name))
    until = switch.clock.now() + ms(1000)
    wanted = action == "pause"
    while switch.is_held() is not wanted and switch.clock.now() < until and not stop.is_set():
        switch.clock.sleep_until(switch.clock.now() + ms(20), stop)
    asking.sendall(f"{switch.answer()}\n".encode())


def _who(asking: socket.socket, name: str | None) -> str:
    """Return who asks: as the kernel says, and, from root, as whom sudo knows the person."""
    _, uid, _ = _CREDENTIALS.unpack(asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    try:
        user = pwd.getpwuid(uid).pw_name
    except KeyError:
        user = f"user {uid}"
    return f"{name} (as root)" if uid == 0 and name else user
