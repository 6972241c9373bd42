"""What the journal names its pictures by is what the labelling page takes for looks at one item."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.drawn_photos import draw_photo, write_photo

from edge.journal.keeping.pictures import item_name, look_names
from edge.labelling.pictures import PictureFolder


@pytest.mark.parametrize("by_chance", [False, True])
def test_the_looks_that_a_station_keeps_of_an_item_belong_together(tmp_path: Path, by_chance: bool) -> None:
    kept = [look_names(item_name("0123456789abcdef", item, by_chance=by_chance), 3) for item in (7, 70_000)]
    for name in [name for looks in kept for name in looks]:
        write_photo(tmp_path / name, draw_photo("disc", 1))
    pictures = PictureFolder(tmp_path)
    assert [list(pictures.looks(looks[1])) for looks in kept] == kept
