"""What a bundle says of itself: the versioned, strictly checked manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import pydantic_core
from packaging.version import InvalidVersion
from packaging.version import Version as PackageVersion
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from edge.bundle.geometry import InputGeometry
from edge.errors import BundleError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FORMAT_VERSION: Final = 2
OUTPUT_IS_SCORES: Final = 1
"""The format of a bundle whose network has its last layer in it; devices of every version run it."""
LARGEST_MEMBER: Final = 64 << 20

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
VERSION = r"^[0-9][0-9A-Za-z.]{0,31}$"
LABEL = r"^[a-z][a-z0-9_-]{0,31}$"
Label = Annotated[str, StringConstraints(pattern=LABEL)]
Text = Annotated[str, StringConstraints(max_length=1000)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
# Far beyond what any network needs, and far from where a double runs over: whatever is computed with them is a number.
SMALLEST_SCALE: Final = 1e-9
Scale = Annotated[float, Field(ge=SMALLEST_SCALE, le=1e6)]
Temperature = Annotated[float, Field(ge=1e-3, le=1e3)]
Figure = Annotated[float, Field(ge=-1e12, le=1e12)]


def checked_version(version: str) -> str:
    """Return the version if it has an order among others (PEP 440), and fits a file's name.

    Raises:
        ValueError: saying what is expected.
    """
    if not re.fullmatch(VERSION, version):
        raise ValueError("expected a version such as 1.2 or 2.0rc1: a digit first, at most 32 digits, letters and dots")
    try:
        version_order(version)
    except InvalidVersion:
        raise ValueError("expected a version such as 1.2, 2.0rc1 or 2.0.post1 (PEP 440)") from None
    return version


def version_order(version: str) -> PackageVersion:
    """A key that sorts 1.10 after 1.9, and 1.0rc1 before 1.0."""
    return PackageVersion(version)


Version = Annotated[str, AfterValidator(checked_version)]


class _Strict(BaseModel):
    """Numbers are finite and never made of text or of true and false."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, strict=True)


class Quantization(_Strict):
    """How a tensor's 8-bit codes map to numbers: real = scale * (code - zero_point).

    The input's code is always the pixel itself (uint8) or the pixel with its top bit flipped (int8), so
    nothing on the device computes with floats before the network; scale and zero point are those of the file.
    """

    dtype: Literal["uint8", "int8"] = Field(description="type of the codes")
    scale: Scale = Field(description="size of one step of the codes")
    zero_point: int = Field(ge=-128, le=255, description="the code that stands for 0")

    @model_validator(mode="after")
    def _is_a_code(self) -> Self:
        least, most = (0, 255) if self.dtype == "uint8" else (-128, 127)
        if not least <= self.zero_point <= most:
            raise ValueError(f"zero_point must be a code of {self.dtype}, {least} to {most}, got {self.zero_point}")
        return self

    def dequantize(self, codes: NDArray[np.uint8] | NDArray[np.int8]) -> NDArray[np.float64]:
        """Real values of raw codes, any shape."""
        return (codes.astype("float64") - self.zero_point) * self.scale


class Output(Quantization):
    """The network's output row: one number a label, before softmax or after it, or the features that a head reads."""

    kind: Literal["logits", "probabilities", "features"] = Field(
        default="logits", description="scores before softmax, or after it, or (format 2) features for the head"
    )


class HeadShape(_Strict):
    """The head beside the network: score = step * (weights @ (feature codes - zero point) + bias), in whole numbers."""

    features: int = Field(ge=1, le=4096, description="length of the network's output row")
    step: Scale = Field(description="what one unit of the whole-numbered sum is worth in a score before softmax")


class Thresholds(_Strict):
    """When the model is sure enough, fitted on validation photos."""

    temperature: Temperature = Field(
        default=1.0, description="divides the logits before softmax (Guo et al., ICML 2017)"
    )
    minimum_score: Mapping[Label, Share] = Field(
        description="per label, the calibrated probability under which an item is unsure"
    )
    minimum_margin: Share = Field(default=0.0, description="least distance of the best score from the second best")
    purity: Share | None = Field(
        default=None,
        description="share of right items in a bin that the scores were fitted for; null: they are plain defaults",
    )


class Golden(_Strict):
    """Inputs and the outputs that the maker's runtime gave, so that a device can prove that it computes the same."""

    count: int = Field(ge=1, le=64, description="number of vectors in golden.bin")
    tolerance: int = Field(
        ge=0,
        le=16,
        description="largest difference allowed in any output, in steps of its quantization; 0 demands equality",
    )
    tolerance_other_runtime: int = Field(
        default=16, ge=0, le=128, description="the same for a runtime that is not the maker's"
    )
    runtime: Text = Field(description="the maker's runtime")
    runtime_version: Text = Field(description="its version")


class Provenance(_Strict):
    """Where the model comes from."""

    data_digest: Digest = Field(description="SHA-256 over the list of training photos and their contents")
    run: Text = Field(description="name of the training run")
    packages: Mapping[Text, Text] = Field(description="versions of what trained and converted it, by name")
    created: Text = Field(description="ISO 8601 date or instant, UTC")
    figures: Mapping[Text, Figure] = Field(
        default={}, description="measured figures of the report, such as test accuracy of the very file that ships"
    )


class Member(_Strict):
    """Size in bytes and SHA-256 of one file in the bundle."""

    size: int = Field(ge=0, le=LARGEST_MEMBER, description="bytes")
    sha256: Digest = Field(description="SHA-256 of its bytes, hexadecimal")


class Manifest(_Strict):
    """What a bundle says of itself.

    `pack_bundle` fills in `members`.
    """

    format_version: int = Field(
        default=OUTPUT_IS_SCORES, ge=1, le=FORMAT_VERSION, description="a newer one needs a newer edge-sorter"
    )
    name: Name = Field(description="the model's name; versions are compared among models of one name")
    version: Version = Field(description="its version (PEP 440)")
    labels: tuple[Label, ...] = Field(
        min_length=2, max_length=256, description="what the network tells apart, in the order of its outputs"
    )
    geometry: InputGeometry
    input: Quantization
    output: Output
    head: HeadShape | None = Field(default=None, description="what head.bin holds; from format 2 on, null before")
    thresholds: Thresholds
    golden: Golden
    provenance: Provenance
    members: Mapping[str, Member] = Field(
        default={}, description="every file of the bundle but for this one and the signature"
    )

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"a label appears twice in {', '.join(self.labels)}")
        if set(self.thresholds.minimum_score) != set(self.labels):
            raise ValueError("thresholds.minimum_score must name every label and nothing else")
        if (self.head is not None) != (self.format_version > OUTPUT_IS_SCORES):
            raise ValueError(f"a head belongs to format {FORMAT_VERSION}, and to no other")
        if (self.head is not None) != (self.output.kind == "features"):
            raise ValueError("a head belongs to an output of the kind features, and to no other")
        return self

    @property
    def outputs(self) -> int:
        """Length of the network's output row."""
        return len(self.labels) if self.head is None else self.head.features

    @property
    def title(self) -> str:
        return f"{self.name}-{self.version}"

    def to_json(self) -> bytes:
        """The bytes that are stored and signed."""
        # A device that knows format 1 alone refuses what it does not know.
        unknown_before = {"head"} if self.head is None else None
        return self.model_dump_json(indent=2, exclude=unknown_before).encode() + b"\n"


def parse_manifest(content: bytes, source: str) -> Manifest:
    """Read manifest.json; `source` names the bundle in the error."""
    try:
        tree = pydantic_core.from_json(content)
    except ValueError as error:
        raise BundleError(f"{source}: manifest.json is no JSON ({error}): build the bundle anew") from None
    version = tree.get("format_version") if isinstance(tree, dict) else None
    if type(version) is int and version > FORMAT_VERSION:
        raise BundleError(
            f"{source}: expected bundle format {FORMAT_VERSION} or older, got {version}: "
            "update edge-sorter on this machine (pip install -U edge-sorter)"
        )
    try:
        return Manifest.model_validate_json(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'manifest'}: {e['msg']}" for e in error.errors())
        raise BundleError(f"{source}: manifest.json is not valid ({problems}): build the bundle anew") from None
