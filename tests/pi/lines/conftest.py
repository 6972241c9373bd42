"""Machines for the tests of lines and camera: each goes on from one that was saved, within seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.pi.kernel import Kernel
from support.pi.lgpio_library import VERSION
from support.pi.machines import running
from support.pi.sorting import Service, sorting


@pytest.fixture(scope="session", autouse=True)
def _versions_of_lines(ran_with: Callable[..., None]) -> None:
    ran_with("lines", kernel=Kernel.newest().release, lgpio=VERSION)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """The product sorts as a service; nothing lies before its lens."""
    with running(sorting(), tmp_path) as machine:
        service = Service(machine)
        service.wires.clear()
        yield service
