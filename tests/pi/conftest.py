"""The product as on a Pi: `make test-pi`. What each test shows becomes a line of `docs/proven-on-a-pi.md`."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest
from support.paths import ROOT

from edge import __version__

PLACE = Path(__file__).parent
PROVEN = ROOT / "build" / "pi"

Figure = str | int | float


class Proven(Protocol):
    """Writes down what a test has just shown; called last in it."""

    def __call__(self, claim: str, **figures: Figure) -> None:
        """
        Args:
            claim: the sentence that now stands proven; a literal, since the page is held against it.
            figures: what was measured, each under a name that says the unit.
        """


class RanWith(Protocol):
    """Says with which versions a part runs: a line above its table, such as kernel, Debian, Python, litert."""

    def __call__(self, part: str, **versions: str) -> None: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(PLACE):
            item.add_marker(pytest.mark.pi)
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session", autouse=True)
def _as_root() -> None:
    if os.geteuid() != 0:
        pytest.exit("tests/pi mounts file systems and starts machines: run it as root, sudo make test-pi", returncode=2)


@pytest.fixture(scope="session")
def _versions() -> dict[str, dict[str, str]]:
    """By part; those that several machines of one part have stand side by side."""
    return {}


@pytest.fixture(scope="session")
def ran_with(_versions: dict[str, dict[str, str]]) -> RanWith:
    """For fixtures that start something: `ran_with("lines", kernel="6.12.57+deb13-arm64", debian="13.2")`."""

    def note(part: str, **versions: str) -> None:
        told = _versions.setdefault(part, {})
        for name, version in versions.items():
            known = told.get(name, "").split(" and ")
            told[name] = " and ".join([*filter(None, known), *([] if version in known else [version])])

    return note


@pytest.fixture
def proven(request: pytest.FixtureRequest, _versions: dict[str, dict[str, str]]) -> Proven:
    """What a test shows, kept in `build/pi/PART.jsonl` for the page that `make proven` writes."""
    part = request.path.relative_to(PLACE).parts[0]

    def write(claim: str, **figures: Figure) -> None:
        PROVEN.mkdir(parents=True, exist_ok=True)
        line = {
            "part": part,
            "claim": claim,
            "figures": figures,
            "test": request.node.nodeid,
            "versions": {"edge-sorter": __version__, **_versions.get(part, {})},
            "at": datetime.now(UTC).strftime("%Y-%m-%d"),
        }
        with (PROVEN / f"{part}.jsonl").open("a") as lines:
            lines.write(json.dumps(line) + "\n")

    return write
