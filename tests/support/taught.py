"""Tiny bundles of format 2, and heads taught on them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import cycle, islice

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.archive import GOLDEN, HEAD, MODEL, Bundle, pack_bundle, read_bundle, sign_bundle
from edge.bundle.head import quantize_head
from edge.bundle.manifest import FORMAT_VERSION, Interval, Output, Taught, TaughtLabel, Thresholds
from edge.bundle.taught import make_taught_bundle
from edge.inference.golden import make_golden
from edge.inference.golden_photos import make_golden_photos
from edge.inference.interpreter import open_interpreter
from edge.types import Image

COLOURS = {"red": (250, 10, 90), "green": (30, 200, 60), "blue": (5, 60, 240)}
"""What the tiny network's three features tell apart."""


def plain_picture(colour: str) -> Image:
    return np.tile(np.array(COLOURS[colour], np.uint8), (32, 32, 1))


def headed_bundle(
    tiny_bundle: Callable[..., bytes],
    key: Ed25519PrivateKey | None = None,
    version: str = "2.0",
    photos: bool = False,
    golden: int = 3,
) -> Bundle:
    """Format 2 around the tiny network: its head calls red paper, green glass and blue metal."""
    plain = read_bundle(tiny_bundle(version=version), "plain")
    interpreter = open_interpreter(plain)
    head = quantize_head(np.eye(3), np.zeros(3), interpreter.output)
    output = Output(**interpreter.output.model_dump(), kind="features")
    manifest = plain.manifest.model_copy(
        update={
            "format_version": FORMAT_VERSION,
            "output": output,
            "head": head.shape(),
            "golden": plain.manifest.golden.model_copy(update={"count": golden}),
        }
    )
    pictures = list(islice(cycle(plain_picture(colour) for colour in COLOURS), golden))
    members = {MODEL: plain.model, HEAD: head.to_bytes(), GOLDEN: make_golden(interpreter, pictures, head)}
    if photos:
        whole = [(picture, None) for picture in pictures[:3]]
        members["golden-photos.json"] = make_golden_photos(interpreter, whole, manifest.geometry)
    return read_bundle(pack_bundle(manifest, members, key), f"tiny-{version}")


def teaching(base: Bundle, labels: Sequence[str], /, **changes: object) -> Taught:
    """What station line-1 says of its first head on the base."""
    fields = {
        "base": base.digest,
        "base_version": base.manifest.version,
        "model": hashlib.sha256(base.model).hexdigest(),
        "station": "line-1",
        "number": 1,
        "by": "anna",
        "at": "2026-11-28T01:56:00Z",
        "labels": {label: TaughtLabel(items=10, pictures=30) for label in labels},
        "before": {"top1": Interval(value=0.37, low=0.3, high=0.45)},
        "after": {"top1": Interval(value=0.98, low=0.95, high=0.99)},
    }
    return Taught.model_validate({**fields, **changes})


def taught_bundle(
    base: Bundle,
    /,
    labels: Sequence[str] = ("paper", "glass", "metal"),
    key: Ed25519PrivateKey | None = None,
    bias: float = 0.0,
    **changes: object,
) -> Bundle:
    """A head on the base that gives red, green and blue these labels; further labels get what is none of them."""
    weights = np.vstack([np.eye(3), -np.ones((len(labels), 3))])[: len(labels)]
    head = quantize_head(weights, np.full(len(labels), bias), base.manifest.output)
    thresholds = Thresholds(minimum_score=dict.fromkeys(labels, 0.4))
    made = read_bundle(make_taught_bundle(base, head, labels, thresholds, teaching(base, labels, **changes)), "taught")
    return made if key is None else read_bundle(sign_bundle(made, key), "taught")
