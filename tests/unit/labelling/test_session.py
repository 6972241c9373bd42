"""One person's way through a folder: what comes next, undo, several people at once, and files that mean no good."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from support.drawn_photos import draw_photo, write_photo

from edge.bundle.archive import read_bundle
from edge.bundle.photo import PhotoError
from edge.clock import NS_PER_S, VirtualClock
from edge.inference.classifier import BundleClassifier
from edge.labelling.labels import NONE_OF_THESE, LabelsError, read_labels
from edge.labelling.pictures import PictureFolder
from edge.labelling.proposals import Proposals
from edge.labelling.session import LabellingSession

LABELS = ("disc", "square")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve photos: even numbers are discs, odd ones squares."""
    for number in range(12):
        write_photo(tmp_path / f"item-{number}.png", draw_photo(LABELS[number % 2], number))
    return tmp_path


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def begin(folder: Path, clock: VirtualClock, by: str = "anna", labels: tuple[str, ...] = LABELS) -> LabellingSession:
    return LabellingSession(Proposals(PictureFolder(folder)), by, labels, clock)


def go_through(session: LabellingSession, count: int) -> list[str]:
    """Label the next pictures one after the other, rightly; return them."""
    done: list[str] = []
    for _ in range(count):
        name = session.next_after(done[-1] if done else None)
        assert name is not None
        session.label([name], truth(name))
        done.append(name)
    return done


def look_at_all(session: LabellingSession) -> None:
    """As the page does in the background."""
    while (name := session.next_to_look_at()) is not None:
        look_at(session, name)


def look_at(session: LabellingSession, *names: str) -> None:
    for name in names:
        session.proposals.take_in(name, session.proposals.look_at(name))


def truth(name: str) -> str:
    return LABELS[int("".join(filter(str.isdecimal, name))) % 2]


def later(clock: VirtualClock) -> None:
    clock.advance_to(clock.now() + 2 * NS_PER_S)


def said(folder: Path) -> dict[str, str]:
    return {name: entry.label for name, entry in read_labels(folder).entries.items()}


def test_pictures_come_in_the_order_of_their_numbers_each_once(folder: Path, clock: VirtualClock) -> None:
    session = begin(folder, clock)
    assert go_through(session, 12) == [f"item-{number}.png" for number in range(12)]
    assert session.next_after(None) is None
    assert said(folder) == {f"item-{number}.png": LABELS[number % 2] for number in range(12)}


def test_who_comes_back_goes_on_where_they_stopped(folder: Path, clock: VirtualClock) -> None:
    go_through(begin(folder, clock), 5)
    again = begin(folder, clock)
    assert again.next_after(None) == "item-5.png"
    assert (again.progress().labelled, again.progress().mine, again.progress().total) == (5, 5, 12)


def test_a_picture_left_for_later_comes_again_at_the_end(folder: Path, clock: VirtualClock) -> None:
    session = begin(folder, clock)
    session.label([name for name in session.pictures.names if name != "item-3.png"], "disc")
    assert session.next_after("item-3.png") == "item-3.png"


def test_undo_goes_back_label_by_label_also_of_many(folder: Path, clock: VirtualClock) -> None:
    session = begin(folder, clock)
    session.label(["item-0.png"], "disc")
    session.label(["item-0.png", "item-1.png"], "square")
    assert session.undo() == ["item-0.png", "item-1.png"]
    assert said(folder) == {"item-0.png": "disc"}
    assert session.undo() == ["item-0.png"]
    assert said(folder) == {}
    assert (session.undo(), session.can_undo) == ([], False)


def test_two_people_at_once_begin_apart_and_lose_nothing(folder: Path, clock: VirtualClock) -> None:
    anna = begin(folder, clock, "anna")
    ben = begin(folder, clock, "ben")
    assert (anna.next_after(None), ben.next_after(None)) == ("item-0.png", "item-6.png")
    names: dict[str, str | None] = {"anna": None, "ben": None}
    for _ in range(6):
        for session in (anna, ben):
            name = session.next_after(names[session.by])
            assert name is not None
            session.label([name], truth(name))
            names[session.by] = name
    later(clock)
    for session in (anna, ben):
        session.look_again()
        assert session.next_after(None) is None
        assert (session.progress().labelled, session.progress().mine) == (12, 6)
    assert len(said(folder)) == 12


def test_whoever_comes_third_begins_in_the_middle_of_the_longest_stretch(folder: Path, clock: VirtualClock) -> None:
    go_through(begin(folder, clock, "anna"), 2)
    go_through(begin(folder, clock, "ben"), 1)  # item-7, in the middle of 2 to 11
    assert begin(folder, clock, "eva").next_after(None) == "item-4.png"


def test_labels_of_others_are_seen_and_disputes_are_counted(folder: Path, clock: VirtualClock) -> None:
    anna, ben = begin(folder, clock, "anna"), begin(folder, clock, "ben", (*LABELS, "ring"))
    anna.label(["item-0.png"], "disc")
    later(clock)
    ben.look_again()
    ben.label(["item-0.png"], "ring")
    later(clock)
    anna.look_again()
    assert [(entry.by, entry.label) for entry in anna.said_of("item-0.png")] == [("ben", "ring"), ("anna", "disc")]
    assert (anna.disputed(), anna.progress().disputed) == (["item-0.png"], 1)
    assert anna.labels == ("disc", "square", "ring")
    assert anna.labelled_as("ring") == ["item-0.png"]


def test_one_name_twice_at_once_loses_nothing_either(folder: Path, clock: VirtualClock) -> None:
    one, other = begin(folder, clock), begin(folder, clock)
    one.label(["item-0.png"], "disc")
    later(clock)
    other.label(["item-1.png"], "square")
    later(clock)
    one.look_again()
    assert one.next_after(None) == "item-2.png"
    assert len(said(folder)) == 2


@pytest.mark.parametrize(
    ("names", "label"),
    [(["item-0.png", "../secret.png"], "disc"), (["item-0.png", "item-99.png"], "disc"), (["item-0.png"], "circle")],
)
def test_what_is_no_picture_or_no_label_here_is_refused_as_a_whole(
    folder: Path, clock: VirtualClock, names: list[str], label: str
) -> None:
    session = begin(folder, clock)
    with pytest.raises(LabelsError):
        session.label(names, label)
    assert said(folder) == {}
    assert not session.can_undo


def test_pictures_that_look_alike_are_proposed_together(folder: Path, clock: VirtualClock) -> None:
    session = begin(folder, clock)
    look_at_all(session)
    alike = session.alike("item-3.png", 6)
    assert alike[0] == "item-3.png"
    assert {truth(name) for name in alike} == {"square"}
    session.label(alike, "square")
    assert {truth(name) for name in session.alike("item-3.png", 6)} == {"disc"}


def test_pictures_that_were_not_looked_at_yet_come_last_in_their_order(folder: Path, clock: VirtualClock) -> None:
    assert begin(folder, clock).alike(None, 4) == ["item-0.png", "item-1.png", "item-2.png", "item-3.png"]


def test_without_a_model_what_looks_like_labelled_pictures_is_suggested(folder: Path, clock: VirtualClock) -> None:
    session = begin(folder, clock)
    look_at_all(session)
    assert session.suggest("item-8.png") == []
    go_through(session, 6)
    for name in ("item-8.png", "item-9.png"):
        assert session.suggest(name)[0].label == truth(name)
    session.label(["item-0.png", "item-2.png", "item-4.png"], NONE_OF_THESE)
    assert [one.label for one in session.suggest("item-8.png")] == ["square"], "a mark is never suggested"


def test_the_model_suggests_first_and_people_overrule_it(
    folder: Path, clock: VirtualClock, tiny_bundle: Callable[..., bytes]
) -> None:
    """The tiny model says paper to what is red and metal to what is blue."""
    classifier = BundleClassifier(read_bundle(tiny_bundle(), "tiny"))
    session = LabellingSession(Proposals(PictureFolder(folder), classifier), "anna", ("metal", "paper", "plate"), clock)
    assert session.suggest("item-0.png") == [], "it was not looked at yet"
    look_at_all(session)
    first = session.suggest("item-0.png")[0]
    assert (first.label, first.votes, first.voters) == ("paper", 0, 0)
    assert first.score == max(one.score or 0 for one in session.suggest("item-0.png")) > 0
    session.label([f"item-{number}.png" for number in (0, 2, 4, 6, 8)], "plate")
    session.label([f"item-{number}.png" for number in (1, 3, 5, 7, 9)], "metal")
    again = session.suggest("item-10.png")[0]
    assert (again.label, again.score, again.votes, again.voters) == ("plate", None, 5, 5)


def test_files_that_mean_no_good_are_named_and_passed_over(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, clock: VirtualClock
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    write_photo(outside / "secret.png", draw_photo("disc", 1))
    (folder / "item-20.png").symlink_to(outside / "secret.png")
    (folder / "below").symlink_to(outside)
    (folder / "item-21.png").write_bytes((folder / "item-1.png").read_bytes()[:200])
    (folder / "item-22.jpg").write_bytes(b"<svg onload=alert(1)>")
    os.mkfifo(folder / "item-23.jpg")
    (folder / "new\nline.png").write_bytes((folder / "item-1.png").read_bytes())
    (folder / '"><b>&.png').write_bytes((folder / "item-1.png").read_bytes())
    (folder / os.fsdecode(b"\xff.png")).write_bytes((folder / "item-1.png").read_bytes())
    session = begin(folder, clock, labels=("disc",))
    shown = []
    while (name := session.next_after(None)) is not None:
        look_at(session, name)
        if name in session.proposals:
            session.label([name], "disc")
            shown.append(name)
    assert sorted(shown) == sorted(['"><b>&.png', *(f"item-{number}.png" for number in range(12))])
    assert session.progress().total == 13
    unusable = {os.fsencode(name): why for name, why in session.pictures.unusable.items()}
    assert set(unusable) == {b"item-20.png", b"item-21.png", b"item-22.jpg", b"new\nline.png", b"\xff.png"}
    assert unusable[b"item-20.png"] == "a link, which is not followed here"


def test_a_picture_that_becomes_a_link_later_is_not_followed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (folder / "below").mkdir()
    for place in (outside, folder / "below"):
        write_photo(place / "a.png", draw_photo("disc", 1))
    pictures = PictureFolder(folder)
    (folder / "item-0.png").unlink()
    (folder / "item-0.png").symlink_to(outside / "a.png")
    (folder / "below").rename(folder / "elsewhere")
    (folder / "below").symlink_to(outside)
    for name in ("item-0.png", "below/a.png"):
        with pytest.raises(PhotoError, match="link"):
            pictures.load(name, 100)


def test_a_picture_that_went_away_is_passed_over(folder: Path, clock: VirtualClock) -> None:
    session = begin(folder, clock)
    (folder / "item-0.png").unlink()
    look_at(session, "item-0.png")
    assert session.next_after(None) == "item-1.png"
    assert session.alike(None, 3) == ["item-1.png", "item-2.png", "item-3.png"]
    assert session.progress().total == 11


def test_pictures_stay_as_they_are(folder: Path, clock: VirtualClock) -> None:
    def state() -> dict[str, tuple[int, bytes]]:
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*.png")}

    before = state()
    session = begin(folder, clock)
    go_through(session, 12)
    session.undo()
    assert state() == before
    assert {path.name for path in folder.iterdir()} - set(before) == {"labels-anna.csv"}


def test_looks_at_one_item_belong_together_unless_people_said_otherwise(tmp_path: Path, clock: VirtualClock) -> None:
    first, other, by_chance = "pi-1/0a1b2c3d-00000017", "pi-2/0a1b2c3d-00000017", "pi-1/0a1b2c3d-00000018-random"
    names = [
        *(f"{first}-{look}.jpg" for look in (1, 2, 3)),
        f"{other}-1.jpg",
        f"{by_chance}-1.jpg",
        f"{by_chance}-2.jpg",
    ]
    for name in [*names, "item-1.jpg", "item-2.jpg"]:
        write_photo(tmp_path / name, draw_photo("disc", 1))
    session = begin(tmp_path, clock)
    assert session.looks_of(f"{first}-2.jpg") == names[:3]
    assert session.looks_of(f"{other}-1.jpg") == [f"{other}-1.jpg"]
    assert session.looks_of(f"{by_chance}-2.jpg") == names[4:]
    assert session.looks_of("item-2.jpg") == ["item-2.jpg"]
    session.label([f"{first}-3.jpg"], "square")
    assert session.looks_of(f"{first}-1.jpg") == names[:2]


def test_only_what_chance_chose_is_shown_in_an_order_that_says_nothing_of_time(tmp_path: Path) -> None:
    items = [f"0a1b2c3d-{number:08d}" for number in range(12)]
    for number, item in enumerate(items):
        for look in (1, 2):
            chosen = "-random" if number % 2 else ""
            write_photo(tmp_path / "pi-1" / f"{item}{chosen}-{look}.jpg", draw_photo("disc", 1))
    write_photo(tmp_path / "my-random.jpg", draw_photo("disc", 1))
    names = PictureFolder(tmp_path, only_random=True).names
    first_looks = [f"pi-1/{item}-random-1.jpg" for item in items[1::2]]
    assert sorted(names[::2]) == first_looks
    assert names[1::2] == tuple(name.replace("-1.jpg", "-2.jpg") for name in names[::2])
    assert list(names[::2]) != first_looks
    (tmp_path / "pi-1").rename(tmp_path / "pi-2")
    moved = PictureFolder(tmp_path, only_random=True).names
    assert moved == tuple(name.replace("pi-1", "pi-2") for name in names), "the same wherever they lie"


def test_a_folder_without_random_pictures_is_refused_with_what_keeps_some(folder: Path) -> None:
    with pytest.raises(PhotoError, match=r"that chance chose; .* journal.random_share"):
        PictureFolder(folder, only_random=True)


class CountedNames(tuple[str, ...]):
    """Names that count how often they are gone through or copied."""

    __slots__ = ()
    times: ClassVar[int] = 0

    def __getitem__(self, key: Any) -> Any:
        CountedNames.times += 1
        return super().__getitem__(key)


def test_looking_in_the_background_goes_through_the_names_once(folder: Path, clock: VirtualClock) -> None:
    session = begin(folder, clock)
    session.pictures.names = CountedNames(session.pictures.names)
    CountedNames.times = 0
    look_at_all(session)
    assert len(session.proposals) == 12
    assert CountedNames.times <= 2
    write_photo(folder / "item-12.png", draw_photo("disc", 12))
    session.pictures.look()
    assert session.next_to_look_at() == "item-12.png", "what has come since is looked at too"
    assert session.next_to_look_at() is None


def test_a_folder_without_pictures_and_what_is_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no pictures in it or below"):
        PictureFolder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(PhotoError, match="expected a folder of pictures"):
        PictureFolder(tmp_path / "a.png")


def test_a_long_row_of_features_keeps_what_is_near_near() -> None:
    from edge.labelling.similarity import Similarity

    chance = np.random.default_rng(5)
    middles = chance.random((4, 1280))
    similarity = Similarity()
    for number in range(400):
        similarity.add(f"{number}", middles[number % 4] + 0.1 * chance.standard_normal(1280))
    for number in range(8):
        near = similarity.nearest(f"{number}", {f"{other}" for other in range(400)}, 20)
        assert {int(name) % 4 for name in near} == {number % 4}


def test_labels_that_came_home_from_a_station_do_not_send_a_person_into_the_middle(
    folder: Path, clock: VirtualClock
) -> None:
    (folder / "labels-ben@station.csv").write_text("item-0.png,disc,ben,1970-01-01T00:00:00Z\n")
    session = begin(folder, clock)
    assert session.next_after(None) == "item-1.png"
    assert session.progress().labels == {"disc": 1}
