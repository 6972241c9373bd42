"""Debian for the Pi's processor, with the product in it as a technician installs it; and the same for this processor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.pi.emulator import registered
from support.pi.installed import Install


@pytest.fixture(scope="session", autouse=True)
def _programs_of_a_pi_run() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def pi(request: pytest.FixtureRequest) -> Install:
    """The product on each release, for aarch64."""
    return Install(request.param)


@pytest.fixture(scope="session")
def here(pi: Install) -> Install:
    """The same release and the same commands, for x86-64."""
    return Install(pi.suite, architecture="amd64")
