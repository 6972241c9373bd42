"""What the network is shown of the pictures that a station is taught with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from support.taught import headed_bundle

from edge.bundle.archive import Bundle
from edge.bundle.pictures import encode_png
from edge.bundle.preprocess import TURNS, turned
from edge.inference.interpreter import open_interpreter
from edge.teaching.pictures import find_in_folders, look
from edge.types import Image


def striped(bundle: Bundle, first: int) -> Image:
    """A picture that looks otherwise in each turn."""
    side = bundle.manifest.geometry.width
    picture = np.zeros((side, side, 3), np.uint8)
    picture[: side // 2, :, 0], picture[:, : side // 2, 2] = first, 200
    picture[: side // 4, : side // 4] = 250
    return picture


def features(bundle: Bundle, picture: Image, turns: list[int]) -> list[list[int]]:
    interpreter = open_interpreter(bundle)
    return [interpreter.run(turned(picture, turn)).tolist() for turn in turns]


def test_the_looks_at_an_item_are_turned_as_the_station_turns_them(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    bundle = headed_bundle(tiny_bundle)
    looks = [striped(bundle, first) for first in (60, 120, 180)]
    (tmp_path / "paper").mkdir()
    for number, picture in enumerate(looks, 1):
        (tmp_path / "paper" / f"20261128T000000Z-0001-{number}.png").write_bytes(encode_png(picture))
    (tmp_path / "paper" / "somebodys.png").write_bytes(encode_png(looks[2]))
    lessons = look(bundle, open_interpreter(bundle), find_in_folders(tmp_path), lambda _: None).lessons
    assert lessons.turned is not None
    assert lessons.turns == TURNS - 1
    for number, picture in enumerate(looks):
        own = [lessons.codes[number].tolist(), *lessons.turned[:, number].tolist()]
        assert own == features(bundle, picture, [number, number + 1, number + 2, number + 3])
    assert lessons.codes[3].tolist() == features(bundle, looks[2], [0])[0]
    assert lessons.count(lessons.labels.index("paper"))[1] == len(looks) + 1
