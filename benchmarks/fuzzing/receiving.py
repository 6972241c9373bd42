"""The protocol of `sorter receive`: whatever a client says, slowly, in pieces or half, on a clock that is no real one."""

from __future__ import annotations

import copy
import fcntl
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from edge.bundle.archive import read_bundle
from edge.clock import NS_PER_S, VirtualClock
from edge.config import load_station
from edge.models.install import open_device
from edge.models.records import Evidence
from edge.models.select import open_store
from edge.models.verify import verify_store
from edge.tools.receive import connection
from edge.tools.receive.session import Place, serve
from fuzzing.case import WORDS, Case, mutate, mutate_value
from fuzzing.examples import STATION, small_bundle
from fuzzing.journals import record

MOST_SAID = (1 << 20) - 4096  # what a pipe holds, so that nobody waits for a client
SILENCE_S = 0.02  # of real time, for a client that says no more but stays
LAST_EVENTS = ("done", "error", "status")
NUMBERS = ("1e999", "-1", "9" * 5000, "NaN", "true", "0.5", '"1"', "67108865", "[1]")


class Pieces(FileIO):
    """A client's bytes, a few at a time."""

    most = 1 << 20

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, self.most) if size and size > 0 else size) or b""


class SlowClient(VirtualClock):
    """Time passes at each look at the clock, so at each wait for the client."""

    def __init__(self, step_s: float) -> None:
        super().__init__()
        self._step = round(step_s * NS_PER_S)

    def now(self) -> int:
        self.advance_to(super().now() + self._step)
        return super().now()


@dataclass(frozen=True)
class Talk:
    """What a client says, and how."""

    said: bytes
    piece: int = 1 << 20
    step_s: float = 0.0
    stays: bool = False
    listens: str = "to all"


def receive(folder: Path) -> Callable[[Case], None]:
    """Each talk ends with an answer or with the client's end; the store is whole afterwards, and no file stays open."""
    connection.SILENCE_S = SILENCE_S  # type: ignore[assignment]
    whole, station, installed, coming = (
        folder / "whole",
        folder / "whole" / "station.toml",
        small_bundle(),
        small_bundle("2.0"),
    )
    whole.mkdir()
    station.write_text(STATION)
    record(make_state(station))
    install(station, installed)

    def run(case: Case) -> None:
        place = case.folder / "station"
        shutil.copytree(whole, place, symlinks=True)
        store = place / "state" / "models"
        digest = read_bundle(coming, "coming").digest
        if case.chance.random() < 0.3:
            begun = coming[: case.chance.randrange(len(coming))]
            (store / "incoming" / f"{digest}.part").write_bytes(case.chance.choice((begun, mutate(begun, case.chance))))
        hear(place / "station.toml", _talk(case.chance, coming, read_bundle(installed, "installed").digest))
        problems = verify_store(open_store(load_station(place / "station.toml")))
        assert not problems, f"the store is damaged: {problems}"
        for part in (store / "incoming").iterdir():
            assert part.stat().st_size <= len(coming), f"{part.name} has grown to {part.stat().st_size} bytes"

    return run


def make_state(station: Path) -> Path:
    """The station's state folder, which is made."""
    state = load_station(station).state_folder
    state.mkdir()
    return state


def install(station: Path, content: bytes) -> None:
    """Let a model into the station's store and put it to work, without its proof."""
    store, bundle = open_store(load_station(station)), read_bundle(content, "installed")
    manifest = bundle.manifest
    evidence = Evidence(
        digest=bundle.digest, title=manifest.title, name=manifest.name, version=manifest.version, labels=bundle.labels,
        size=bundle.size, signer=None, milliseconds=1.0, golden_steps=0, runtime="none", installed="2026-11-01T10:00:00Z",
    )  # fmt: skip
    store.add(content, evidence)
    store.activate(bundle.digest, "installed", "2026-11-01T10:00:00Z")


def hear(station: Path, talk: Talk) -> list[dict[str, Any]]:
    """Let the device's end of a push hear a talk; return what it said."""
    store, before = load_station(station).state_folder / "models", _open_files()
    with ExitStack() as opened:
        reader_fd, client_fd = os.pipe()
        reader = opened.enter_context(Pieces(reader_fd, "rb"))
        client = opened.enter_context(FileIO(client_fd, "wb"))
        fcntl.fcntl(client, fcntl.F_SETPIPE_SZ, 1 << 20)
        reader.most = talk.piece
        client.write(talk.said[:MOST_SAID])
        if not talk.stays:
            client.close()
        writer, heard = _ears(talk.listens, opened)
        code = serve(reader, writer, Place(store, SlowClient(talk.step_s), lambda: open_device(station)))
        events = _events(heard)
    assert _open_files() == before, f"open before: {before}; now: {_open_files()}"
    if talk.listens == "to all":
        assert events, "no answer"
        assert events[-1]["event"] in LAST_EVENTS or code, f"{events[-1]} was the last word"
        assert (events[-1]["event"] == "error") == bool(code), f"exit code {code} after {events[-1]}"
    return events


def _ears(listens: str, opened: ExitStack) -> tuple[FileIO, io.BufferedIOBase | None]:
    if listens == "to all":
        writer_fd = os.memfd_create("heard")
        writer = opened.enter_context(FileIO(writer_fd, "wb"))
        return writer, opened.enter_context(Path(f"/proc/self/fd/{writer_fd}").open("rb"))
    ear_fd, writer_fd = os.pipe()
    ear = opened.enter_context(FileIO(ear_fd, "rb"))
    if listens == "to nothing":
        ear.close()
    return opened.enter_context(FileIO(writer_fd, "wb")), None


def _events(heard: io.BufferedIOBase | None) -> list[dict[str, Any]]:
    """What was said; what is sent between events has no end of line."""
    lines = [] if heard is None else heard.read().splitlines()
    return [json.loads(line[line.index(b'{"event"') :]) for line in lines if b'{"event"' in line]


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _talk(chance: random.Random, coming: bytes, installed: str) -> Talk:
    match chance.randrange(6):
        case 0:
            said = chance.randbytes(chance.choice((0, 1, 60, 70_000))) + chance.choice((b"", b"\n"))
        case 1 | 2:
            said = _line(_request(chance, coming, installed), chance) + mutate(coming, chance)
        case 3:
            content = chance.choice(
                (coming, coming, coming[: chance.randrange(len(coming))], coming + b"more", coming[1:])
            )
            said = json.dumps(push_request(coming)).encode() + b"\n" + content
        case 4:
            said = _line(pull_request(chance.choice((0, 7, 1 << 40))), chance) + _wanted(chance)
        case _:
            said = mutate(json.dumps(_request(chance, coming, installed)).encode() + b"\n" + _wanted(chance), chance)
    return Talk(
        said,
        piece=chance.choice((1, 7, 4096, 1 << 20)) if len(said) < 5000 else chance.choice((997, 1 << 20)),
        step_s=chance.choice((0.0, 0.0, 0.0001, 0.3, 29.0, 31.0)),
        stays=chance.random() < 0.2,
        listens=chance.choice(("to all",) * 8 + ("to nothing", "not at all")),
    )


def push_request(content: bytes, **other: object) -> dict[str, Any]:
    """What `sorter push` asks for."""
    digest = read_bundle(content, "coming").digest
    return {
        "protocol": 1,
        "ask": "push",
        "digest": digest,
        "size": len(content),
        "labels": "paper glass metal",
        **other,
    }


def pull_request(items: int = 0) -> dict[str, Any]:
    """What `sorter pull` asks for, the first time if it has no items."""
    return {"protocol": 1, "ask": "pull", "items": items, "events": items, "run": "9f" if items else ""}


def _request(chance: random.Random, coming: bytes, installed: str) -> dict[str, Any]:
    wishes = {name: chance.choice((True, False, "true", None)) for name in ("activate", "probation", "allow_downgrade")}
    return chance.choice(
        (
            push_request(coming, **wishes),
            push_request(coming, digest=installed),
            push_request(coming, digest=chance.choice(("0" * 64, "../../etc", "0" * 63 + "\n", "A" * 64))),
            {"protocol": 1, "ask": "status", "digest": installed, "labels": "paper glass metal"},
            pull_request(),
        )
    )


def _line(request: dict[str, Any], chance: random.Random) -> bytes:
    """A request as one line of JSON, whole or not quite."""
    request, key = copy.deepcopy(request), chance.choice(list(request))
    whole = json.dumps(request)
    match chance.randrange(6):
        case 0:
            mutate_value(request, chance)
            text = json.dumps(request)
        case 1:
            text = whole.replace(json.dumps(request[key]), chance.choice(NUMBERS), 1)
        case 2:
            text = whole.replace(json.dumps(request[key]), chance.choice(("[" * 900 + "]" * 900, "[" * 60_000)), 1)
        case 3:
            key = chance.choice([name for name, value in request.items() if isinstance(value, str)])
            text = json.dumps({**request, key: chance.choice(("\ud800", "\udfff", "\x1b[2J", "x" * 70_000))})
        case 4:
            text = whole[:-1] + f", {json.dumps(key)}: 7}}"  # twice
        case _:
            text = whole
    return text.encode() + chance.choice((b"\n", b"\n", b"\r\n", b"", b"\n\n"))


def _wanted(chance: random.Random) -> bytes:
    """The list of files that a pull wants, after its size."""
    paths: Any = ["calibration.toml", "../station.toml", "/etc/passwd", "pictures/*", "", 5, None, "\ud800", "x" * 5000]
    content = json.dumps(chance.sample(paths, chance.randint(0, 5))).encode()
    if chance.random() < 0.5:
        content = chance.choice((mutate(content, chance), b"[" * 60_000, b'{"a": 1}', chance.choice(WORDS)))
    size = chance.choice((len(content), len(content), len(content) + 1, 0, 8 << 20, 9 << 20, -1))
    return json.dumps({"size": size}).encode() + b"\n" + content
