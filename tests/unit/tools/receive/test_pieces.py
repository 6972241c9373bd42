"""A push in pieces: what a device holds is not sent, and what does not make the announced file is refused whole."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stations import BIN, station_in
from support.taught import headed_bundle, taught_bundle

from edge.bundle.archive import Bundle, bundle_bytes
from edge.clock import VirtualClock
from edge.config import Station
from edge.errors import TransferError
from edge.inference.classifier import open_shipped_bundle
from edge.models.install import Device, prove
from edge.models.store import ModelStore
from edge.models.trust import Trust
from edge.models.verify import verify_store
from edge.tools.receive.pieces import (
    LARGEST_REST,
    PIECE,
    Piece,
    Recipe,
    checked_recipe,
    cut,
    digest_of,
    held_in,
    models_here,
    numbered,
    packed,
    put_together,
    recipe_for,
)
from edge.tools.receive.session import Place, serve


@pytest.fixture
def base(tiny_bundle: Callable[..., bytes]) -> Bundle:
    """As in a real one, its golden pictures are most of it."""
    return headed_bundle(tiny_bundle, golden=60)


@pytest.fixture
def device(tmp_path: Path, base: Bundle) -> Device:
    station: Station = station_in(tmp_path, BIN, inference={"allow_unsigned": True})
    device = Device(ModelStore(tmp_path / "store"), station, Trust(allow_unsigned=True), VirtualClock())
    device.store.add(bundle_bytes(base), prove(base, device))
    return device


@given(st.binary(max_size=3 * PIECE) | st.binary(max_size=200).map(lambda rest: b"PK\x03\x04" + rest))
def test_pieces_are_all_of_whatever_is_cut(content: bytes) -> None:
    assert b"".join(content[start:end] for start, end in cut(content)) == content
    assert all(start < end for start, end in cut(content))


def test_a_head_comes_in_a_fraction_of_its_bytes(tmp_path: Path, base: Bundle) -> None:
    (tmp_path / "base").write_bytes(bundle_bytes(base))
    content = bundle_bytes(taught_bundle(base, ("cup", "glass", "metal", "tetra")))
    held = held_in([tmp_path / "base"])
    found = recipe_for(content, numbers(held))
    assert found is not None
    recipe, rest = found
    assert len(rest) + len(packed(recipe)) < len(content) / 5
    pieces = list(held.values())
    assert checked_recipe(json.loads(packed(recipe)), pieces, len(content), len(rest)) == recipe
    assert put_together(recipe, pieces, rest, hashlib.sha256(content).hexdigest()) == content


def numbers(held: dict[str, Piece]) -> dict[str, int]:
    """As a workstation has them from what a device sent."""
    return numbered(b"".join(map(bytes.fromhex, held)))


def test_another_model_and_a_rest_that_could_not_go_on_are_sent_whole(base: Bundle) -> None:
    content = bundle_bytes(base)
    assert recipe_for(content, {}) is None
    padded = content + random.Random(1).randbytes(4 * LARGEST_REST)
    digests = [digest_of(padded[start:end]) for start, end in cut(padded)]
    many = 2 * LARGEST_REST // PIECE
    assert recipe_for(padded, dict.fromkeys(digests[: many + 9], 0)) is None
    assert recipe_for(padded, dict.fromkeys(digests[:-9], 0)) is not None


def test_the_models_at_work_and_before_and_the_shipped_one_are_looked_at_first(device: Device, base: Bundle) -> None:
    first, second = list(models_here(device.store.folder))
    assert [open_shipped_bundle().source, str(device.store.bundle_path(base.digest))] == [str(first), str(second)]
    device.store.activate(base.digest, "", "")
    assert next(models_here(device.store.folder)) == device.store.bundle_path(base.digest)


def talk(device: Device, bundle: Bundle, answer: bytes) -> list[dict[str, Any]]:
    """A push of the bundle that answers the device's offer with these bytes; the events that came back."""
    folder = device.store.folder.parent
    request = {"protocol": 1, "ask": "push", "digest": bundle.digest, "size": bundle.size, "pieces": True}
    (folder / "in").write_bytes(json.dumps(request).encode() + b"\n" + answer)
    with (folder / "in").open("rb", buffering=0) as reader, (folder / "out").open("wb", buffering=0) as writer:
        serve(reader, writer, Place(device.store.folder, device.clock, lambda: device, lambda _: 1 << 30))
    said = (folder / "out").read_bytes()
    lines = [line for line in said.splitlines() if b'{"event"' in line]
    return [json.loads(line[line.index(b'{"event"') :]) for line in lines]


def in_pieces(recipe: Recipe, rest: bytes) -> bytes:
    return json.dumps({"recipe": len(packed(recipe)), "size": len(rest)}).encode() + b"\n" + packed(recipe) + rest


def recipe_at(device: Device, bundle: Bundle) -> tuple[Recipe, bytes]:
    found = recipe_for(bundle_bytes(bundle), numbers(held_in(models_here(device.store.folder))))
    assert found is not None
    return found


def test_a_head_is_put_together_proven_and_goes_to_work(device: Device, base: Bundle) -> None:
    taught = taught_bundle(base)
    events = talk(device, taught, in_pieces(*recipe_at(device, taught)))
    assert [event["event"] for event in events] == ["held", "stored", "done"]
    assert events[-1]["active"]
    assert device.store.open(taught.digest).members == taught.members
    assert verify_store(device.store) == []


def test_a_workstation_that_would_rather_send_all_is_asked_for_all(device: Device, base: Bundle) -> None:
    taught = taught_bundle(base)
    events = talk(device, taught, b'{"recipe": 0, "size": 0}\n' + bundle_bytes(taught))
    assert [event["event"] for event in events] == ["held", "send", "stored", "done"]


def test_what_came_of_the_whole_file_before_goes_on_as_a_file(device: Device, base: Bundle) -> None:
    taught = taught_bundle(base)
    content = bundle_bytes(taught)
    with device.store.locked():
        (device.store.folder / "incoming" / f"{taught.digest}.part").write_bytes(content[:1000])
    events = talk(device, taught, content[1000:])
    assert (events[0], events[-1]["event"]) == ({"event": "send", "offset": 1000}, "done")


Change = Callable[[Recipe, bytes], bytes]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda recipe, rest: in_pieces([10_000, *recipe[1:]], rest), "expected a list of the pieces that are here"),
        (lambda recipe, rest: in_pieces([*recipe, -1], rest + b"x"), "expected pieces that make"),
        (lambda recipe, rest: in_pieces(recipe, rest + b"x"), "expected pieces that make"),
        (lambda recipe, rest: in_pieces(recipe[::-1], rest), "don't make the file"),
        (lambda recipe, rest: in_pieces(recipe, rest[:-1] + b"\xff"), "don't make the file"),
        (lambda recipe, rest: in_pieces(recipe, rest)[:-1], "the connection was lost after"),
        (lambda recipe, rest: in_pieces([-(1 << 80), *recipe], rest), "expected a list of the pieces that are here"),
        (lambda recipe, rest: in_pieces([True, *recipe], rest), "expected a list of the pieces that are here"),
        (lambda recipe, rest: in_pieces([1 << 80], rest), "expected a list of the pieces that are here"),
        (lambda recipe, rest: in_pieces([-1] * 100_000, b"x" * 100_000), "expected a list of the pieces that are here"),
        (lambda recipe, rest: in_pieces([["a"]], rest), "expected a list of the pieces that are here"),  # type: ignore[list-item]
        (lambda recipe, rest: b'{"recipe": 8, "size": 0}\n[[[[[[[[', "expected a list of the pieces that are here"),
        (lambda recipe, rest: b'{"recipe": 2, "size": 0}\n{}', "expected a list of the pieces that are here"),
        (lambda recipe, rest: b'{"recipe": 99999999, "size": 0}\n', "expected recipe to be a number"),
        (lambda recipe, rest: b'{"recipe": 2, "size": 99999999}\n', "expected size to be a number"),
        (lambda recipe, rest: b'{"recipe": "2"}\n', "expected recipe to be a number"),
        (lambda recipe, rest: b"\xff\n", "expected one request"),
        (lambda recipe, rest: b"", "expected one request"),
    ],
)
def test_pieces_that_are_wrong_are_refused_and_nothing_of_them_stays(
    device: Device, base: Bundle, change: Change, said: str
) -> None:
    taught = taught_bundle(base)
    events = talk(device, taught, change(*recipe_at(device, taught)))
    assert [event["event"] for event in events] == ["held", "error"]
    assert said in events[-1]["message"]
    assert not device.store.holds(taught.digest)
    assert list((device.store.folder / "incoming").iterdir()) == []
    assert talk(device, taught, in_pieces(*recipe_at(device, taught)))[-1]["event"] == "done"


def test_a_model_that_was_damaged_on_the_disk_is_not_built_upon(device: Device, base: Bundle, tmp_path: Path) -> None:
    taught = taught_bundle(base)
    content = bundle_bytes(taught)
    (tmp_path / "copy").write_bytes(bundle_bytes(base))
    held = held_in([tmp_path / "copy"])
    found = recipe_for(content, numbers(held))
    assert found is not None
    pieces = list(held.values())
    (tmp_path / "copy").write_bytes(bytes(base.size))
    with pytest.raises(TransferError, match="don't make the file"):
        put_together(found[0], pieces, found[1], taught.digest)
    (tmp_path / "copy").unlink()
    with pytest.raises(TransferError, match="don't make the file"):
        put_together(found[0], pieces, found[1], taught.digest)
