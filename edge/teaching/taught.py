"""From pictures to a bundle that can be installed: the steps of `sorter teach` one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.archive import MODEL, Bundle, read_bundle, sign_bundle
from edge.bundle.manifest import Interval, Taught, TaughtLabel
from edge.bundle.taught import make_taught_bundle
from edge.teaching.learning import Learnt
from edge.teaching.lessons import Lessons
from edge.teaching.scoring import Figures, Share

_FIGURES: Final = ("top1", "purity", "recovery")


def pack_taught(
    base: Bundle, lessons: Lessons, learnt: Learnt, origin: tuple[str, int, str, str], key: Ed25519PrivateKey | None
) -> bytes:
    """The bytes of the taught bundle; `origin` is the station's name, the head's number, the account and the instant (UTC).

    Raises:
        BundleError: it can't be packed.
    """
    station, number, by, at = origin
    taught = Taught(
        base=base.digest,
        base_version=base.manifest.version,
        model=base.manifest.members[MODEL].sha256,
        station=station,
        number=number,
        by=by,
        at=at,
        labels={
            label: TaughtLabel(items=items, pictures=pictures)
            for index, label in enumerate(learnt.labels)
            if (counts := lessons.count(index))[0]
            for items, pictures in [counts]
        },
        before=_figures(learnt.before, learnt.kept.before[""]),
        after=_figures(learnt.after, learnt.kept.after[""]),
    )
    content = make_taught_bundle(base, learnt.head, learnt.labels, learnt.thresholds, taught)
    return content if key is None else sign_bundle(read_bundle(content, base.manifest.title), key)


def _figures(by_label: Mapping[str, Figures], memory: Share) -> dict[str, Interval]:
    shares = {
        f"{label}_{name}" if label else name: getattr(figures, name)
        for label, figures in by_label.items()
        for name in _FIGURES
    } | {"memory_top1": memory}
    return {name: _interval(share) for name, share in shares.items() if share.count}


def _interval(share: Share) -> Interval:
    low, high = share.interval
    # The ends come from a root: where all or none are right they may miss the share by the last bit.
    return Interval(value=share.value, low=min(low, share.value), high=max(high, share.value))
