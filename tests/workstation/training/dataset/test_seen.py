"""What a network learnt from, as a run and a bundle keep it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import ConfigError
from edge.inference.classifier import open_shipped_bundle
from edge.simulate.render.photo_stock import SHIPPED
from training.dataset.photos import LabelledPhoto
from training.dataset.seen import DIGEST_BYTES, Counts, Seen, load_seen, read_seen

DIGESTS = st.frozensets(st.binary(min_size=DIGEST_BYTES, max_size=DIGEST_BYTES), max_size=20)


def photos(folder: Path, names: str) -> list[LabelledPhoto]:
    found = []
    for name in names:
        (folder / name).write_bytes(name.encode())
        found.append(LabelledPhoto(folder / name, "paper", name))
    return found


@given(DIGESTS, DIGESTS)
def test_what_is_written_is_read_again(training: frozenset[bytes], validation: frozenset[bytes]) -> None:
    seen = Seen(training, validation)
    assert Seen.from_tree(seen.as_tree(), "x") == seen


def test_photos_are_known_by_their_content_wherever_they_lie(tmp_path: Path) -> None:
    seen = Seen.of(photos(tmp_path, "abc"), photos(tmp_path, "cd"))
    (tmp_path / "elsewhere").mkdir()
    moved = photos(tmp_path / "elsewhere", "bde")
    fresh, counts = seen.split(moved)
    assert [photo.name for photo in fresh] == ["d", "e"]
    assert counts == Counts(training=1, validation=1)


def test_a_run_keeps_it_and_an_old_run_does_not_know(tmp_path: Path) -> None:
    assert load_seen(tmp_path) is None
    seen = Seen.of(photos(tmp_path, "ab"), photos(tmp_path, "c"))
    seen.save(tmp_path)
    assert load_seen(tmp_path) == seen


@pytest.mark.parametrize(
    "report",
    [b"no json", b'{"seen": 1}', b'{"seen": {"training": "AAAA"}}', b'{"seen": {"training": "A", "validation": ""}}'],
)
def test_a_damaged_list_is_named(report: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^tiny: its .* is damaged"):
        read_seen(report, "tiny")


def test_no_photo_that_ships_trained_the_model_that_ships() -> None:
    bundle = open_shipped_bundle()
    seen = read_seen(bundle.members["report.json"], bundle.source)
    assert seen is not None
    assert len(seen.training) > 2000
    shipped = [LabelledPhoto(path, path.parent.name, path.name) for path in sorted(SHIPPED.glob("*/*.jpg"))]
    assert len(shipped) > 50
    assert seen.split(shipped)[1].training == 0


def test_a_report_that_says_nothing_of_it_is_no_damage() -> None:
    assert read_seen(None, "tiny") is None
    assert read_seen(b'{"int8": {}}', "tiny") is None
