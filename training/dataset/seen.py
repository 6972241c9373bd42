"""Which photos a network learnt from, so that nobody measures it on those: short digests of their files."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from edge.errors import ConfigError
from training.dataset.photos import LabelledPhoto

FILE = "seen.json"
# Of SHA-256: one of 2000 photos is taken for one of 20,000 others once in seven million times.
DIGEST_BYTES = 6


@dataclass(frozen=True)
class Seen:
    """Digests of the photos that trained a network, and of those that chose it among others (validation)."""

    training: frozenset[bytes]
    validation: frozenset[bytes]

    @classmethod
    def of(cls, training: Iterable[LabelledPhoto], validation: Iterable[LabelledPhoto]) -> Self:
        """Read all files once."""
        one, other = (frozenset(_digest(photo.path) for photo in photos) for photos in (training, validation))
        return cls(one, other - one)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any], source: str) -> Self:
        """Read what `as_tree` gave.

        Raises:
            ConfigError: it is something else.
        """
        try:
            found = [base64.b64decode(tree[name], validate=True) for name in ("training", "validation")]
            if any(len(packed) % DIGEST_BYTES for packed in found):
                raise ValueError("cut off")
        except (KeyError, TypeError, ValueError, binascii.Error):
            raise ConfigError(f"{source}: its list of training photos is damaged: convert the run again") from None
        return cls(*(frozenset(_parts(packed)) for packed in found))

    def as_tree(self) -> dict[str, str]:
        """As JSON takes it: the digests of each part in order, one after the other, in base64."""
        parts = {"training": self.training, "validation": self.validation}
        return {name: base64.b64encode(b"".join(sorted(digests))).decode() for name, digests in parts.items()}

    def save(self, run: Path) -> None:
        """Write it into a run folder."""
        (run / FILE).write_text(json.dumps(self.as_tree(), indent=1), encoding="utf-8")

    def split(self, photos: Sequence[LabelledPhoto]) -> tuple[list[LabelledPhoto], Counts]:
        """Return the photos that did not train the network, and how many did, and how many of the others chose it."""
        digests = [_digest(photo.path) for photo in photos]
        fresh = [photo for photo, digest in zip(photos, digests, strict=True) if digest not in self.training]
        trained = len(photos) - len(fresh)
        return fresh, Counts(trained, sum(digest in self.validation for digest in digests))


@dataclass(frozen=True)
class Counts:
    """Of the photos that were given: how many trained the network, and how many chose it."""

    training: int
    validation: int


def load_seen(run: Path) -> Seen | None:
    """Read what a run folder says; None for a run from before runs said it."""
    file = run / FILE
    if not file.is_file():
        return None
    try:
        return Seen.from_tree(json.loads(file.read_text(encoding="utf-8")), str(file))
    except ValueError:
        raise ConfigError(f"{file}: damaged (no JSON): remove it, or train again") from None


def read_seen(report: bytes | None, source: str) -> Seen | None:
    """Read what a bundle's report.json says; None where it says nothing."""
    try:
        tree = json.loads(report or b"{}")
    except ValueError:
        raise ConfigError(f"{source}: its report.json is damaged: convert the run again") from None
    given = tree.get("seen") if isinstance(tree, dict) else None
    return None if given is None else Seen.from_tree(given, source)


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()[:DIGEST_BYTES]
    except OSError:  # whoever reads it as a photo says so
        return b""


def _parts(packed: bytes) -> Iterable[bytes]:
    return (packed[at : at + DIGEST_BYTES] for at in range(0, len(packed), DIGEST_BYTES))
