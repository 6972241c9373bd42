"""`sorter teach --photos` and `--labelled`: on a station or a workstation, from pictures in a folder."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.bundle.archive import open_bundle
from edge.bundle.signature import load_private_key
from edge.bundle.taught import check_can_be_taught
from edge.cli.commands.teach.report import print_tables, study
from edge.clock import SystemClock
from edge.errors import ConfigError, TeachingError
from edge.inference.classifier import shipped_bundle_path
from edge.system.files import write_atomically
from edge.system.output import say
from edge.system.privileges import account_name, leave_root
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
    number: int
    key: Path | None


def teach_from_pictures(photos: Path | None, labelled: Path | None, wanted: Origin, as_json: bool) -> None:
    """Learn from the pictures, say what it is worth, and write the bundle."""
    if photos is not None and labelled is not None:
        raise ConfigError(
            "expected either --photos FOLDER or --labelled FOLDER: a folder a label, or labelled pictures"
        )
    folder = photos or labelled
    assert folder is not None
    leave_root((wanted.bundle or folder).absolute())
    base = open_bundle(wanted.bundle or shipped_bundle_path())
    check_can_be_taught(base)
    origin = (_station_name(wanted.name), wanted.number, account_name(), now())
    pictures = find_in_folders(folder) if photos is not None else find_labelled(folder)
    signer = None if wanted.key is None else load_private_key(wanted.key)
    seen, learnt = study(base, pictures, wanted.purity, quiet=as_json)
    if as_json:
        say(json.dumps(as_tree(seen, learnt), indent=1))
    else:
        print_tables(base, seen, learnt)
    if learnt.refusal:
        raise TeachingError(f"no bundle is written: {learnt.refusal}")
    content = pack_taught(base, seen.lessons, learnt, origin, signer)
    path = wanted.out or Path(f"{base.manifest.name}-{base.manifest.version}+{origin[0]}.{origin[1]}.sorter")
    try:
        write_atomically(path, content)
    except OSError as error:
        raise TeachingError(f"{path}: can't be written ({error.strerror}): give another place with --out") from None
    if not as_json:
        say(f"Written: {path} ({len(content)} bytes). Try it: sorter classify PHOTO --bundle {path}")


def now() -> str:
    """The present instant, ISO 8601, UTC."""
    return datetime.fromtimestamp(SystemClock().wall_time(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _station_name(name: str | None) -> str:
    """The name as a version can hold it."""
    plain = re.sub(r"[^a-z0-9]+", "-", (name or socket.gethostname()).lower()).strip("-")[:32].rstrip("-")
    if not plain or (name is not None and plain != name):
        raise ConfigError(
            f"--name {name or plain!r}: expected small letters and digits, with - between them, such as line-1"
        )
    return plain
