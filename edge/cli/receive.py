"""`sorter receive`: the device's end of `sorter push` and `sorter pull`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.clock import SystemClock
from edge.store.quick import store_folder
from edge.store.receive import Place, serve

if TYPE_CHECKING:
    from edge.store.install import Device


def command(
    station: Annotated[Path, typer.Option(help="The station file.")] = Path("/etc/sorter/station.toml"),
    keys: Annotated[
        Path | None, typer.Option(help="Folder of trusted keys; without it `keys` beside the station file.")
    ] = None,
) -> None:
    """Take one model from a workstation over stdin and stdout; meant as the forced command of an SSH key."""

    def open_all() -> Device:
        from edge.store.install import open_device

        return open_device(station, keys)

    folder = store_folder(station) or open_all().store.folder
    # Unbuffered: what lies in a buffer can't be waited for with a time limit.
    with open(0, "rb", buffering=0, closefd=False) as reader, open(1, "wb", buffering=0, closefd=False) as writer:
        code = serve(reader, writer, Place(folder, SystemClock(), open_all))
    raise typer.Exit(code)
