"""Size and margin of the network's input; apart from the pixels, so that reading a manifest needs no OpenCV."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

LARGEST_MARGIN: Final = 0.5
"""So much of the surroundings is kept of an item's every view, whatever model looks at it."""


class InputGeometry(BaseModel):
    """Size of the network's input, and how much of the surroundings a crop shows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)

    height: int = Field(ge=16, le=1024, description="pixels")
    width: int = Field(ge=16, le=1024, description="pixels, as many as the height")
    margin: float = Field(
        ge=0.0,
        le=LARGEST_MARGIN,
        description="fraction of the box's larger side that is added on each of the four sides",
    )

    @model_validator(mode="after")
    def _is_square(self) -> InputGeometry:
        if self.height != self.width:
            raise ValueError(f"height and width must be equal, got {self.height} x {self.width}")
        return self
