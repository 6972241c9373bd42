"""How a station names the pictures that it keeps: run, item, whether chance chose it, look; one rule for all that read them."""

from __future__ import annotations

import re

_BY_CHANCE = "-random"
_LOOK = re.compile(r"(.+)-([1-9])\.jpg")
_KEPT = re.compile(
    rf"([0-9a-f]{{8}}-[0-9]{{8,}}(?:{_BY_CHANCE})?)(?:-[1-9])?\.(?:jpg|png)"
)  # earlier versions kept one look


def item_name(run_id: str, item: int, *, by_chance: bool) -> str:
    """Return what the names of an item's pictures begin with."""
    return f"{run_id[-8:]}-{item:08d}{_BY_CHANCE if by_chance else ''}"


def look_names(item: str, looks: int) -> list[str]:
    """Return the file names of so many looks at an item, the best look first."""
    return [f"{item}-{look}.jpg" for look in range(1, looks + 1)]


def item_of(picture: str) -> str:
    """Return what the names of all pictures of that picture's item begin with; the picture is known to be a kept one."""
    match = _LOOK.fullmatch(picture)
    return match[1] if match else picture.removesuffix(".jpg")


def kept_item_of(name: str) -> str:
    """Return the same if a station gave the picture its name, and an empty text for pictures of anybody else."""
    match = _KEPT.fullmatch(name)
    return match[1] if match else ""


def is_by_chance(name: str) -> bool:
    """Whether a station kept the picture, or the item of that name, because chance chose it."""
    return (kept_item_of(name) or name).endswith(_BY_CHANCE)
