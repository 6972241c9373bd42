"""`sorter key`: keys that sign bundles, and the signing itself."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path
from typing import Annotated

import typer

from edge.bundle.archive import open_bundle, sign_bundle
from edge.bundle.signature import fingerprint, load_private_key, load_public_keys, write_key_pair
from edge.cli.options import DEFAULT_STATION, StationOption
from edge.config.base import expand_home
from edge.errors import ConfigError
from edge.system.files import write_atomically
from edge.system.output import say
from edge.system.privileges import leave_root

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Keys that sign model bundles."
)

KeyPath = Annotated[Path, typer.Option(help="The signing key's file.")]
DEFAULT_KEY = Path("~/.config/edge-sorter/signing-key")


@app.command()
def new(path: Annotated[Path, typer.Argument(help="Where to put the key; PATH.pub beside it.")] = DEFAULT_KEY) -> None:
    """Make a signing key: PATH stays with you, PATH.pub goes to the devices."""
    path = expand_home(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{path.parent}: can't make the folder ({error.strerror}): choose another path") from None
    public = write_key_pair(path, f"{getpass.getuser()}@{socket.gethostname()}")
    say(f"{fingerprint(public)}")
    say(f"private key, keep it here: {path}")
    say(f"public key, for /etc/sorter/keys/ on every device: {path}.pub")


@app.command()
def sign(
    bundle: Annotated[Path, typer.Argument(help="The bundle; it is signed in place.")],
    key: KeyPath = DEFAULT_KEY,
) -> None:
    """Sign a bundle, in place of a signature that it may have."""
    private = load_private_key(expand_home(key))
    opened = open_bundle(bundle)
    try:
        write_atomically(bundle, sign_bundle(opened, private))
    except OSError as error:
        raise ConfigError(
            f"{bundle}: can't write the signed bundle ({error.strerror}): copy it to a folder of yours"
        ) from None
    say(f"{bundle}: {opened.manifest.title} signed by {fingerprint(private.public_key())}")


@app.command("list")
def list_keys(
    folder: Annotated[
        Path | None, typer.Argument(help="A folder of trusted .pub files; without it what the station trusts.")
    ] = None,
    station: StationOption = DEFAULT_STATION,
) -> None:
    """List the keys that this device trusts, and the station's own, which is trusted for heads taught here only."""
    from edge.config import load_station
    from edge.models.trust import own_key_of

    ours = load_station(station) if folder is None and station.exists() else None
    folder = folder or (Path("/etc/sorter/keys") if ours is None else ours.inference.keys)
    keys = load_public_keys(folder)
    for key in keys:
        say(fingerprint(key))
    own = None if ours is None else own_key_of(ours)
    if own is not None:
        say(f"{fingerprint(own.key)}  own key of {own.station}, for heads that are taught here and no other model")
    if not keys:
        say(f"{folder}: no trusted keys, so no signed model is accepted; put the maker's .pub file there", err=True)


@app.command("station")
def station_key(station: StationOption = DEFAULT_STATION) -> None:
    """Make the station's own key, if there is none, and show it: it signs what the station is taught."""
    from edge.bundle.own_key import PRIVATE, own_signing_key
    from edge.models.quick import store_folder

    # Before the rest of the station file is right: `sorter setup` asks for it.
    folder = (store_folder(station) or Path("/var/lib/sorter/models")).parent
    leave_root(folder)
    key = own_signing_key(folder, socket.gethostname())
    say(f"{fingerprint(key.public_key())}")
    say(f"private key, which never leaves this station: {folder / PRIVATE}")
    say("trusted at this station alone, for heads that are taught here")
