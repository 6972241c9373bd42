"""Of what each picture of a page was taken, written into its file: so that one that is stale is noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edge.inference.classifier import open_shipped_bundle

ROOT = Path(__file__).resolve().parents[2]
IMAGES, ASSETS = ROOT / "docs" / "images", ROOT / "edge" / "web" / "assets"
_FRAME = ("page.css", "station/frame.html", "station/frame.css", "station/frame.js")
_NOW = (*_FRAME, "station/now.html", "station/now.css", "station/now.js")
_LABELLING = (
    "page.css",
    *(f"label/{name}" for name in ("label.html", "label.css", "label.js", "label-keys.js", "label-many.js")),
)
# What each picture shows; docs/screenshots.py takes them.
SHOWS = {"page.jpg": _NOW, "page-fault.jpg": _NOW, "label.jpg": _LABELLING, "label-many.jpg": _LABELLING}


def stamp(picture: str) -> str:
    """Return what a picture that is taken now shows: the look of its page, and the model whose name stands on it."""
    digest = hashlib.sha256()
    for name in SHOWS[picture]:
        digest.update((ASSETS / name).read_bytes())
    told = {"page": digest.hexdigest()[:16]}
    if SHOWS[picture] is not _LABELLING:
        told["model"] = open_shipped_bundle().manifest.title
    return json.dumps(told)
