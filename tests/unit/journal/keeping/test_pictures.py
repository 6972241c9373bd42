"""The folder of kept pictures: looks at an item stay together, it is bounded, and what chance chose goes last."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.journal import photo

from edge.bundle.kept_names import item_name, item_of, look_names
from edge.bundle.pictures import encode_jpeg
from edge.journal.keeping.pictures import RANDOM_ROOM, Pictures
from edge.types import Image

LOOKS = [photo(1), photo(2)]
LOOK_BYTES = len(encode_jpeg(photo(1), 92))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def open_pictures(folder: Path, looks: int) -> Pictures:
    """Return a folder with room for about so many looks."""
    return Pictures(folder, int(LOOK_BYTES * 1.02 * looks), reserve_bytes=0)


@pytest.fixture
def folder(memory_folder: Path) -> Iterator[Path]:
    return memory_folder / "pictures"


def test_names_tell_item_look_and_chance() -> None:
    plain, chance = (item_name("0123456789abcdef", 7, by_chance=by_chance) for by_chance in (False, True))
    assert look_names(plain, 2) == ["89abcdef-00000007-1.jpg", "89abcdef-00000007-2.jpg"]
    assert look_names(chance, 1) == ["89abcdef-00000007-random-1.jpg"]
    assert {item_of(name) for name in look_names(plain, 3)} == {plain}
    assert item_of("89abcdef-00000007.jpg") == "89abcdef-00000007", "as an earlier version named it"


def test_all_looks_are_kept_as_they_were(folder: Path) -> None:
    looks: list[Image] = [np.full((20, 30, 3), (200, 100, blue), np.uint8) for blue in (10, 240)]
    assert open_pictures(folder, 10).keep("run-00000001", looks)
    assert names_in(folder) == ["run-00000001-1.jpg", "run-00000001-2.jpg"]
    for name, look in zip(names_in(folder), looks, strict=True):
        stored = cv2.imread(str(folder / name))
        assert stored is not None
        assert stored[..., ::-1] == pytest.approx(look, abs=3)


def test_an_item_goes_with_all_its_looks_the_oldest_first(folder: Path) -> None:
    pictures = open_pictures(folder, 5)
    for number in range(4):
        assert pictures.keep(f"run-{number}", LOOKS)
    assert names_in(folder) == ["run-2-1.jpg", "run-2-2.jpg", "run-3-1.jpg", "run-3-2.jpg"]


def test_what_chance_chose_goes_last_and_has_half_of_the_room(folder: Path) -> None:
    pictures = open_pictures(folder, 8)
    for number in range(10):
        pictures.keep(f"run-{number:02}-random", LOOKS[:1])
    assert len(names_in(folder)) == 8, "while nothing else wants the room"
    for number in range(10, 30):
        pictures.keep(f"run-{number:02}", LOOKS[:1])
    left = names_in(folder)
    assert [name for name in left if "random" in name] == [f"run-{n:02}-random-1.jpg" for n in range(6, 10)]
    assert [name for name in left if "random" not in name] == [f"run-{n}-1.jpg" for n in range(26, 30)]
    pictures.give_up_some()
    assert "run-26-1.jpg" not in names_in(folder)
    for _ in range(30):
        pictures.give_up_some()
    assert names_in(folder) == []


steps = st.lists(st.tuples(st.booleans(), st.integers(1, 3), st.booleans()), max_size=25)


@settings(max_examples=40, deadline=None)
@given(steps, st.integers(1, 8))
def test_the_room_is_never_exceeded_no_item_is_torn_and_a_restart_is_not_noticed(
    stream: list[tuple[bool, int, bool]], room: int
) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        folder = Path(place) / "pictures"
        pictures = open_pictures(folder, room)
        expected: dict[str, int] = {}
        for number, (by_chance, looks, restart) in enumerate(stream, start=1):
            item = item_name("run", number, by_chance=by_chance)
            if restart and folder.exists():
                _age(folder)
                pictures = open_pictures(folder, room)
            kept = pictures.keep(item, [photo(n) for n in range(looks)])
            assert kept == (looks <= room)
            expected |= {item: looks} if kept else {}
            there = list(folder.iterdir()) if folder.exists() else []
            assert sum(path.stat().st_size for path in there) <= pictures.max_bytes
            found = [item_of(path.name) for path in there]
            assert {one: found.count(one) for one in found} == {one: expected[one] for one in found}
            assert not kept or item in found
            random = sum(path.stat().st_size for path in there if "random" in path.name)
            dropped = [one for one in expected if "random" in one and one not in found]
            assert not dropped or random + 3 * LOOK_BYTES * 1.02 > RANDOM_ROOM * pictures.max_bytes


def _age(folder: Path) -> None:
    """Date the files by their items' numbers: a fast test writes many within one tick of the file system's clock."""
    for path in folder.iterdir():
        number = int(path.name.split("-")[1])
        os.utime(path, (number, number))


def test_what_a_power_cut_left_is_looked_up_again(folder: Path) -> None:
    folder.mkdir()
    for name, content in {"a-1.jpg": b"x" * 10, "a-2.jpg": b"", "b.jpg": b"y" * 10, "c.txt": b""}.items():
        (folder / name).write_bytes(content)
    (folder / "d-1.jpg").mkdir()
    assert open_pictures(folder, 3).keep("e", LOOKS)
    assert names_in(folder) == ["a-1.jpg", "b.jpg", "c.txt", "d-1.jpg", "e-1.jpg", "e-2.jpg"]


def test_files_that_a_person_removed_cost_nothing(folder: Path) -> None:
    pictures = open_pictures(folder, 4)
    assert pictures.keep("a", LOOKS)
    for path in folder.iterdir():
        path.unlink()
    for item in ("b", "c", "d"):
        assert pictures.keep(item, LOOKS)
    assert names_in(folder) == ["c-1.jpg", "c-2.jpg", "d-1.jpg", "d-2.jpg"]


def test_an_item_of_which_one_look_can_not_be_written_is_not_kept_at_all(folder: Path) -> None:
    (folder / "a-2.jpg").mkdir(parents=True)
    pictures = open_pictures(folder, 10)
    assert not pictures.keep("a", LOOKS)
    assert names_in(folder) == ["a-2.jpg"]
    assert pictures.keep("b", LOOKS)


def test_pictures_leave_room_on_the_disk(memory_folder: Path) -> None:
    assert Pictures(memory_folder / "a", 10**6, reserve_bytes=0).keep("1", LOOKS)
    assert not Pictures(memory_folder / "b", 10**6, reserve_bytes=10**18).keep("1", LOOKS)


def test_what_is_larger_than_all_the_room_drops_nothing(folder: Path) -> None:
    pictures = open_pictures(folder, 2)
    assert pictures.keep("a", LOOKS)
    large: Image = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    assert not pictures.keep("b", [large])
    assert names_in(folder) == ["a-1.jpg", "a-2.jpg"]
