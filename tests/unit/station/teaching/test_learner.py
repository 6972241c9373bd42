"""The process that learns: what it proposes is what it installs, and it never outlives its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.drawn_place import HERE, ITEMS, show_pictures, write_place_station, write_running_place
from support.processes import has_ended

from edge.clock import SystemClock, VirtualClock
from edge.config import load_station
from edge.errors import TeachingError
from edge.models.select import open_station_bundle, open_store
from edge.station.teaching.learner import LONGEST_NS, PROGRAM, Learner
from edge.teaching.installing import noted_heads
from edge.teaching.shown import ShownItems
from edge.teaching.turns import teaching_claimed
from edge.teaching.worker import Proposal

WITHIN_S = 120


class Place:
    """A station with a bin for cups, which its model does not know, and a Learner for it."""

    def __init__(self, folder: Path, tiny_bundle: Callable[..., bytes]) -> None:
        write_running_place(folder, tiny_bundle)
        self.file = write_place_station(folder, tuple(HERE))
        self.station = load_station(self.file)
        self.shown = ShownItems(self.station.state_folder)
        self.proposal = Proposal.of(self.station.state_folder)
        self.learner = Learner(SystemClock(), self.file, self.station.state_folder)

    def show(self, *labels: str) -> None:
        for label in labels:
            show_pictures(self.shown, label)

    def do(self, task: str, given: str) -> str:
        """Have it done; return why nothing came of it."""
        self.learner.begin(task, given)
        assert self.learner.process is not None
        assert has_ended(self.learner.process, WITHIN_S)
        assert self.learner.follow()
        assert self.learner.task == ""
        return self.learner.failure


@pytest.fixture
def place(tmp_path: Path, tiny_bundle: Callable[..., bytes]) -> Place:
    return Place(tmp_path, tiny_bundle)


def test_the_head_that_was_shown_to_a_person_is_the_one_that_is_installed(place: Place) -> None:
    place.show(*HERE)
    assert place.do("learn", "anna on the page") == ""
    assert place.learner.share == 1.0
    report = place.proposal.report()
    assert report is not None
    assert (report["refused"], report["by"], report["shown"]) == (None, "anna on the page", dict.fromkeys(HERE, ITEMS))
    assert report["labels"]["cup"]["after"]["top1"]["right"] > 0
    before = open_store(place.station).active()
    assert "another head than the one that was shown" in place.do("install", "0" * 64)
    assert open_store(place.station).active() == before
    assert place.do("install", report["digest"]) == ""
    at_work = open_station_bundle(place.station)
    assert (at_work.digest, at_work.manifest.version) == (report["digest"], "2.0+belt.1")
    assert at_work.manifest.taught is not None
    assert at_work.manifest.taught.by == "anna on the page"
    assert [(head["digest"], head["by"]) for head in noted_heads(place.station)] == [
        (report["digest"], "anna on the page")
    ]
    assert place.proposal.report() is None
    assert "nothing that was learnt waits" in place.do("install", report["digest"])


def test_a_head_that_was_overtaken_by_another_is_not_installed(place: Place) -> None:
    place.show(*HERE)
    assert place.do("learn", "anna") == ""
    report = place.proposal.report()
    assert report is not None
    head = place.proposal.head()
    assert place.do("install", report["digest"]) == ""
    place.proposal.write(report, head)
    assert "another head or another base was installed" in place.do("install", report["digest"])


def test_why_nothing_can_be_learnt_is_said_in_words(place: Place) -> None:
    assert "nothing was shown yet" in place.do("learn", "anna")
    place.show("paper")
    assert "cup: a bin waits for it" in place.do("learn", "anna")
    with teaching_claimed(place.station.state_folder):
        assert "the station is taught already" in place.do("learn", "anna")
    assert place.proposal.report() is None
    (place.proposal.folder).mkdir()
    (place.proposal.folder / "report.json").write_text(json.dumps(["damaged"]))
    assert place.proposal.report() is None


def test_one_thing_at_a_time_and_never_for_longer_than_its_time(tmp_path: Path) -> None:
    clock = VirtualClock()
    learner = Learner(
        clock, tmp_path / "station.toml", tmp_path, ["/bin/sh", "-c", "echo '{\"share\": 0.5}'; exec cat"]
    )
    learner.begin("learn", "anna")
    with pytest.raises(TeachingError, match="wait until that is done"):
        learner.begin("learn", "bob")
    process = learner.process
    assert process is not None
    learner.end()
    assert has_ended(process, WITHIN_S)
    hanging = Learner(clock, tmp_path / "station.toml", tmp_path, ["/bin/sh", "-c", "exec sleep 1000"])
    hanging.begin("learn", "anna")
    assert not hanging.follow()
    clock.advance_to(LONGEST_NS + 2 * 10**9)
    while not hanging.follow():
        pass
    assert hanging.failure == "it took longer than 30 minutes and was ended"


def test_a_process_that_dies_is_told_of(tmp_path: Path) -> None:
    learner = Learner(SystemClock(), tmp_path / "station.toml", tmp_path, ["/bin/sh", "-c", "kill -9 $$"])
    learner.begin("learn", "anna")
    assert learner.process is not None
    assert has_ended(learner.process, WITHIN_S)
    assert learner.follow()
    assert "ended with status -9" in learner.failure


def test_it_leaves_the_processor_to_the_station_and_takes_bounded_memory(place: Place) -> None:
    seen = place.file.parent / "seen"
    code = (
        "import os, resource, sys; from edge.teaching import worker; worker.propose = lambda *_: open(sys.argv.pop(), 'w').write("
        "f'{os.nice(0)} {os.sched_getscheduler(0) == os.SCHED_BATCH} {resource.getrlimit(resource.RLIMIT_DATA)[0] >> 20}');"
        "sys.exit(worker.main(sys.argv[1:5]))"
    )
    place.learner = Learner(SystemClock(), place.file, place.station.state_folder, [*PROGRAM[:2], "-c", code])
    assert place.do("learn", str(seen)) == ""
    nice, is_batch, mb = seen.read_text().split()
    assert (int(nice) >= 10, is_batch, mb) == (True, "True", "1024")
