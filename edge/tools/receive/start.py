"""Starts the device's end of a push with nothing but the standard library: a workstation is waiting for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.clock import SystemClock
from edge.models.quick import store_folder
from edge.tools.receive.session import Place, serve

if TYPE_CHECKING:
    from edge.models.install import Device

STATION = Path("/etc/sorter/station.toml")


def receive(station: Path, keys: Path | None) -> int:
    """Serve the one connection on stdin and stdout; return the exit code.

    Raises:
        ConfigError: the station file can't be used.
    """

    def open_all() -> Device:
        from edge.models.install import open_device

        return open_device(station, keys)

    folder = store_folder(station) or open_all().store.folder
    # Unbuffered: what lies in a buffer can't be waited for with a time limit.
    with open(0, "rb", buffering=0, closefd=False) as reader, open(1, "wb", buffering=0, closefd=False) as writer:
        return serve(reader, writer, Place(folder, SystemClock(), open_all))


def plain_options(arguments: list[str]) -> dict[str, Path] | None:
    """`--station FILE --keys FOLDER`, each or none; None for all that the command line proper has to look at."""
    names, values = arguments[::2], arguments[1::2]
    if len(names) != len(values) or not {"--station", "--keys"}.issuperset(names):
        return None
    options = {name.removeprefix("--"): Path(value) for name, value in zip(names, values, strict=True)}
    return options if store_folder(options.get("station", STATION)) is not None else None
