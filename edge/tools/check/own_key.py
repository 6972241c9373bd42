"""What `sorter doctor` says of the key that signs what a station is taught."""

from __future__ import annotations

import os

from edge.config import Station
from edge.errors import ConfigError
from edge.tools.check.findings import Finding


def own_key_finding(station: Station) -> Finding:
    """Say whose heads the station trusts as its own."""
    from edge.bundle.own_key import own_public_key
    from edge.bundle.signature import fingerprint

    folder = station.state_folder
    if folder.exists() and not os.access(folder, os.R_OK | os.X_OK):
        return Finding("own key", "warn", f"you can't look into {folder}", "sudo sorter doctor")
    try:
        key = own_public_key(folder)
    except ConfigError as error:
        reason, _, fix = str(error).rpartition(": ")
        return Finding("own key", "fail", reason, fix)
    if key is None:
        return Finding("own key", "ok", "none yet; `sorter key station` and `sorter teach` make it")
    return Finding("own key", "ok", f"{fingerprint(key)}, for heads that are taught here and no other model")
