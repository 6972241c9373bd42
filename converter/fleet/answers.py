"""What a device may answer: one that was broken into says anything, and a workstation takes nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from edge.errors import TransferError
from edge.models.quick import LARGEST
from edge.tools.receive.pieces import DIGEST_BYTES, MOST_PIECES

Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Value = Annotated[int, Field(ge=-1 << 63, lt=1 << 63)] | float | str | None
"""What a cell of a journal's row can be."""


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Send(_Answer):
    """It wants the bundle from this byte on."""

    offset: Count


class Held(_Answer):
    """The digests of so many bytes follow, of the pieces that it has."""

    size: Annotated[int, Field(ge=0, le=DIGEST_BYTES * MOST_PIECES, multiple_of=DIGEST_BYTES)]


class Done(_Answer):
    """The model is installed; `milliseconds` an inference takes there."""

    already: bool
    active: bool
    milliseconds: float
    proving_ms: float = 0.0


class Status(_Answer):
    """What is there now; digests, and how many bytes of the bundle have come."""

    current: str | None
    current_title: str | None
    installed: bool
    received: Count
    misfits: str = ""


class Announced(_Answer):
    """So many bytes follow."""

    size: Annotated[int, Field(ge=0, le=LARGEST)]


class AnnouncedRows(Announced):
    """So many bytes of a table's `Rows` follow."""

    table: str


class AnnouncedFile(Announced):
    """A file's bytes follow."""

    path: str
    mtime_ns: Count


class Rows(_Answer):
    """Rows of a table of the journal."""

    columns: list[str]
    rows: list[list[Value]]

    @model_validator(mode="after")
    def _are_as_long_as_the_columns(self) -> Self:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row of another length than its columns")
        return self


Files = list[tuple[str, Count, Count]]
"""Path, size and time of the last change of all that could be sent."""

Kind = TypeVar("Kind", bound=BaseModel)
Content = TypeVar("Content")


def understood(kind: type[Kind], event: Mapping[str, Any]) -> Kind:
    """Return an event as what it should be; raises TransferError."""
    try:
        return kind.model_validate(event)
    except ValidationError as error:
        raise _not_understood(error) from None


def unpacked(kind: type[Content], content: bytes) -> Content:
    """Return what some bytes of JSON hold; raises TransferError."""
    try:
        return TypeAdapter(kind).validate_json(content, strict=True)
    except ValidationError as error:
        raise _not_understood(error) from None


def _not_understood(error: ValidationError) -> TransferError:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or "it"
    return TransferError(
        f"expected an answer of `sorter receive`, got another ({where}: {first['msg']}): "
        "is the same edge-sorter installed there?"
    )
