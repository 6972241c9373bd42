"""Whose models a station takes: asked wherever a model of the store is loaded, not only when it comes in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.bundle.archive import Bundle
from edge.bundle.signature import load_public_keys, verify_manifest
from edge.config import Station
from edge.errors import BundleError, ConfigError

Accept = Callable[[Bundle], object]
"""Raises BundleError for a bundle that is not to be used."""


@dataclass(frozen=True)
class Trust:
    """The keys that may sign a model, and whether one without a signature is taken."""

    keys: tuple[Ed25519PublicKey, ...] = ()
    allow_unsigned: bool = False

    def signer(self, bundle: Bundle) -> str | None:
        """The fingerprint of the trusted key that signed it; None for one that needs no signature.

        A model that came with edge-sorter needs none: whoever can change its list of digests can change the program.

        Raises:
            BundleError: nobody that is trusted signed it.
        """
        if bundle.signature is None:
            if self.allow_unsigned or bundle.digest in shipped_digests():
                return None
            raise BundleError(
                f"{bundle.source}: expected a signed bundle, got an unsigned one: sign it with 'sorter key sign', "
                "or set inference.allow_unsigned = true in the station file"
            )
        if self.allow_unsigned and not self.keys:
            return None
        return verify_manifest(bundle.manifest_bytes, bundle.signature, self.keys, bundle.source)


def trust_of(station: Station) -> Trust:
    """What the station file and its folder of keys say now.

    Raises:
        ConfigError: a key is wrong.
    """
    return Trust(load_public_keys(station.inference.keys), station.inference.allow_unsigned)


def accept_for(station: Station) -> Accept:
    """What refuses a bundle that the station does not trust; the keys are read anew for every bundle."""

    def accept(bundle: Bundle) -> None:
        try:
            trust_of(station).signer(bundle)
        except ConfigError as error:
            raise BundleError(f"{bundle.source}: whose it is can't be told: {error}") from None

    return accept


def shipped_digests() -> frozenset[str]:
    """SHA-256 of every model that ever came with edge-sorter; `make digests` adds the one that does now."""
    listed = resources.files("edge").joinpath("model", "digests.txt").read_text("ascii")
    return frozenset(line.split()[0] for line in listed.splitlines() if line.strip())
