"""Model files: damaged, with numbers at the limits of what a number can be, and signed in other spellings."""

from __future__ import annotations

import base64
import copy
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.archive import Bundle, bundle_bytes, read_bundle, sign_bundle
from edge.bundle.signature import sign_manifest
from edge.inference.classifier import shipped_bundle_path
from edge.models.trust import Trust
from fuzzing.case import Case, mutate, mutate_value
from fuzzing.examples import small_bundle

NUMBERS = (
    "1e400", "-1e400", "1e308", "1.7976931348623157e308", "5e-324", "1e-400", "-0.0", "-0", "0", "0.0", "1", "1.0", "-1",
    "255.0", "256", "1E2", "9007199254740993", "9223372036854775808", "1e10", "-" + "9" * 400, "9" * 5000,
    "0." + "0" * 5000 + "1",
)  # fmt: skip
NO_NUMBERS = ("NaN", "Infinity", "-Infinity", "01", "+1", ".5", "1.", "0x10", "true", '"1"', '"NaN"', '""', "[1]", "{}")
ORDER_OF_ED25519 = 2**252 + 27742317777372353535851937790883648493


def bundle(folder: Path) -> Callable[[Case], None]:
    """The shipped model with damaged bytes, or with other values in its manifest."""
    content = shipped_bundle_path().read_bytes()
    whole = read_bundle(content, "whole")

    def run(case: Case) -> None:
        if case.chance.random() < 0.5:
            read_bundle(mutate(content, case.chance), "fuzzed")
            return
        manifest = json.loads(whole.manifest_bytes)
        mutate_value(manifest, case.chance)
        _read_with(whole, "manifest.json", json.dumps(manifest).encode())

    return run


def manifest(folder: Path) -> Callable[[Case], None]:
    """A number in another one's place: what is taken has to be one that can be computed with."""
    whole = read_bundle(small_bundle(), "whole")

    def run(case: Case) -> None:
        tree, put = json.loads(whole.manifest_bytes), []
        for _ in range(case.chance.choice((1, 1, 2))):
            holder, key = case.chance.choice(list(_numbers_of(tree)))
            put.append(case.chance.choice((case.chance.choice(NUMBERS), case.chance.choice(NO_NUMBERS))))
            holder[key] = "@@" + put[-1]
        text = json.dumps(tree)
        for number in put:
            text = text.replace(json.dumps("@@" + number), number)
        taken = _read_with(whole, "manifest.json", text.encode()).manifest
        assert not set(put) & set(NO_NUMBERS), f"one of {put} is taken for a number"
        for holder, key in _numbers_of(taken.model_dump(mode="json")):
            assert math.isfinite(float(holder[key])), f"{key} = {holder[key]}"
        codes = np.array([[-128, 0, 127]], np.int8) if taken.output.dtype == "int8" else np.array([[0, 255]], np.uint8)
        with np.errstate(all="raise"):
            assert np.isfinite(taken.output.dequantize(codes) / taken.thresholds.temperature).all()
        type(taken).model_validate_json(taken.to_json())

    return run


def signature(folder: Path) -> Callable[[Case], None]:
    """Other bytes of the member: none of them makes another file of a signed model that is trusted all the same."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    content = sign_bundle(read_bundle(small_bundle(), "whole"), key)
    whole, trust = read_bundle(content, "signed"), Trust((key.public_key(),))
    assert trust.signer(whole)

    def run(case: Case) -> None:
        member = _other_signature(whole, key, case.chance)
        taken = _read_with(whole, "signature", member)
        trust.signer(taken)
        assert bundle_bytes(taken) == content, f"a second spelling is trusted: {member!r}"

    return run


def _other_signature(whole: Bundle, key: Ed25519PrivateKey, chance: random.Random) -> bytes:
    member = whole.members["signature"]
    fields = json.loads(member)
    value = base64.b64decode(fields["signature"])
    scalar = int.from_bytes(value[32:], "little") + ORDER_OF_ED25519
    respelled = (
        json.dumps(fields).encode(),
        json.dumps(dict(reversed(fields.items())), indent=2).encode() + b"\n",
        member.rstrip(),
        member.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + member,
        member.replace(b'"key"', b'"k\\u0065y"'),
        member.replace(b"{", b'{"key": "ssh-ed25519 AAAA",', 1),
        _with(fields, key=fields["key"] + " a comment"),
        _with(fields, key=fields["key"].replace(" ", "  ")),
        _with(fields, signature=fields["signature"].rstrip("=")),
        _with(fields, signature=base64.urlsafe_b64encode(value).decode()),
        _with(fields, signature=fields["signature"] + "\n"),
        _with(fields, signature=fields["signature"][:-3] + chr(ord(fields["signature"][-3]) + 1) + "=="),
        _with(fields, signature=base64.b64encode(value[:32] + scalar.to_bytes(32, "little")).decode()),
        _with(fields, signature=base64.b64encode(key.sign(whole.manifest_bytes)).decode()),
        _with(fields, signature=base64.b64encode(bytes(64)).decode()),
        sign_manifest(whole.manifest_bytes, Ed25519PrivateKey.from_private_bytes(chance.randbytes(32))),
    )
    match chance.randrange(4):
        case 0:
            return mutate(member, chance)
        case 1:
            other: dict[str, Any] = copy.deepcopy(fields)
            mutate_value(other, chance)
            return json.dumps(other, indent=2).encode() + b"\n"
        case 2:
            return mutate(chance.choice(respelled), chance)
        case _:
            return chance.choice(respelled)


def _with(fields: dict[str, str], **other: str) -> bytes:
    return json.dumps({**fields, **other}, indent=2).encode() + b"\n"


def _read_with(whole: Bundle, name: str, member: bytes) -> Bundle:
    return read_bundle(bundle_bytes(replace(whole, members={**whole.members, name: member})), "fuzzed")


def _numbers_of(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every number of a parsed file: where it is held, and under which key."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        if isinstance(value, dict | list):
            yield from _numbers_of(value)
        elif isinstance(value, int | float):
            yield tree, key
