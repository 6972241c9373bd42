"""Which model a station uses, and where its store is."""

from __future__ import annotations

from pathlib import Path

from edge.bundle.archive import Bundle, open_bundle
from edge.config import Station
from edge.inference.classifier import shipped_bundle_path
from edge.models.store import ModelStore
from edge.models.trust import accept_for


def open_store(station: Station) -> ModelStore:
    """The station's store, which gives out only models that the station trusts."""
    return ModelStore(station.state_folder / "models", accept=accept_for(station))


def find_bundle(station: Station) -> Path:
    """The bundle that a station uses: the one its file names, else the store's active one, else the shipped one.

    Raises:
        BundleError: there is none.
        StoreError: the store is damaged.
    """
    if station.inference.bundle is not None:
        return station.inference.bundle
    store = open_store(station)
    active = store.active()
    return shipped_bundle_path() if active is None else store.bundle_path(active.current)


def open_station_bundle(station: Station) -> Bundle:
    """Read the bundle that a station uses (see `find_bundle`); one of the store must be signed as the station demands.

    Raises:
        BundleError: it is missing, damaged, or not trusted.
        StoreError: the store is damaged.
    """
    if station.inference.bundle is None:
        store = open_store(station)
        active = store.active()
        if active is not None:
            return store.open(active.current)
    return open_bundle(find_bundle(station))
