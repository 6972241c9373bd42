"""The head and the memory of a model: whatever bytes they are made of, with a manifest that vouches for them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edge.bundle.archive import HEAD, MANIFEST, MEMORY, Bundle, bundle_bytes, read_bundle
from edge.bundle.head import Codes, read_head
from edge.bundle.memory import NONE, read_memory
from edge.inference.classifier import shipped_bundle_path
from fuzzing.case import Case, mutate, mutate_value

# What a number is that is as large, as small or as odd as its bits allow.
EXTREMES = (b"\xff" * 8, b"\x00" * 8, b"\x00" * 7 + b"\x80", b"\xff" * 7 + b"\x7f", b"\x00\x80" * 4, b"\xff\x7f" * 4)


def head(folder: Path) -> Callable[[Case], None]:
    """A head that is taken gives whole sums and finite scores for whatever features its network may give."""
    whole = _shipped()

    def run(case: Case) -> None:
        taken = _with(whole, HEAD, case)
        found = read_head(taken)
        codes = _codes(taken, case)
        with np.errstate(all="raise"):
            scores, strangeness = found.logits(codes), found.strangeness(codes)
        assert scores.shape == (len(codes), len(taken.labels))
        assert np.isfinite(scores).all()
        assert not np.isnan(strangeness).any()
        one_by_one = np.array([found.logits(row) for row in codes])
        assert np.array_equal(scores, one_by_one), "a score depends on what is computed beside it"

    return run


def memory(folder: Path) -> Callable[[Case], None]:
    """A memory that is taken holds labels that there are and features that its network may give, and packs to the same bytes."""
    whole = _shipped()

    def run(case: Case) -> None:
        taken = _with(whole, MEMORY, case)
        found = read_memory(taken)
        if found is None:
            return
        assert found.codes.shape == (len(found), taken.manifest.outputs)
        assert found.codes.dtype == np.dtype(taken.manifest.output.dtype)
        assert len(found.held_out) == len(found) > 0
        assert set(found.labels.tolist()) <= {NONE, *range(len(taken.labels))}
        again = read_memory(replace(taken, members={**taken.members, MEMORY: found.to_bytes()}))
        assert again is not None
        assert np.array_equal(again.codes, found.codes)
        assert np.array_equal(again.labels, found.labels)

    return run


def _shipped() -> Bundle:
    return read_bundle(shipped_bundle_path().read_bytes(), "whole")


def _with(whole: Bundle, name: str, case: Case) -> Bundle:
    """Read a model with another member of that name, and sometimes another idea of its shape; digests and sizes are right."""
    tree: dict[str, Any] = json.loads(whole.members[MANIFEST])
    member = _damaged(whole.members[name], case)
    if case.chance.random() < 0.3:
        mutate_value(case.chance.choice((tree["head"], tree["output"], tree["labels"])), case.chance)
    if isinstance(tree.get("members"), dict):
        tree["members"][name] = {"size": len(member), "sha256": hashlib.sha256(member).hexdigest()}
    members = {**whole.members, name: member, MANIFEST: json.dumps(tree).encode()}
    return read_bundle(bundle_bytes(replace(whole, members=members)), "fuzzed")


def _damaged(content: bytes, case: Case) -> bytes:
    """Other bytes of the same length, mostly: those of another one are refused by that alone."""
    chance = case.chance
    if chance.random() < 0.2:
        return mutate(content, chance)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 3, 50))):
        at = chance.choice((chance.randrange(len(changed)), max(0, len(changed) - 8 * chance.randint(1, 8)), 0, 1))
        put = chance.choice((*EXTREMES, chance.randbytes(8), bytes([chance.randrange(256)])))
        changed[at : at + len(put)] = put[: len(changed) - at]
    if chance.random() < 0.1:
        changed[:] = chance.choice(EXTREMES)[:8] * (len(changed) // 8) + bytes(len(changed) % 8)
    return bytes(changed)


def _codes(taken: Bundle, case: Case) -> Codes:
    kind = np.dtype(taken.manifest.output.dtype)
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    features = taken.manifest.outputs
    drawn = np.frombuffer(case.chance.randbytes(features), kind)
    codes: Codes = np.array([np.full(features, least), np.full(features, most), drawn], kind)
    return codes
