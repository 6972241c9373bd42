"""The real receiver, killed or refused by the kernel at each of its system calls that changes the store.

The kernel does it for us through strace's fault injection: the N-th call of a kind kills the process, or fails as
on a full disk, and nothing of the program knows that it is tested.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import receiver
from support.receiver import Event
from support.stations import BIN, write_station

from edge.bundle.archive import read_bundle
from edge.models.store import ModelStore
from edge.models.verify import verify_store

pytestmark = pytest.mark.realtime

# Of the receiver alone: the process that proves the model changes nothing.
# Not opening: how often that is called before depends on how early the bytes come.
CHANGES = "mkdir,write,fsync,rename,renameat,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,chmod,ftruncate,flock"
NEEDS_ROOM = {"mkdir", "write", "fsync", "rename", "link", "symlink"}
# Taking it up again costs a second push; the store is looked at after every interruption.
RESUME_EVERY = 4
_CALL = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)")


@pytest.fixture
def clean(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Path:
    """A station with one model at work."""
    folder = tmp_path / "clean"
    folder.mkdir()
    station = write_station(folder, BIN, state_folder="state", inference={"allow_unsigned": True})
    assert receiver.push(station, tiny_bundle(version="1.0"))[-1]["active"]
    return folder


def copy_of(clean: Path, name: str) -> tuple[Path, ModelStore]:
    """A copy of the station, its file and its store."""
    folder = clean.with_name(name)
    shutil.copytree(clean, folder, symlinks=True)
    return folder / "station.toml", ModelStore(folder / "state" / "models")


def changing_calls(clean: Path, content: bytes) -> list[tuple[str, int]]:
    """The calls of one push that change the store, as (name, how many of that name before it, plus one)."""
    station, store = copy_of(clean, "watched")
    log = station.parent / "calls"
    receiver.push(station, content, ("strace", "-y", "-qq", "-o", str(log), "-e", f"trace={CHANGES}"))
    seen: Counter[str] = Counter()
    calls = []
    for line in log.read_text().splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        seen[match["name"]] += 1
        if str(store.folder) in match["arguments"]:
            calls.append((match["name"], seen[match["name"]]))
    return calls


def interrupt(clean: Path, content: bytes, call: tuple[str, int], how: str) -> tuple[ModelStore, Path, list[Event]]:
    name, number = call
    station, store = copy_of(clean, f"{name}-{number}")
    fault = (
        "strace",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        f"trace={name}",
        "-e",
        f"inject={name}:{how}:when={number}",
    )
    return store, station, receiver.push(station, content, fault)


def assert_whole(store: ModelStore, known: set[str]) -> None:
    generation = store.active()
    assert generation is not None
    assert generation.current in known
    assert verify_store(store) == []


@pytest.mark.parametrize("how", ["signal=SIGKILL", "error=ENOSPC"])
def test_at_every_call_the_store_stays_whole_and_the_next_push_succeeds(
    clean: Path, tiny_bundle: Callable[..., bytes], how: str
) -> None:
    first, second = tiny_bundle(version="1.0"), tiny_bundle(version="1.1")
    known = {read_bundle(content, "x").digest for content in (first, second)}
    calls = changing_calls(clean, second)
    assert len(calls) > 20
    if how.startswith("error"):
        calls = [call for call in calls if call[0] in NEEDS_ROOM]

    def one(number: int) -> Event | None:
        store, station, events = interrupt(clean, second, calls[number], how)
        assert_whole(store, known)
        if number % RESUME_EVERY == 0:
            assert receiver.push(station, second)[-1]["active"], calls[number]
            assert_whole(store, known)
        return events[-1] if events else None

    with ThreadPoolExecutor(2) as both:
        said = list(both.map(one, range(len(calls))))
    for call, last in zip(calls, said, strict=True):
        if how.startswith("error"):
            assert last is not None, call
            assert (last["event"], last["kind"]) == ("error", "StoreError"), call
            assert "No space left" in last["message"], call
        else:
            assert last is None or last["event"] in ("send", "stored"), call
