"""Which model a station uses, and where its store is."""

from __future__ import annotations

from enum import StrEnum

from edge.bundle.archive import Bundle, open_bundle
from edge.config import Station
from edge.inference.classifier import open_shipped_bundle
from edge.models.store import ModelStore
from edge.models.trust import accept_for


def open_store(station: Station) -> ModelStore:
    """The station's store, which gives out only models that the station trusts."""
    return ModelStore(station.state_folder / "models", accept=accept_for(station))


class Origin(StrEnum):
    """Where the model that a station uses comes from."""

    NAMED = "named by the station file"
    STORE = "installed"
    SHIPPED = "shipped"


def find_bundle(station: Station) -> tuple[Origin, Bundle]:
    """Read the bundle that a station uses: the one its file names, else the store's active one, else the shipped one.

    One of the store must be signed as the station demands.

    Raises:
        BundleError: it is missing, damaged, or not trusted.
        StoreError: the store is damaged.
    """
    if station.inference.bundle is not None:
        return Origin.NAMED, open_bundle(station.inference.bundle)
    store = open_store(station)
    active = store.active()
    return (Origin.SHIPPED, open_shipped_bundle()) if active is None else (Origin.STORE, store.open(active.current))


def open_station_bundle(station: Station) -> Bundle:
    """Read the bundle that a station uses; see `find_bundle`."""
    return find_bundle(station)[1]
