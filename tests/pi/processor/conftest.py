"""Debian for the Pi's processor, with the product in it as a technician installs it; and the same for this processor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.pi.debian import run
from support.pi.emulator import qemu, registered
from support.pi.installed import Install


@pytest.fixture(scope="session", autouse=True)
def _programs_of_a_pi_run() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="session", params=["bookworm", "trixie"])
def pi(request: pytest.FixtureRequest, ran_with: Callable[..., None]) -> Install:
    """The product on each release, for aarch64."""
    install = Install(request.param)
    ran_with("processor", **versions(install.root()))
    return install


def versions(root: Path) -> dict[str, str]:
    """What the page says that this part ran with: of QEMU, of Debian and of what pip chose."""
    release = re.search(r'^VERSION_ID="(.+)"', (root / "etc/os-release").read_text(), flags=re.MULTILINE)
    python = re.search(r"^version = (.+)", (root / "opt/edge-sorter/pyvenv.cfg").read_text(), flags=re.MULTILINE)
    (litert,) = (root / "opt/edge-sorter/lib").glob("python3.*/site-packages/ai_edge_litert-*.dist-info")
    emulator = re.search(r"version (\S+)", run([qemu(), "--version"]))
    assert release
    assert python
    assert emulator
    chosen = {"debian": release[1], "python": python[1], "ai-edge-litert": litert.stem.split("-")[1]}
    return {"QEMU": emulator[1], **chosen}


@pytest.fixture(scope="session")
def here(pi: Install) -> Install:
    """The same release and the same commands, for x86-64."""
    return Install(pi.suite, architecture="amd64")
