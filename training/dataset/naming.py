"""Which label a folder's name or a list's word means."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from edge.bundle.photo_tree import as_label
from edge.errors import DatasetError

_log = logging.getLogger(__name__)


class Naming:
    """Which label a folder's name or a list's word means; keeps account of what it changed and left out."""

    def __init__(self, label_map: Mapping[str, str] | None, others_stay: bool = False) -> None:
        self._map = {unicodedata.normalize("NFC", name): label for name, label in (label_map or {}).items()}
        self._others_stay = others_stay or label_map is None
        self._changed: dict[str, str] = {}
        self._left_out: dict[str, None] = {}

    def label(self, name: str) -> str | None:
        """The label, or None for what is left out.

        Raises:
            DatasetError: the name holds no letter that a label could be made of.
        """
        plain = as_label(name)
        mapped = self._map.get(unicodedata.normalize("NFC", name), self._map.get(plain) if plain else None)
        if mapped is not None:
            return mapped
        if not self._others_stay:
            self._left_out[name] = None
            return None
        if not plain:
            check_utf8([name])
            raise DatasetError(f"{name!r} can't be a label: {label_advice(name)}, or give it one by --map {name}=LABEL")
        if plain != name:
            self._changed[name] = plain
        return plain

    def tell(self, source: Path) -> None:
        """Say what was read under another name, and what was left out."""
        if self._changed:
            _log.warning(
                "%s: read as labels: %s", source, some(f"{old} as {new}" for old, new in self._changed.items())
            )
        if self._left_out:
            _log.warning("%s: left out, no label is named for: %s", source, some(self._left_out))

    def expected(self) -> str:
        """What was looked for, for the end of a sentence."""
        return f" with folders named {some(self._map)}" if self._map and not self._others_stay else ""


def label_advice(name: str) -> str:
    """What a label must be, and which one comes nearest to a name that is none."""
    near = f"write {as_label(name)!r}" if as_label(name) else "rename it"
    return f"a label is small letters a to z, digits, - and _, a letter first, at most 32: {near}"


def some(names: Iterable[str], shown: int = 5) -> str:
    """Return the first of the names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - shown} more" if len(every) > shown else ""
    return ", ".join(every[:shown]) + more


def check_utf8(names: Iterable[str]) -> None:
    """Refuse names in bytes of another encoding."""
    odd = [name for name in names if any("\udc80" <= letter <= "\udcff" for letter in name)]
    if odd:
        raise DatasetError(f"names that are not UTF-8: {len(odd)}, the first {odd[0]!a}: rename them")
