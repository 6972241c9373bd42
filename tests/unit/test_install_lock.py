"""The pinned versions for a Pi stay within what pyproject.toml allows; `make lock` writes them anew."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from support.paths import ROOT

LOCKS = {path.stem: path.read_text() for path in sorted((ROOT / "docs" / "install").glob("pi-*.txt"))}
PIN = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>\S+) \\\n(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.M
)


def pins(text: str) -> dict[str, Version]:
    return {canonicalize_name(match["name"]): Version(match["version"]) for match in PIN.finditer(text)}


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(text) for text in (*project["dependencies"], *project["optional-dependencies"]["edge"])]


def test_there_is_one_for_each_raspberry_pi_os() -> None:
    assert set(LOCKS) == {"pi-bookworm", "pi-trixie"}


@pytest.mark.parametrize("name", LOCKS)
def test_what_is_pinned_is_what_the_project_asks_for(name: str) -> None:
    found = pins(LOCKS[name])
    assert [str(one) for one in wanted() if canonicalize_name(one.name) not in found] == []
    assert [str(one) for one in wanted() if found[canonicalize_name(one.name)] not in one.specifier] == []


@pytest.mark.parametrize("name", LOCKS)
def test_nothing_is_pinned_without_a_hash_or_fetched_from_a_place_of_its_own(name: str) -> None:
    lines = [line for line in LOCKS[name].splitlines() if line and not line.startswith("#")]
    assert sum(1 + match["hashes"].count("\n") for match in PIN.finditer(LOCKS[name])) == len(lines)


def test_each_has_the_numpy_that_its_picamera2_was_built_against() -> None:
    assert {name: pins(text)["numpy"].major for name, text in LOCKS.items()} == {"pi-bookworm": 1, "pi-trixie": 2}
