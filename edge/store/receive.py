"""The device's end of a push: one request a connection, JSON lines and raw bytes over stdin and stdout.

    -> {"ask": "push", "digest": ..., "size": ..., ...}
    <- {"event": "send", "offset": 123}        not there yet, or only its first 123 bytes
    -> the bytes from there on
    <- {"event": "stored"}
    <- {"event": "done", ...}                  or, at any time, {"event": "error", "message": ...}

A model that is installed already is answered with `done` at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clock import NS_PER_MS, NS_PER_S, ms
from edge.errors import BundleError, SorterError, StoreError, TransferError
from edge.store.quick import answer_if_current, check_room, make_shared_folder
from edge.store.requests import Pull, Push, json_object, parse_request, whole_number

# What proves and installs a model takes longer to import than a model to come: it is imported, piece by piece, whenever
# no bytes are there to be taken. A question whose answer is "it is at work already" never needs it.
_NEEDED_LATER = (
    "pydantic",
    "edge.config",
    "edge.bundle.archive",
    "edge.store.install",
    "edge.bundle.golden",
    "edge.bundle.apart",
)
if TYPE_CHECKING:
    from edge.bundle.archive import Bundle
    from edge.config import Station
    from edge.interfaces import Clock
    from edge.store.install import Device
    from edge.store.records import Evidence, Generation

_LONGEST_LINE = 1 << 16
_LONGEST_LIST = 8 << 20
_CHUNK = 1 << 18
_PIPE = 1 << 20  # the most that Linux lets everybody have
_PARTS_KEPT = 4
# A client that is silent for so long is gone; another one waits a little longer than that for its place.
_SILENCE_S = 30
_WAIT_S = 35


@dataclass(frozen=True)
class Place:
    """Where a connection's models go: known at once, while all the rest of the device is opened when it is needed."""

    store: Path
    clock: Clock
    open_device: Callable[[], Device]
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free


def serve(reader: FileIO, writer: FileIO, place: Place) -> int:
    """Answer the one request of a connection and return the exit code; a lost client is no error."""
    session = _Session(reader, writer, place)
    try:
        session.answer()
    except SorterError as error:
        session.say(event="error", kind=type(error).__name__, message=str(error), exit_code=error.exit_code)
        return error.exit_code
    except (BrokenPipeError, ConnectionResetError):
        return TransferError.exit_code
    return 0


class _Session:
    def __init__(self, reader: FileIO, writer: FileIO, place: Place) -> None:
        self._reader = reader
        self._writer = writer
        self._place = place

    def say(self, **event: object) -> None:
        self._write(json.dumps(event).encode() + b"\n")

    def answer(self) -> None:
        request = parse_request(self._read_line())
        if isinstance(request, Push):
            self._push(request)
        elif isinstance(request, Pull):
            self._send_home(request, self._place.open_device())
        else:
            self.say(event="status", **_status(self._place.open_device(), request.digest))

    def _send_home(self, request: Pull, device: Device) -> None:
        from edge.store.sending import list_files, send_files, send_rows

        folder = device.station.state_folder
        send_rows(folder / "journal.db", request.items, request.events, request.run, self.say, self._write)
        offered = list_files(folder)
        listed = json.dumps([[path, size, changed] for path, (size, changed) in offered.items()]).encode()
        self.say(event="files", size=len(listed))
        self._write(listed)
        send_files(folder, offered, self._wanted(), self.say, self._write)
        self.say(event="done")

    def _wanted(self) -> list[str]:
        size = whole_number(json_object(self._read_line()), "size", _LONGEST_LIST)
        content = b""
        while len(content) < size and (chunk := self._read(min(_CHUNK, size - len(content)))):
            content += chunk
        try:
            wanted = json.loads(content)
        except ValueError:
            wanted = None
        if not isinstance(wanted, list):
            raise TransferError("expected a list of paths: install the same edge-sorter on both machines")
        return [str(path) for path in wanted]

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[self._writer.write(left) or 0 :]

    def _push(self, request: Push) -> None:
        current = answer_if_current(self._place.store, request.digest)
        if current is not None:
            self.say(event="done", already=True, **current)
            return
        if request.allow_downgrade or not request.probation:
            _check_wishes(request, self._place.open_device().station)
        incoming = self._place.store / "incoming"
        try:
            self._place.store.parent.mkdir(parents=True, exist_ok=True)
            make_shared_folder(self._place.store)
            make_shared_folder(incoming)
            lock = (incoming / f"{request.digest}.lock").open("ab")
        except OSError as error:
            raise _unwritable(incoming, error) from None
        with lock, _alone(lock.fileno(), self._place.clock):
            if (self._place.store / "models" / request.digest).exists():
                device = self._place.open_device()
                if device.store.is_whole(request.digest):
                    self._finish(request, device, device.store.find(request.digest))
                    return
            part = incoming / f"{request.digest}.part"
            self._fetch(part, request)
            self.say(event="stored")
            device = self._place.open_device()
            self._finish(request, device, *self._install(part, request, device))

    def _finish(
        self, request: Push, device: Device, installed: Evidence, proven: Bundle | None = None, proving_ms: float = 0.0
    ) -> None:
        """Put an installed model to work if that is wanted; `proven` is its bundle if it has just come."""
        from edge.store.install import activate, check_version

        if proven is None and request.activate and not request.allow_downgrade:
            check_version(installed.name, installed.version, installed.digest, device.store)
        generation = device.store.active()
        if request.activate:
            generation = activate(device, request.digest, "pushed", request.probation, proven)
        self.say(event="done", already=proven is None, proving_ms=proving_ms, **_result(installed, generation))

    def _fetch(self, part: Path, request: Push) -> None:
        """Take what is missing of the file; what came is kept when the connection is lost."""
        _forget_oldest(part)
        try:
            with part.open("ab") as file:
                offset = file.tell()
                if offset > request.size:
                    file.truncate(offset := 0)
                check_room(part.parent, request.size - offset, self._place.free_bytes)
                _widen(self._reader)
                self.say(event="send", offset=offset)
                later = list(_NEEDED_LATER)
                while offset < request.size:
                    while later and not self._has_come(within_s=0):
                        import_module(later.pop(0))
                    chunk = self._read(min(_CHUNK, request.size - offset))
                    if not chunk:
                        raise TransferError(
                            f"the connection was lost after {offset} of {request.size} bytes: "
                            "push again, it goes on there"
                        )
                    file.write(chunk)
                    offset += len(chunk)
                file.flush()
                os.fsync(file.fileno())
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritable(part.parent, error) from None

    def _read_line(self) -> bytes:
        """One line, or as much of it as shows that it is none of ours: scp and sftp say things without an end."""
        line = b""
        while len(line) < _LONGEST_LINE and not line.endswith(b"\n") and line[:1] in (b"", b"{"):
            byte = self._read(1)
            if not byte:
                break
            line += byte
        return line

    def _read(self, most: int) -> bytes:
        """What has come, at least one byte; empty when the client is gone."""
        return (self._reader.read(most) or b"") if self._has_come(_SILENCE_S) else b""

    def _has_come(self, within_s: float) -> bool:
        """Tell whether there is something to read, if only the client's end."""
        return bool(select.select([self._reader], [], [], within_s)[0])

    def _install(self, part: Path, request: Push, device: Device) -> tuple[Evidence, Bundle, float]:
        """Prove what came and let it in; return also how many milliseconds the proof took."""
        from edge.bundle.archive import read_bundle
        from edge.store.install import prove

        try:
            bundle = read_bundle(part.read_bytes(), f"{request.digest[:12]}.sorter")
            if bundle.digest != request.digest:
                raise BundleError(
                    f"expected the file {request.digest[:12]}, got {bundle.digest[:12]}: "
                    "it changed on the way or while it was sent; push again"
                )
        except BundleError:
            part.unlink()  # it can't become right by sending more of it
            raise
        started_at = device.clock.now()
        # Whoever is gone waits for nothing: a model that takes its time would hold the place of a next try.
        evidence = prove(bundle, replace(device, client=self._writer.fileno()), request.allow_downgrade)
        proving_ms = (device.clock.now() - started_at) / NS_PER_MS
        device.store.add(part, evidence)
        part.unlink()
        return evidence, bundle, proving_ms


def _check_wishes(request: Push, station: Station) -> None:
    """Refuse what the station file leaves to those who are at the machine: a stolen SSH key is no key to the past.

    Raises:
        StoreError: naming the setting.
    """
    settings = station.receive
    for asked, allowed, what, key in (
        (request.allow_downgrade, settings.allow_downgrade, "older model", "allow_downgrade"),
        (not request.probation, settings.allow_no_probation, "model without probation", "allow_no_probation"),
    ):
        if asked and not allowed:
            raise StoreError(
                f"station {station.name!r} takes no {what} over SSH: push without that option, "
                f"or set receive.{key} = true in the station file there"
            )


def _widen(reader: FileIO) -> None:
    """Let a megabyte wait in the pipe: sshd hands over no more at once, and takes long over what it has to keep itself.

    5 MB came in 47 ms instead of 160 ms.
    """
    with suppress(OSError):  # no pipe, or this account's pipes hold enough already
        fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, _PIPE)


def _unwritable(folder: Path, error: OSError) -> StoreError:
    return StoreError(f"{folder}: can't store the model ({error.strerror}): free space with 'sorter model prune'")


@contextmanager
def _alone(lock: int, clock: Clock) -> Iterator[None]:
    """Hold a model's transfer for this process alone, waiting for another one that may be about to end."""
    until = clock.now() + _WAIT_S * NS_PER_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if clock.now() > until:
                raise TransferError(
                    f"this very model has been coming over another connection for {_WAIT_S} s: try again later"
                ) from None
            clock.sleep_until(clock.now() + ms(100))
    yield


def _forget_oldest(part: Path) -> None:
    """Remove the oldest unfinished transfers, so that they never fill the disk."""
    others = [path for path in part.parent.glob("*.part") if path != part]
    others.sort(key=lambda path: path.stat().st_mtime)
    for path in others[: 1 - _PARTS_KEPT]:
        with path.with_suffix(".lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # not unfinished: it is just coming
            path.unlink(missing_ok=True)


def _status(device: Device, digest: str) -> dict[str, object]:
    generation = device.store.active()
    models = {model.digest: model for model in device.store.models()}
    part = device.store.folder / "incoming" / f"{digest}.part"
    current = None if generation is None else models.get(generation.current)
    return {
        "station": device.station.name,
        "current": None if generation is None else generation.current,
        "current_title": None if current is None else current.title,
        "probation": generation is not None and generation.probation,
        "installed": digest in models,
        "received": part.stat().st_size if part.exists() else 0,
    }


def _result(evidence: Evidence, generation: Generation | None) -> dict[str, object]:
    return {
        "title": evidence.title,
        "digest": evidence.digest,
        "milliseconds": evidence.milliseconds,
        "active": generation is not None and generation.current == evidence.digest,
        "previous": None if generation is None else generation.previous,
        "generation": None if generation is None else generation.number,
    }
