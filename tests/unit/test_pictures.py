"""The pictures of pages in the documentation are those of today: `make pictures` takes them anew."""

from __future__ import annotations

import pytest
from PIL import Image
from support.paths import ROOT

from generate.pictures import IMAGES, SHOWS, stamp


def test_every_picture_is_taken_by_the_script() -> None:
    taken = {path.name for path in IMAGES.iterdir() if path.suffix != ".svg"}
    assert taken == set(SHOWS)
    script = (ROOT / "docs" / "screenshots.py").read_text("utf-8")
    assert [name for name in SHOWS if f'"{name}"' not in script] == []


@pytest.mark.parametrize("name", SHOWS)
def test_no_picture_is_stale(name: str) -> None:
    with Image.open(IMAGES / name) as picture:
        assert picture.info.get("comment", b"").decode() == stamp(name), "run `make pictures`"
