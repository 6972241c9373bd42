"""What the store writes down, one small JSON file each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from edge.errors import StoreError
from edge.models.quick import LARGEST_RECORD
from edge.system.files import read_regular

EVIDENCE = "evidence.json"
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""The name of a model's folder: whatever a record says, no path is ever made of anything else."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Evidence(_Record):
    """What was proven of a bundle on this device before it was let in; instants are ISO 8601, UTC.

    `base` is the digest of the bundle on whose network a head was taught; None for a model of its own.
    """

    digest: Digest
    title: str
    name: str
    version: str
    labels: tuple[str, ...]
    size: int
    signer: str | None
    milliseconds: float
    golden_steps: int
    runtime: str
    installed: str
    base: Digest | None = None


class Generation(_Record):
    """One state of the store: which model is current and which one it would come back to."""

    number: int
    current: Digest
    previous: Digest | None
    why: str
    since: str
    probation: bool


AnyRecord = TypeVar("AnyRecord", bound=BaseModel)


def read_record(path: Path, kind: type[AnyRecord]) -> AnyRecord:
    """Read one of the store's records, without waiting for what may be in its place.

    Raises:
        OSError: it can't be read, or is no such file.
        ValueError: it is damaged.
    """
    try:
        return kind.model_validate_json(read_regular(path, LARGEST_RECORD))
    except ValidationError as error:
        raise ValueError(f"{path}: damaged: {error.errors()[0]['msg']}") from None


def read_evidence(folder: Path) -> Evidence:
    """Read what was proven of the model in a folder, whose name is its digest.

    Raises:
        OSError: it can't be read.
        ValueError: it is damaged, or another model's.
    """
    evidence = read_record(folder / EVIDENCE, Evidence)
    if evidence.digest != folder.name:
        raise ValueError(f"{folder / EVIDENCE}: that of another model, {evidence.digest[:12]}")
    return evidence


def is_digest(name: str) -> bool:
    """Tell whether a folder may be a model's."""
    return re.fullmatch("[0-9a-f]{64}", name) is not None


def find_model(models: Sequence[Evidence], text: str) -> Evidence:
    """The one model whose digest starts with the text or whose title or version it is.

    Raises:
        StoreError: none is, or several are.
    """
    for matches in (
        [m for m in models if text in (m.title, m.digest)],
        [m for m in models if len(text) >= 4 and m.digest.startswith(text)],
        [m for m in models if m.version == text],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            shown = ", ".join(f"{m.title} ({m.digest[:12]})" for m in matches)
            raise StoreError(f"{text!r} fits {len(matches)} models: {shown}; give the name or the digest")
    known = ", ".join(f"{m.title} ({m.digest[:12]})" for m in models) or "none"
    raise StoreError(f"no model {text!r} is installed; installed: {known}")
