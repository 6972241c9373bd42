"""The machine on which the service is set up, and the workstation that looks after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pi.conftest import RanWith
from support.pi.cut_disk import Record
from support.pi.machine import Fitted, Machine, Saved
from support.pi.machines import running
from support.pi.service.activities import activate, install, sort, teach
from support.pi.service.cuts import NEVER_SYNCED, Recording
from support.pi.service.promises import Chronicle
from support.pi.service.serving import VERSIONS, Workstation, reached, serving, workstation


@pytest.fixture(scope="session")
def place(tiny_bundle: Callable[..., bytes]) -> Workstation:
    return workstation(tiny_bundle)


@pytest.fixture(scope="session")
def at_work(place: Workstation, ran_with: RanWith) -> Saved:
    """The machine as it sorts."""
    machine = serving(place)
    ran_with("service", kernel=machine.image.kernel.release)
    return machine


@pytest.fixture
def machine(at_work: Saved, tmp_path: Path) -> Iterator[Machine]:
    """One that goes on from there."""
    with running(at_work, tmp_path) as machine:
        yield machine


@pytest.fixture(scope="session")
def recording(at_work: Saved, place: Workstation, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """One run of the machine with everything that the power is cut off in."""
    folder = tmp_path_factory.mktemp("recorded")
    record = Record(folder / "record")
    chronicle = Chronicle(record)
    models = [place.model(version) for version in VERSIONS[1:3]]
    with running(at_work, folder, Fitted(record=record.path)) as machine:
        with reached(machine, place) as station:
            with chronicle.phase("sorting"):
                sort(station, chronicle, 12)
            with chronicle.phase("installing"):
                install(station, chronicle, models)
            with chronicle.phase("activating"):
                activate(station, chronicle, models)
            with chronicle.phase("teaching"):
                teach(station, chronicle, ["paper", "metal"], 2)
        # The kernel keeps this for some seconds: a cut that loses nothing would be found out.
        machine.run(f"echo kept > /{NEVER_SYNCED}")
        machine.kill()
    (folder / "disk.qcow2").unlink()
    return Recording(at_work, chronicle, record.entries(), folder)
