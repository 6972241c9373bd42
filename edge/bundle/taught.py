"""A taught bundle: the network of another one, byte for byte, and a head of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import ValidationError

from edge.bundle.archive import GOLDEN, HEAD, MANIFEST, MODEL, REPORT_HTML, REPORT_JSON, SIGNATURE, Bundle, pack_bundle
from edge.bundle.head import LinearHead
from edge.bundle.manifest import Manifest, Taught, Thresholds
from edge.errors import BundleError

# They tell of the base's head; the figures of this one are in the manifest.
_OF_THE_BASE = frozenset({MANIFEST, SIGNATURE, REPORT_JSON, REPORT_HTML})


def check_can_be_taught(base: Bundle) -> None:
    """Refuse a bundle on which no head can be taught.

    Raises:
        BundleError: saying what to do.
    """
    if base.manifest.head is None:
        raise BundleError(
            f"{base.source}: {base.manifest.title} is of format {base.manifest.format_version}, whose network gives scores "
            "and no features, so no head can be taught on it: install a model of format 2 (`sorter convert` makes one)"
        )
    if (taught := base.manifest.taught) is not None:
        raise BundleError(
            f"{base.source}: {base.manifest.title} is a taught head itself: teach on its base, version "
            f"{taught.base_version} ({taught.base[:12]})"
        )


def make_taught_bundle(
    base: Bundle,
    head: LinearHead,
    labels: Sequence[str],
    thresholds: Thresholds,
    taught: Taught,
    extra: Mapping[str, bytes] | None = None,
) -> bytes:
    """The bytes of the bundle that holds this head on the network of the base; unsigned, see `sign_bundle`.

    Args:
        base: of format 2, and not taught itself.
        head: weights (rows, features) for the features as the base's network gives them.
        labels: in the order of the head's rows; one more row may be for none of them.
        thresholds: that and the temperature were fitted for this head.
        taught: where the head comes from; its station and number make the version.
        extra: members in place of the base's, or beside them.

    Raises:
        BundleError: they don't belong together.
    """
    check_can_be_taught(base)
    manifest = base.manifest
    _check_head(base, head, labels)
    if (taught.base, taught.base_version, taught.model) != (
        base.digest,
        manifest.version,
        manifest.members[MODEL].sha256,
    ):
        raise BundleError(f"{base.source}: what is said of the head's base ({taught.base[:12]}) is not this bundle")
    tree = {name: getattr(manifest, name) for name in Manifest.model_fields} | {
        "version": taught.version,
        "labels": tuple(labels),
        "head": head.shape(),
        "thresholds": thresholds,
        "provenance": dict(manifest.provenance) | {"figures": {}},
        "taught": taught,
        "members": {},
    }
    try:
        made = Manifest.model_validate(tree)
    except ValidationError as error:
        problems = "; ".join(str(problem["msg"]) for problem in error.errors())
        raise BundleError(f"{base.source}: a head that is taught on it can't be packed: {problems}") from None
    kept = {name: content for name, content in base.members.items() if name not in _OF_THE_BASE}
    return pack_bundle(made, kept | {HEAD: head.to_bytes(), GOLDEN: _golden(base, head)} | dict(extra or {}))


def _check_head(base: Bundle, head: LinearHead, labels: Sequence[str]) -> None:
    expected = (len(labels) + head.none_of_these, base.manifest.outputs)
    if head.weights.shape != expected or head.bias.shape != expected[:1]:
        raise BundleError(
            f"{base.source}: expected a head of {expected[0]} rows and {expected[1]} features, got weights "
            f"{head.weights.shape} and a bias {head.bias.shape}"
        )
    if head.zero_point != base.manifest.output.zero_point:
        raise BundleError(
            f"{base.source}: expected a head for features whose zero is the code {base.manifest.output.zero_point}, "
            f"got {head.zero_point}"
        )


def _golden(base: Bundle, head: LinearHead) -> bytes:
    """golden.bin with this head's sums of the very features that the base's maker got."""
    manifest, content = base.manifest, base.members[GOLDEN]
    count, features = manifest.golden.count, manifest.outputs
    split = count * manifest.geometry.height * manifest.geometry.width * 3
    codes = np.frombuffer(content, manifest.output.dtype, count=count * features, offset=split).reshape(count, features)
    return content[: split + codes.nbytes] + head.totals(codes).astype("<i8").tobytes()
