"""What the store writes down, one small JSON file each."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


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
