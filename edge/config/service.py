"""Settings of what goes on beside the sorting: safety, journal, page, and what may be pushed."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from edge.config.base import Pin, Settings


class Safety(Settings):
    """Inputs and outputs that concern the whole station."""

    estop_pin: Pin | None = Field(
        default=None, description="observes the emergency stop chain; low or open means stopped"
    )
    reset_pin: Pin | None = Field(default=None, description="reset button after an emergency stop, low while pressed")
    jam_pin: Pin | None = Field(default=None, description="jam sensor, low while jammed")
    beacon_pin: Pin | None = Field(default=None, description="output that is on while the station is in a fault")
    stall_ms: float = Field(
        default=3000.0, ge=200, le=60_000, description="no frame all the way through for this long is a fault, ms"
    )


class JournalSettings(Settings):
    """The durable record."""

    batch_ms: float = Field(default=1000.0, ge=50, le=60_000, description="rows are stored at least this often, ms")
    max_mb: float = Field(default=200.0, ge=1, le=100_000, description="the oldest rows go when it is larger, MB")
    max_days: float = Field(
        default=90.0, gt=0, le=3650, description="rows older than this go, days; none while the date is in doubt"
    )
    keep_crops: Literal["none", "unsure", "useful", "all"] = Field(
        default="useful",
        description="which items' pictures are kept; useful: what the model was not sure of or "
        "does not know, what looks disagree about, rare labels, and what is unlike all that was kept",
    )
    random_share: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="share of all items that is kept besides, by chance, for honest estimates; it has half of the room",
    )
    crops_per_label: int = Field(
        default=20, ge=1, le=1000, description="items of one label that are kept a day (UTC), those by chance apart"
    )
    crops_per_day: int = Field(
        default=200, ge=1, le=1000, description="items that are kept a day (UTC), those by chance apart"
    )
    crops_max_mb: float = Field(default=100.0, ge=0, le=100_000, description="room for kept pictures, MB")


class Page(Settings):
    """The page and the metrics."""

    enabled: bool = Field(default=True, description="serve the page")
    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 shows it to the whole network")
    port: int = Field(default=8080, ge=0, le=65535, description="port; 0 takes a free one")
    controls: bool = Field(
        default=True,
        description="whoever has the page's token may act on it, such as stop the station and let it go on",
    )
    open: bool | None = Field(
        default=None,
        description="whoever reaches the page may look; else only who signed in or sends its token. Unless set, it is open "
        "where only this machine reaches it: at a loopback address, without `page.names`",
        examples=[True],
    )
    certificate: Path | None = Field(
        default=None,
        description="PEM file of a certificate: the page is served over TLS alone; relative to the station file",
        examples=["page.pem"],
    )
    key: Path | None = Field(
        default=None, description="PEM file of its private key; relative to the station file", examples=["page.key"]
    )
    names: tuple[str, ...] = Field(
        default=(),
        description="further names under which browsers may open the page, as in sorter.example.org",
        examples=[["sorter.example.org"]],
    )

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Page:
        if (self.certificate is None) != (self.key is None):
            there, missing = ("key", "certificate") if self.certificate is None else ("certificate", "key")
            raise ValueError(f"{there} is there and {missing} is not: TLS takes both, or neither")
        return self

    @property
    def is_open(self) -> bool:
        """Whether everybody may look who reaches the page."""
        return self.open if self.open is not None else self.is_local and not self.names

    @property
    def is_local(self) -> bool:
        """Whether only programs of this machine reach it, such as a proxy before it."""
        return _is_loopback(self.host)


class ReceiveSettings(Settings):
    """What whoever may push a model over SSH may ask for besides."""

    allow_downgrade: bool = Field(default=False, description="a pushed model may be older than the current one")
    allow_no_probation: bool = Field(default=False, description="a pushed model may go to work without probation")


def _is_loopback(host: str) -> bool:
    """Say whether only programs of this machine reach an address to listen on."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
