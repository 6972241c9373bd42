"""The machine's power is cut while it sorts, installs a model, puts one to work and is taught.

One run is recorded, write by write and flush by flush; each cut is a moment of it, after which nothing, anything or all of
what was written since the last flush is on the disk. Every disk is mounted and looked at by the product's own checks.
"""

from __future__ import annotations

import pytest
from pi.conftest import Proven
from support.pi.service.cuts import ACTIVITIES, CUTS, NEVER_SYNCED, Cut, Recording, root_of
from support.power_cut import nothing_more


def test_what_was_not_synced_is_lost(recording: Recording, proven: Proven) -> None:
    """Without this all the others would show nothing."""
    disk, _ = recording.disk_after(Cut(len(recording.entries), nothing_more()), "last")
    with root_of(disk) as root:
        assert (root / "var/lib/sorter/journal.db").exists()
        assert not (root / NEVER_SYNCED).exists()
    proven(
        "The cuts are real ones: a file that nobody synced is gone.",
        writes_recorded=sum(not entry.is_flush for entry in recording.entries),
        flushes_recorded=sum(entry.is_flush for entry in recording.entries),
    )


@pytest.mark.parametrize("phase", ACTIVITIES)
def test_what_was_promised_is_there_after_twenty_cuts(recording: Recording, phase: str, proven: Proven) -> None:
    found = [recording.wrong_after(cut) for cut in recording.cuts(phase)]
    assert [problem for wrong, _ in found for problem in wrong] == []
    lost = sum(sectors for _, sectors in found)
    promised = recording.chronicle.promised(recording.chronicle.phases[phase][1])
    assert promised.items
    proven(
        "What the station said to be stored is there after twenty power cuts in each of four activities: items, a person's "
        "stop, models, the one at work, things that were shown. No file is half written, and the journal is whole.",
        cuts=CUTS,
        sectors_lost=lost,
    )
