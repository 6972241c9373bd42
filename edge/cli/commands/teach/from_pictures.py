"""`sorter teach --photos` and `--labelled`: on a station or a workstation, from pictures in a folder."""

from __future__ import annotations

import json
import os
import re
import socket
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from edge.bundle.archive import Bundle, open_bundle
from edge.bundle.manifest import STATION
from edge.bundle.signature import load_private_key
from edge.bundle.taught import check_can_be_taught
from edge.bundle.version import taught_version
from edge.cli.commands.teach.report import print_tables, study
from edge.errors import ConfigError, TeachingError
from edge.inference.classifier import shipped_bundle_path
from edge.system.files import write_atomically
from edge.system.output import say
from edge.system.privileges import account_name, leave_root
from edge.teaching.installing import present_instant
from edge.teaching.pictures import find_in_folders, find_labelled
from edge.teaching.report import as_tree
from edge.teaching.taught import pack_taught


@dataclass(frozen=True)
class Origin:
    """On what the head is taught, how pure it shall be, and what the bundle says of itself."""

    bundle: Path | None
    out: Path | None
    purity: float
    name: str | None
    number: int | None
    key: Path | None


def teach_from_pictures(photos: Path | None, labelled: Path | None, wanted: Origin, as_json: bool) -> None:
    """Learn from the pictures, say what it is worth, and write the bundle."""
    if photos is not None and labelled is not None:
        raise ConfigError(
            "expected either --photos FOLDER or --labelled FOLDER: a folder a label, or labelled pictures"
        )
    folder = photos or labelled
    assert folder is not None
    signer = None if wanted.key is None else load_private_key(wanted.key)
    leave_root((wanted.bundle or folder).absolute())
    base = open_bundle(wanted.bundle or shipped_bundle_path())
    check_can_be_taught(base)
    station = _station_name(wanted.name)
    path, number = _target(base, station, wanted)
    pictures = find_in_folders(folder) if photos is not None else find_labelled(folder)
    seen, learnt = study(base, pictures, wanted.purity, quiet=as_json)
    if as_json:
        say(json.dumps(as_tree(seen, learnt), indent=1))
    else:
        print_tables(base, seen, learnt)
    if learnt.refusal:
        raise TeachingError(f"no bundle is written: {learnt.refusal}")
    content = pack_taught(base, seen.lessons, learnt, (station, number, account_name(), present_instant()), signer)
    try:
        write_atomically(path, content)
    except OSError as error:
        raise TeachingError(f"{path}: can't be written ({error.strerror}): give another place with --out") from None
    if not as_json:
        say(f"Written: {path} ({len(content)} bytes). Try it: sorter classify PHOTO --bundle {path}")
        if signer is None:
            say(f"Stations take signed models only: sorter key sign {path}")


def _target(base: Bundle, station: str, wanted: Origin) -> tuple[Path, int]:
    """Where the bundle goes, and its number: the next that has no file there.

    Raises:
        TeachingError: there is something already, or it can't be written.
    """
    folder = Path() if wanted.out is None else wanted.out.parent

    def named(number: int) -> Path:
        return folder / f"{base.manifest.name}-{taught_version(base.manifest.version, station, number)}.sorter"

    number = wanted.number or next(n for n in count(1) if not os.path.lexists(named(n)))
    path = wanted.out or named(number)
    if os.path.lexists(path):
        raise TeachingError(f"{path}: is there already: give another --number or --out, or remove it")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise TeachingError(f"{folder}: can't be written to: give another place with --out")
    return path, number


def _station_name(name: str | None) -> str:
    """The name of the station; without one this machine's, as far as it can be one."""
    if name is None:
        name = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower()).strip("-")[:32] or "station"
    if not re.fullmatch(STATION, name):
        raise ConfigError(f"--name {name!r}: expected the station's name: small letters, digits, - and _, 32 at most")
    return name
