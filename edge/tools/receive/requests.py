"""What a workstation may ask a device for, read from one line of JSON; needs nothing but the standard library."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from edge.errors import TransferError
from edge.models.quick import LARGEST

PROTOCOL = 1
_DIGEST = re.compile("[0-9a-f]{64}")
_FLAGS = {"activate": True, "probation": True, "allow_downgrade": False, "pieces": False}


@dataclass(frozen=True)
class Push:
    """Install a bundle, and put it to work if `activate`; `labels` are the model's, divided by blanks, where they are told.

    With `pieces` the workstation can do with sending those that are not here.
    """

    digest: str
    size: int
    labels: str = ""
    activate: bool = True
    probation: bool = True
    allow_downgrade: bool = False
    pieces: bool = False


@dataclass(frozen=True)
class Status:
    """Say what is there; `digest` is the bundle that would be pushed, `labels` are its model's, divided by blanks."""

    digest: str = ""
    labels: str = ""


@dataclass(frozen=True)
class Pull:
    """Send home what is new; `items` and `events` are the last rows that the workstation has, `run` their run."""

    items: int = 0
    events: int = 0
    run: str = ""


def parse_request(line: bytes) -> Push | Status | Pull:
    """The request of a connection.

    Raises:
        TransferError: it is none, or one of another protocol.
    """
    tree = json_object(line)
    if type(tree.get("protocol")) is not int or tree["protocol"] != PROTOCOL:
        raise TransferError(
            f"expected protocol {PROTOCOL}, got {tree.get('protocol')!r}: install the same edge-sorter on both machines"
        )
    digest, labels = str(tree.get("digest", "")), str(tree.get("labels", ""))
    match tree.get("ask"):
        case "push" if _DIGEST.fullmatch(digest):
            flags = {name: tree.get(name, default) is True for name, default in _FLAGS.items()}
            return Push(digest, whole_number(tree, "size", LARGEST), labels, **flags)
        case "status" if not digest or _DIGEST.fullmatch(digest):
            return Status(digest, labels)
        case "pull":
            rows = {name: whole_number(tree, name, 1 << 62) for name in ("items", "events")}
            return Pull(**rows, run=str(tree.get("run", "")))
    raise _not_for_us(line)


def json_object(line: bytes) -> dict[str, Any]:
    """The object that a line holds: flat, and of text that can be written down again."""
    tree = parse_json(line)
    if not isinstance(tree, dict) or any(isinstance(value, dict | list) for value in tree.values()):
        raise _not_for_us(line)
    return tree


def parse_json(content: bytes) -> Any:
    """What the bytes hold; None for what is no JSON, is nested beyond all sense, or holds half of a surrogate pair."""
    try:
        tree = json.loads(content.decode("utf-8"))
        json.dumps(tree, ensure_ascii=False).encode("utf-8")  # valid in JSON alone: no file or database takes such text
    except (ValueError, RecursionError):
        return None
    return tree


def whole_number(tree: dict[str, Any], name: str, largest: int) -> int:
    """A number of an object, from 0 to the largest."""
    number = tree.get(name)
    if type(number) is not int or not 0 <= number <= largest:
        raise TransferError(f"expected {name} to be a number from 0 to {largest}, got {number!r:.40}")
    return number


def _not_for_us(line: bytes) -> TransferError:
    return TransferError(
        f"expected one request of `sorter push` or `sorter pull`, got {line[:60]!r}: this account only receives models"
    )
