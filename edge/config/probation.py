"""How long a new model is watched, and what sends it back."""

from __future__ import annotations

from pydantic import Field

from edge.config.base import Settings


class ProbationSettings(Settings):
    """Limits of a model on probation; shares are compared with what the previous model did just before."""

    items: int = Field(default=500, ge=1, le=1_000_000, description="so many items without a reason to go, it stays")
    minutes: float = Field(
        default=30.0, gt=0, le=100_000, description="so long with at least `least_items`, and it stays as well, minutes"
    )
    least_items: int = Field(default=30, ge=1, le=10_000, description="no share is judged on fewer items")
    max_residual_rise: float = Field(
        default=0.15, ge=0, le=1, description="its residual share may be larger than the previous model's by this"
    )
    max_failure_share: float = Field(
        default=0.02, ge=0, le=1, description="share of items that it may fail on (an error, no answer)"
    )
    max_slowdown: float = Field(
        default=1.5, ge=1, le=100, description="how many times the previous model's inference it may take"
    )
    max_crashes: int = Field(
        default=0, ge=0, le=100, description="unclean ends of the program, by a crash or the watchdog"
    )
    max_power_cuts: int = Field(
        default=1, ge=0, le=100, description="unclean ends with a reboot; one may be a foot on the cable"
    )
