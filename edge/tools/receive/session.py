"""The device's end of a push: one request a connection, JSON lines and raw bytes over stdin and stdout.

    -> {"ask": "push", "digest": ..., "size": ..., ...}
    <- {"event": "send", "offset": 123}        not there yet, or only its first 123 bytes
    -> the bytes from there on                 (for a taught head see `pieces`: most of it is there in its base)
    <- {"event": "stored"}
    <- {"event": "done", ...}                  or, at any time, {"event": "error", "message": ...}

A model that is installed already is answered with `done` at once.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from edge.clock import NS_PER_MS
from edge.errors import BundleError, SorterError, StoreError, TransferError
from edge.models.quick import answer_if_current, check_room, make_shared_folder
from edge.system.privileges import leave_root
from edge.tools.receive.connection import Connection
from edge.tools.receive.incoming import forget_oldest, one_of_few, open_part
from edge.tools.receive.pieces import fetch_in_pieces
from edge.tools.receive.requests import Pull, Push, Status, json_object, parse_json, parse_request, whole_number

# What proves and installs a model takes longer to import than a model to come: it is imported, piece by piece, whenever
# no bytes are there to be taken. A question whose answer is "it is at work already" never needs it.
_NEEDED_LATER = (
    "pydantic",
    "edge.config",
    "edge.bundle.archive",
    "edge.models.install",
    "edge.inference.golden",
    "edge.inference.process",
)
if TYPE_CHECKING:
    from edge.bundle.archive import Bundle
    from edge.config import Station
    from edge.interfaces import Clock
    from edge.models.install import Device
    from edge.models.records import Evidence, Generation

_LONGEST_LIST = 8 << 20
LATER = "To change a station's labels: push with --no-activate, correct the bins there, then `sorter model activate`"


@dataclass(frozen=True)
class Place:
    """Where a connection's models go: known at once, while all the rest of the device is opened when it is needed."""

    store: Path
    clock: Clock
    open_device: Callable[[], Device]
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free


def serve(reader: FileIO, writer: FileIO, place: Place) -> int:
    """Answer the one request of a connection, as the store's owner, and return the exit code; a lost client is no error."""
    connection = Connection(reader, writer, place.clock)
    try:
        leave_root(place.store.parent)
        with one_of_few(place.store):
            _Session(connection, place).answer()
    except SorterError as error:
        with suppress(OSError, TransferError):
            connection.say(event="error", kind=type(error).__name__, message=str(error), exit_code=error.exit_code)
        return error.exit_code
    except (BrokenPipeError, ConnectionResetError):
        return TransferError.exit_code
    return 0


class _Session:
    def __init__(self, connection: Connection, place: Place) -> None:
        self._connection = connection
        self._place = place
        self._say = connection.say

    def answer(self) -> None:
        request = parse_request(self._connection.read_line())
        if isinstance(request, Push):
            self._push(request)
        elif isinstance(request, Pull):
            self._send_home(request, self._place.open_device())
        else:
            self._say(event="status", **_status(self._place.open_device(), request))

    def _send_home(self, request: Pull, device: Device) -> None:
        from edge.tools.receive.sending import list_files, send_files, send_rows

        folder, write = device.station.state_folder, self._connection.write
        send_rows(folder / "journal.db", request.items, request.events, request.run, self._say, write)
        offered = list_files(folder)
        listed = json.dumps([[path, size, changed] for path, (size, changed) in offered.items()]).encode()
        self._say(event="files", size=len(listed))
        write(listed)
        send_files(folder, offered, self._wanted(), self._say, write)
        self._say(event="done")

    def _wanted(self) -> list[str]:
        size = whole_number(json_object(self._connection.read_line()), "size", _LONGEST_LIST)
        wanted = parse_json(self._connection.read_exactly(size))
        if not isinstance(wanted, list):
            raise TransferError("expected a list of paths: install the same edge-sorter on both machines")
        return [path for path in wanted if isinstance(path, str)]

    def _push(self, request: Push) -> None:
        current = answer_if_current(self._place.store, request.digest)
        if current is not None:
            self._say(event="done", already=True, **current)
            return
        if request.allow_downgrade or not request.probation:
            _check_wishes(request, self._place.open_device().station)
        incoming = self._place.store / "incoming"
        try:
            self._place.store.parent.mkdir(parents=True, exist_ok=True)
            make_shared_folder(self._place.store)
            make_shared_folder(incoming)
            with open_part(incoming / f"{request.digest}.part", request.size, self._place.clock) as part:
                self._receive(part, incoming / f"{request.digest}.part", request)
        except (BrokenPipeError, ConnectionResetError):
            raise
        except OSError as error:
            raise StoreError(
                f"{incoming}: can't store the model ({error.strerror}): free space with 'sorter model prune'"
            ) from None

    def _receive(self, part: FileIO, path: Path, request: Push) -> None:
        if (self._place.store / "models" / request.digest).exists():
            device = self._place.open_device()
            if device.store.is_whole(request.digest):
                path.unlink()  # of a transfer that was cut off when all was done
                self._finish(request, device, device.store.find(request.digest))
                return
        self._fetch(part, path, request)
        self._say(event="stored")
        device = self._place.open_device()
        self._finish(request, device, *self._install(part, path, request, device))

    def _finish(
        self, request: Push, device: Device, installed: Evidence, proven: Bundle | None = None, proving_ms: float = 0.0
    ) -> None:
        """Put an installed model to work if that is wanted; `proven` is its bundle if it has just come."""
        from edge.models.install import activate, check_version

        if proven is None and request.activate and not request.allow_downgrade:
            check_version(installed.name, installed.version, installed.digest, device.store)
        generation = device.store.active()
        if request.activate:
            generation = activate(device, request.digest, "pushed", request.probation, proven)
        self._say(event="done", already=proven is None, proving_ms=proving_ms, **_result(installed, generation))

    def _fetch(self, part: FileIO, path: Path, request: Push) -> None:
        """Take what is missing of the file; what came is kept when the connection is lost."""
        connection = self._connection
        forget_oldest(path.parent, besides=path)
        offset = os.fstat(part.fileno()).st_size
        if offset > request.size:
            part.truncate(offset := 0)
        check_room(path.parent, request.size - offset, self._place.free_bytes)
        connection.widen()
        if request.pieces and offset == 0 and (content := fetch_in_pieces(connection, self._place.store, request)):
            _write_all(part, content)
            os.fsync(part.fileno())
            return
        self._say(event="send", offset=offset)
        later = list(_NEEDED_LATER)
        while offset < request.size:
            while later and not connection.has_come():
                import_module(module := later.pop(0))
                if module == "edge.config":
                    self._check_labels(request)
            chunk = connection.read(request.size - offset)
            if not chunk:
                raise TransferError(
                    f"the connection was lost after {offset} of {request.size} bytes: push again, it goes on there"
                )
            _write_all(part, chunk)
            offset += len(chunk)
        os.fsync(part.fileno())

    def _check_labels(self, request: Push) -> None:
        """Refuse a model that can't be put to work here while it is still coming; its proof looks at all the rest."""
        from edge.models.fit import missing_labels

        if request.activate and request.labels:
            station = self._place.open_device().station
            if problems := missing_labels(request.labels.split(), station):
                raise BundleError(f"it does not fit station {station.name!r}: {'; '.join(problems)}. {LATER}")

    def _install(self, part: FileIO, path: Path, request: Push, device: Device) -> tuple[Evidence, Bundle, float]:
        """Prove what came and let it in; return also how many milliseconds the proof took."""
        from edge.bundle.archive import read_bundle
        from edge.models.install import let_in, prove

        try:
            part.seek(0)
            bundle = read_bundle(part.readall(), f"{request.digest[:12]}.sorter")
            if bundle.digest != request.digest:
                raise BundleError(
                    f"expected the file {request.digest[:12]}, got {bundle.digest[:12]}: "
                    "it changed on the way or while it was sent; push again"
                )
        except BundleError:
            path.unlink()  # it can't become right by sending more of it
            raise
        started_at = device.clock.now()
        # Whoever is gone waits for nothing: a model that takes its time would hold the place of a next try.
        prover = replace(device, client=self._connection.client)
        evidence = prove(bundle, prover, request.allow_downgrade, for_later=not request.activate)
        proving_ms = (device.clock.now() - started_at) / NS_PER_MS
        let_in(device, bundle, path, evidence)
        path.unlink()
        return evidence, bundle, proving_ms


def _write_all(part: FileIO, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[part.write(left) or 0 :]


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


def _status(device: Device, request: Status) -> dict[str, object]:
    from edge.models.fit import missing_labels

    digest = request.digest
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
        "received": _size(part),
        "misfits": "; ".join(missing_labels(request.labels.split(), device.station)) if request.labels else "",
    }


def _size(part: Path) -> int:
    with suppress(OSError):
        status = part.lstat()
        return status.st_size if stat.S_ISREG(status.st_mode) else 0
    return 0


def _result(evidence: Evidence, generation: Generation | None) -> dict[str, object]:
    return {
        "title": evidence.title,
        "digest": evidence.digest,
        "milliseconds": evidence.milliseconds,
        "active": generation is not None and generation.current == evidence.digest,
        "previous": None if generation is None else generation.previous,
        "generation": None if generation is None else generation.number,
    }
