"""What a station was shown: kept item by item, taken back, forgotten, and read again as pictures to learn from."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge.errors import TeachingError
from edge.teaching.pictures import find_in_folders
from edge.teaching.shown import ShownItems

STAMP = "20261128T022459Z"
LABELS = ("plastic", "tetra", "none-of-these")


def picture(grey: int = 100, size: int = 8) -> np.ndarray:
    return np.random.default_rng(grey).integers(0, 256, (size, size, 3), np.uint8)


@contextmanager
def no_file_longer_than(bytes_: int) -> Iterator[None]:
    """The disk refuses more, as a full one does; Python leaves the signal alone."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


keeping = st.tuples(st.just("keep"), st.sampled_from(LABELS), st.integers(1, 3))
taking_back = st.tuples(st.just("take back"), st.sampled_from(LABELS), st.integers(0, 5))
forgetting = st.tuples(st.just("forget"), st.sampled_from(LABELS), st.just(0))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(keeping, taking_back, forgetting), max_size=12))
def test_what_is_there_is_what_was_shown_and_neither_taken_back_nor_forgotten(
    memory_folder: Path, steps: list[tuple[str, str, int]]
) -> None:
    state, known = Path(tempfile.mkdtemp(dir=memory_folder)), dict[str, dict[str, int]]()
    for step, label, number in steps:
        shown, own = ShownItems(state), known.setdefault(label, {})
        if step == "keep":
            own[shown.keep(label, STAMP, [picture()] * number)] = number
        elif step == "take back" and number < len(own):
            item = sorted(own)[number]
            shown.take_back(label, item)
            del own[item]
        elif step == "forget" and own:
            shown.forget(label)
            own.clear()
    told = ShownItems(state).labels()
    assert {name: (one.items, one.pictures) for name, one in told.items()} == {
        label: (len(own), sum(own.values())) for label, own in known.items() if own
    }


def test_they_are_plain_pictures_that_can_be_taught_from_as_a_folder_with_their_items_known(tmp_path: Path) -> None:
    shown = ShownItems(tmp_path)
    looks = [picture(1), picture(2)]
    first, second = shown.keep("tetra", STAMP, looks), shown.keep("tetra", STAMP, [picture(3)])
    shown.keep("none-of-these", STAMP, [picture(4)])
    found = find_in_folders(shown.folder)
    assert [(one.label, one.item) for one in found if one.label] == [
        ("tetra", first),
        ("tetra", first),
        ("tetra", second),
    ]
    assert [one.label for one in found if not one.label] == [""]
    read = cv2.cvtColor(cv2.imread(str(found[-1].path)), cv2.COLOR_BGR2RGB)
    assert np.array_equal(read, picture(3))


def test_pictures_of_other_origin_do_not_say_which_item_they_show(tmp_path: Path) -> None:
    for name in ("bottle-1.png", "bottle-2.png", "20261128-1.png"):
        (tmp_path / "plastic").mkdir(exist_ok=True)
        assert cv2.imwrite(str(tmp_path / "plastic" / name), picture())
    assert [one.item for one in find_in_folders(tmp_path)] == ["", "", ""]


def test_an_item_that_the_disk_does_not_take_whole_is_not_there_at_all(tmp_path: Path) -> None:
    shown = ShownItems(tmp_path)
    shown.keep("plastic", STAMP, [picture()])
    with (
        no_file_longer_than(2000),
        pytest.raises(TeachingError, match=r"plastic: pictures can't be written \(File too"),
    ):
        shown.keep("plastic", STAMP, [picture(), picture(size=64)])
    assert [path.name for path in (shown.folder / "plastic").iterdir()] == [f"{STAMP}-0001-1.png"]
    assert shown.keep("plastic", STAMP, [picture()]) == f"{STAMP}-0002"


def test_something_else_in_a_folders_place_is_named(tmp_path: Path) -> None:
    shown = ShownItems(tmp_path)
    shown.folder.mkdir(parents=True)
    (shown.folder / "plastic").write_text("not a folder")
    with pytest.raises(TeachingError, match=r"plastic: pictures can't be written"):
        shown.keep("plastic", STAMP, [picture()])


def test_forgetting_what_was_never_shown_says_what_was(tmp_path: Path) -> None:
    shown = ShownItems(tmp_path)
    with pytest.raises(TeachingError, match="'tetra': nothing of it was shown here; shown was: nothing"):
        shown.forget("tetra")
    shown.keep("plastic", STAMP, [picture()])
    with pytest.raises(TeachingError, match="shown was: plastic"):
        shown.forget("../plastic")


def test_when_a_label_was_shown_first_and_last_is_told(tmp_path: Path) -> None:
    shown = ShownItems(tmp_path)
    shown.keep("plastic", STAMP, [picture()])
    shown.keep("plastic", "20261129T110000Z", [picture()])
    assert vars(shown.labels()["plastic"]) == {
        "items": 2, "pictures": 2, "first": "2026-11-28 02:24", "last": "2026-11-29 11:00",
    }  # fmt: skip
