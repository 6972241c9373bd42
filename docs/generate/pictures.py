"""Of what each picture of a page was taken, written into its file: so that one that is stale is noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from edge.inference.classifier import open_shipped_bundle

ROOT = Path(__file__).resolve().parents[2]
IMAGES, ASSETS = ROOT / "docs" / "images", ROOT / "edge" / "web" / "assets"
_FRAME = ("page.css", "station/frame.html", "station/frame.css", "station/frame.js")
_NAMES = {"now": ("page.jpg", "page-fault.jpg"), "week": ("week.jpg",), "items": ("items.jpg",), "bins": ("bins.jpg",)}
_NAMES |= {"teach": ("teach.jpg",), "health": ("health.jpg",)}
_SHARED = {
    "now": ("bin.js",),
    "bins": ("bin.js", "acts.js"),
    "week": ("chart.js", "journal.js"),
    "items": ("journal.js",),
}
_LABELLING = (
    "page.css",
    *(f"label/{name}" for name in ("label.html", "label.css", "label.js", "label-keys.js", "label-many.js")),
)


def _shown_by(page: str) -> tuple[str, ...]:
    """Return the files that a page of the station consists of."""
    own = (*(f"{page}.{suffix}" for suffix in ("html", "css", "js")), *_SHARED.get(page, ()))
    return *_FRAME, *(f"station/{name}" for name in own)


# What each picture shows; docs/screenshots.py takes them.
SHOWS = {picture: _shown_by(page) for page, pictures in _NAMES.items() for picture in pictures}
SHOWS |= {"label.jpg": _LABELLING, "label-many.jpg": _LABELLING}


def stamp(picture: str) -> str:
    """Return what a picture that is taken now shows: the look of its page, and the model whose name stands on it."""
    digest = hashlib.sha256()
    for name in SHOWS[picture]:
        digest.update((ASSETS / name).read_bytes())
    told = {"page": digest.hexdigest()[:16]}
    if SHOWS[picture] is not _LABELLING:
        told["model"] = open_shipped_bundle().manifest.title
    return json.dumps(told)
