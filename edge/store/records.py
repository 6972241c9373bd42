"""What the store writes down, one small JSON file each."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from edge.errors import StoreError


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Evidence(_Record):
    """What was proven of a bundle on this device before it was let in; instants are ISO 8601, UTC."""

    digest: str
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


class Generation(_Record):
    """One state of the store: which model is current and which one it would come back to."""

    number: int
    current: str
    previous: str | None
    why: str
    since: str
    probation: bool


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
            raise StoreError(f"{text!r} fits {len(matches)} models: {shown}; give the digest")
    known = ", ".join(f"{m.title} ({m.digest[:12]})" for m in models) or "none"
    raise StoreError(f"no model {text!r} is installed; installed: {known}")
