"""Versions of models: PEP 440, with the station's name and a number behind a plus where a station taught the head."""

from __future__ import annotations

import re
from typing import Annotated

from packaging.version import InvalidVersion
from packaging.version import Version as PackageVersion
from pydantic import AfterValidator

VERSION = r"^[0-9][0-9A-Za-z.]{0,31}(\+(?=.{1,40}$)[0-9a-z]+([.-][0-9a-z]+)*)?$"


def checked_version(version: str) -> str:
    """Return the version if it has an order among others (PEP 440), and fits a file's name.

    Raises:
        ValueError: saying what is expected.
    """
    if not re.fullmatch(VERSION, version):
        raise ValueError(
            "expected a version such as 1.2, 2.0rc1 or 2.0+line-1.3: a digit first, at most 32 digits, letters and dots; "
            "behind a plus at most 40 small letters, digits, single dots and dashes"
        )
    try:
        version_order(version)
    except InvalidVersion:
        raise ValueError("expected a version such as 1.2, 2.0rc1 or 2.0.post1 (PEP 440)") from None
    return version


def version_order(version: str) -> PackageVersion:
    """A key that sorts 1.10 after 1.9, 1.0rc1 before 1.0, and 1.0+line-1.3 after 1.0."""
    return PackageVersion(version)


def is_older(version: str, current: str) -> bool:
    """Say whether a version came before another one; heads that two stations were taught on one base have no order."""
    try:
        one, other = version_order(version), version_order(current)
    except InvalidVersion:  # let in by an edge-sorter that took any version
        return False
    stations = {(order.local or "").rpartition(".")[0] for order in (one, other)}
    unordered = one.public == other.public and one.local and other.local and len(stations) == 2
    return not unordered and one < other


def taught_version(base: str, station: str, number: int) -> str:
    """Return the version of a station's so-manieth head on a base: `2.0+line-1.3` is the third of line-1.

    A station's name may hold what no version does; that becomes a single dash.
    """
    return f"{base}+{'-'.join(re.findall('[0-9a-z]+', station))}.{number}"


Version = Annotated[str, AfterValidator(checked_version)]
