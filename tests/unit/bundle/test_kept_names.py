"""The names of kept pictures are told from those that cameras and people give, in the same way by all that read them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.drawn_photos import draw_photo, write_photo

from edge.bundle.kept_names import is_by_chance, item_name, kept_item_of, look_names
from edge.labelling.pictures import PictureFolder


@pytest.mark.parametrize("number", [7, 99_999_999, 100_000_000])
@pytest.mark.parametrize("by_chance", [False, True])
def test_what_a_station_names_is_known_for_its_own_also_in_its_ninth_digit(
    tmp_path: Path, number: int, by_chance: bool
) -> None:
    item = item_name("0123456789abcdef", number, by_chance=by_chance)
    names = look_names(item, 3)
    assert [(kept_item_of(name), is_by_chance(name)) for name in names] == [(item, by_chance)] * 3
    for name in names:
        write_photo(tmp_path / name, draw_photo("disc", 1))
    assert list(PictureFolder(tmp_path).looks(names[1])) == names


@pytest.mark.parametrize("name", ["IMG-20261128-1.jpg", "item-1.jpg", "my-random.jpg", "IMG-20261128-random-1.jpg"])
def test_what_a_camera_or_a_person_names_is_no_kept_picture(name: str) -> None:
    assert (kept_item_of(name), is_by_chance(name)) == ("", False)
