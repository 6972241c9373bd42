"""After a power cut the machine is started again: one cut of each activity, some with a date that is a year off."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pi.conftest import Proven
from support.pi.service.cuts import Recording
from support.pi.service.serving import Workstation
from support.pi.service.started_again import ENOUGH, NO_YEAR, Started, start_again

YEAR = timedelta(days=365)
# Of one cut in each activity the machine is started again; a Pi has no clock that runs while it is off.
AGAIN = {"sorting": NO_YEAR, "installing": -YEAR, "activating": YEAR, "teaching": NO_YEAR}
# There are two cores, and a program that starts uses one.
AT_ONCE = 2


@pytest.fixture(scope="module")
def started(recording: Recording, place: Workstation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Started]:
    def start(phase: str) -> Started:
        return start_again(recording, place, phase, AGAIN[phase], tmp_path_factory.mktemp(phase))

    with ThreadPoolExecutor(AT_ONCE) as at_once:
        return dict(zip(AGAIN, at_once.map(start, AGAIN), strict=True))


def test_started_again_it_sorts_by_itself_and_nothing_is_taken_for_damaged(
    started: dict[str, Started], proven: Proven
) -> None:
    for phase, seen in started.items():
        assert seen.wrong == [], phase
        assert "damaged" not in seen.log, phase
        assert "Traceback" not in seen.log, phase
        assert seen.new_items >= ENOUGH, phase
    # A person who teaches stops the station, and nobody has let it go on.
    assert started["teaching"].state == "stopped"
    assert started["installing"].state != "stopped"
    proven(
        "After a power cut the machine boots, the service becomes ready and sorts on, and a stop by a person holds.",
        boots=len(started),
        slowest_boot_to_ready_s=max(seen.boot_to_ready_s for seen in started.values()),
    )


def test_a_date_a_year_off_at_boot_costs_no_row_and_is_put_right_in_the_journal(
    started: dict[str, Started], proven: Proven
) -> None:
    for phase, off in AGAIN.items():
        if off:
            seen = started[phase]
            assert seen.off_before > timedelta(days=300)
            assert seen.off_after < timedelta(hours=1)
            assert seen.wrong == []
    proven(
        "Booted with a date a year early or late the service sorts, deletes no row by its age, and dates the rows of this "
        "boot anew once the date is set."
    )
