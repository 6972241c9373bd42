"""Reads a whole store again and says what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.errors import BundleError, StoreError
from edge.models.records import is_digest, read_evidence
from edge.models.store import ModelStore


@dataclass(frozen=True)
class Finding:
    """One thing that `verify_store` found wrong."""

    where: str
    problem: str


def verify_store(store: ModelStore) -> list[Finding]:
    """Read every file of the store again and compare it with what it should be."""
    findings = []
    for folder in sorted((store.folder / "models").glob("*")):
        try:
            if not is_digest(folder.name):
                raise ValueError(f"{folder.name}: no model's folder: remove it")
            store.open(folder.name)
            read_evidence(folder)
        except (BundleError, OSError, ValueError) as error:
            findings.append(Finding(str(folder), str(error)))
    try:
        generation = store.active()
    except StoreError as error:
        return [*findings, Finding("active", str(error))]
    if generation is None:
        return findings
    for what, digest in (("current", generation.current), ("previous", generation.previous)):
        if digest is None:
            continue
        if not _is_same(store.folder / what, store.folder / "models" / digest):
            findings.append(Finding(what, f"the link does not lead to {digest[:12]}: activate a model again"))
        if not store.holds(digest):
            findings.append(Finding(what, f"model {digest[:12]} is not there: push it again"))
    return findings


def _is_same(link: Path, folder: Path) -> bool:
    """Tell whether a link leads to this folder."""
    try:
        return link.samefile(folder)
    except OSError:
        return False
