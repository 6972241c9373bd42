"""Small types shared by all settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from edge.errors import ConfigError
from edge.words import languages


class Settings(BaseModel):
    """Frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def with_values(self, **values: Any) -> Self:
        """Return a copy with other values, checked like those of a file; pydantic's `model_copy` takes whatever comes.

        Raises:
            ValidationError: one of them can't be.
        """
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self).model_validate(own | values)


def _check_language(code: str) -> str:
    if code not in languages():
        raise ValueError(f"{code!r}: expected one of {', '.join(f'{c} ({name})' for c, name in languages().items())}")
    return code


Pin = Annotated[int, Field(ge=0, le=27, strict=True)]
Ms = Annotated[float, Field(ge=0)]
# What is both written in a station file and measured on site has one range.
TravelMs = Annotated[float, Field(ge=0, le=5000)]
DebounceMs = Annotated[float, Field(ge=0, le=1000)]
PulseUs = Annotated[int, Field(ge=500, le=2500)]
Steps = Annotated[int, Field(ge=-100_000, le=100_000)]
Speed = Annotated[float, Field(gt=0, le=5000)]
MmPerPixel = Annotated[float, Field(gt=0, le=10)]
TicksPerMm = Annotated[float, Field(gt=0, le=1000)]
Pixel = Annotated[int, Field(ge=0, le=4096)]
Pixels = Annotated[int, Field(ge=32, le=4096)]
ExposureUs = Annotated[int, Field(ge=10, le=1_000_000)]
Gain = Annotated[float, Field(ge=0, le=64)]
ColourGain = Annotated[float, Field(gt=0, le=32)]
Kelvin = Annotated[int, Field(ge=1000, le=12_000)]
Language = Annotated[str, AfterValidator(_check_language)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


def expand_home(path: Path) -> Path:
    """Return a path of the command line with `~` or `~NAME` in front replaced.

    Raises:
        ConfigError: nobody of that name has a home here.
    """
    try:
        return path.expanduser()
    except RuntimeError:
        raise ConfigError(f"{path}: there is no home of that name here: give the whole path") from None
