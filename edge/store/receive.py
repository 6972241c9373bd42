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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.bundle.archive import LARGEST_BUNDLE, read_bundle
from edge.clock import NS_PER_MS, NS_PER_S, ms
from edge.durable import sync_folder
from edge.errors import BundleError, SorterError, StoreError, TransferError
from edge.interfaces import Clock
from edge.store.install import Device, activate, check_room, prove
from edge.store.records import Evidence, Generation
from edge.store.sending import list_files, send_files, send_rows

PROTOCOL = 1
_LONGEST_LINE = 1 << 16
_LONGEST_LIST = 8 << 20
_CHUNK = 1 << 18
_PARTS_KEPT = 4
# A client that is silent for so long is gone; another one waits a little longer than that for its place.
_SILENCE_S = 30
_WAIT_S = 35


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    protocol: int


class Push(_Request):
    """Install a bundle, and put it to work if `activate`."""

    ask: Literal["push"]
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(gt=0, le=LARGEST_BUNDLE)
    activate: bool = True
    probation: bool = True
    allow_downgrade: bool = False


class Status(_Request):
    """Say what is there; `digest` is the bundle that would be pushed."""

    ask: Literal["status"]
    digest: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")


class Pull(_Request):
    """Send home what is new; `items` and `events` are the last rows that the workstation has, `run` their run."""

    ask: Literal["pull"]
    items: int = Field(default=0, ge=0)
    events: int = Field(default=0, ge=0)
    run: str = ""
    files: bool = True


class _Wanted(BaseModel):
    size: int = Field(ge=2, le=_LONGEST_LIST)


Request = Annotated[Push | Status | Pull, Field(discriminator="ask")]


def serve(reader: FileIO, writer: FileIO, open_device: Callable[[], Device]) -> int:
    """Answer the one request of a connection and return the exit code; a lost client is no error."""
    session = _Session(reader, writer, open_device)
    try:
        session.answer()
    except SorterError as error:
        session.say(event="error", kind=type(error).__name__, message=str(error), exit_code=error.exit_code)
        return error.exit_code
    except (BrokenPipeError, ConnectionResetError):
        return TransferError.exit_code
    return 0


class _Session:
    def __init__(self, reader: FileIO, writer: FileIO, open_device: Callable[[], Device]) -> None:
        self._reader = reader
        self._writer = writer
        self._open_device = open_device

    def say(self, **event: object) -> None:
        self._write(json.dumps(event).encode() + b"\n")

    def answer(self) -> None:
        request = _parse(self._read_line())
        device = self._open_device()
        if isinstance(request, Status):
            self.say(event="status", **_status(device, request.digest))
        elif isinstance(request, Pull):
            self._send_home(request, device)
        else:
            self._push(request, device)

    def _send_home(self, request: Pull, device: Device) -> None:
        folder = device.station.state_folder
        send_rows(folder / "journal.db", request.items, request.events, request.run, self.say, self._write)
        if request.files:
            offered = list_files(folder)
            listed = json.dumps([[path, size, changed] for path, (size, changed) in offered.items()]).encode()
            self.say(event="files", size=len(listed))
            self._write(listed)
            send_files(folder, offered, self._wanted(), self.say, self._write)
        self.say(event="done")

    def _wanted(self) -> list[str]:
        try:
            size = _Wanted.model_validate_json(self._read_line()).size
            content = b""
            while len(content) < size and (chunk := self._read(min(_CHUNK, size - len(content)))):
                content += chunk
            return TypeAdapter(list[str]).validate_json(content)
        except ValidationError:
            raise TransferError("expected a list of paths: install the same edge-sorter on both machines") from None

    def _write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            left = left[self._writer.write(left) or 0 :]

    def _push(self, request: Push, device: Device) -> None:
        store = device.store
        with store.locked():
            pass  # makes the folders
        with _alone(store.folder / "incoming" / f"{request.digest}.lock", device.clock):
            installed = next((model for model in store.models() if model.digest == request.digest), None)
            already = installed is not None and store.is_whole(request.digest)
            if installed is None or not already:
                part = store.folder / "incoming" / f"{request.digest}.part"
                self._fetch(part, request, device)
                self.say(event="stored")
                installed = self._install(part, request, device)
        generation = store.active()
        if request.activate:
            generation = activate(device, request.digest, "pushed", request.probation)
        self.say(event="done", already=already, **_result(installed, generation))

    def _fetch(self, part: Path, request: Push, device: Device) -> None:
        """Take what is missing of the file; what came is kept when the connection is lost."""
        _forget_oldest(part)
        with part.open("ab") as file:
            offset = file.tell()
            if offset > request.size:
                file.truncate(offset := 0)
            check_room(request.size - offset, device)
            self.say(event="send", offset=offset)
            try:
                while offset < request.size:
                    chunk = self._read(min(_CHUNK, request.size - offset))
                    if not chunk:
                        raise TransferError(
                            f"the connection was lost after {offset} of {request.size} bytes: push again, it goes on there"
                        )
                    file.write(chunk)
                    offset += len(chunk)
                file.flush()
                os.fsync(file.fileno())
            except OSError as error:
                raise StoreError(
                    f"{part.parent}: can't store the model ({error.strerror}): free space with 'sorter model prune'"
                ) from None
        sync_folder(part.parent)

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
        ready, _, _ = select.select([self._reader], [], [], _SILENCE_S)
        return (self._reader.read(most) or b"") if ready else b""

    def _install(self, part: Path, request: Push, device: Device) -> Evidence:
        content = part.read_bytes()
        try:
            bundle = read_bundle(content, f"{request.digest[:12]}.sorter")
            if bundle.digest != request.digest:
                raise BundleError(
                    f"expected the file {request.digest[:12]}, got {bundle.digest[:12]}: "
                    "it changed on the way or while it was sent; push again"
                )
            started_at = device.clock.now()
            evidence = prove(bundle, device, request.allow_downgrade)
        except BundleError:
            part.unlink()  # it can't become right by sending more of it
            raise
        self.say(event="proven", milliseconds=(device.clock.now() - started_at) / NS_PER_MS)
        device.store.add(part, evidence)
        part.unlink()
        return evidence


def _parse(line: bytes) -> Push | Status | Pull:
    try:
        request: Push | Status | Pull = TypeAdapter(Request).validate_json(line)
    except ValidationError as error:
        problem = error.errors()[0]
        raise TransferError(
            f"expected one request of `sorter push` or `sorter pull` in JSON, got {line[:60]!r} "
            f"({problem['msg']}): this account only receives models"
        ) from None
    if request.protocol != PROTOCOL:
        raise TransferError(
            f"expected protocol {PROTOCOL}, got {request.protocol}: install the same edge-sorter on both machines"
        )
    return request


@contextmanager
def _alone(lock: Path, clock: Clock) -> Iterator[None]:
    """Hold a model's transfer for this process alone, waiting for another one that may be about to end."""
    with lock.open("ab") as file:
        until = clock.now() + _WAIT_S * NS_PER_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
